//! What stands between the word and its object, and around the word.

use super::*;

pub(super) fn forms() -> Vec<Form> {
    let mut forms = Vec::new();
    for sign in [
        ";",
        ",",
        "!",
        "?",
        "...",
        "…",
        "/",
        "//",
        "+",
        "&",
        "@",
        "%",
        "$",
        "^",
        "·",
        "•",
        "~>",
        "==>",
        "::",
        ":=",
        "+=",
        "➡",
        "➡️",
        "➜",
        "⟶",
        "⇨",
        "▶",
        "►",
        "⮕",
        "│",
        "┃",
        "¦",
        "，",
        "；",
        "。",
        "、",
        "！",
        "﹕",
        "∶",
        "︰",
        "✅",
        " ✅:",
        " 👇\n",
        " 🟢 ",
        " 📋\n\n",
        "《》",
        " ‼️ ",
    ] {
        forms.push(accepted(&format!("PATIENT_CREATION{sign} {{A}}")));
        forms.push(accepted(&format!("PATIENT_CREATION{sign}\n```json\n{{A}}\n```")));
    }
    for (open, close) in [
        ("【", "】"),
        ("「", "」"),
        ("『", "』"),
        ("《", "》"),
        ("〈", "〉"),
        ("«", "»"),
        ("‹", "›"),
        ("（", "）"),
        ("［", "］"),
        ("｛", "｝"),
        ("＜", "＞"),
        ("⟨", "⟩"),
        ("〔", "〕"),
        ("＂", "＂"),
        ("„", "“"),
        ("❝", "❞"),
        ("{", "}"),
        ("{{", "}}"),
        ("((", "))"),
        ("~~", "~~"),
        ("==", "=="),
        ("🔔", "🔔"),
        ("✅ **", "** 👇"),
    ] {
        for behind in [" ", ": ", "：", "\n"] {
            forms.push(accepted(&format!("{open}PATIENT_CREATION{close}{behind}{{A}}")));
        }
    }
    // Words that lead to an object, and numbers.
    for words in [
        "event",
        "marker",
        "record",
        "details",
        "request",
        "entry",
        "payload",
        "info",
        "is",
        "#1",
        "1",
        "no. 1",
        "(1)",
        "2)",
        "now",
        "was sent",
        "has been created",
        "v2",
        "with the following data",
        "with data",
        "begin",
        "(new patient)",
        ", with data",
        "[CALL_ID]abc123def[ARGS]",
    ] {
        forms.push(accepted(&format!("PATIENT_CREATION {words}: {{A}}")));
    }
    forms.extend([
        accepted("**PATIENT_CREATION event:**\n```json\n{A}\n```"),
        accepted("### PATIENT_CREATION Details\n{A}"),
        accepted("### Patient Creation Details:\n{A}"),
        accepted("Calling patient_creation using {A}"),
        // Lists and arguments.
        accepted("[\"PATIENT_CREATION\", {A}]"),
        accepted("(\"PATIENT_CREATION\", {A})"),
        accepted("emit(\"PATIENT_CREATION\", {A})"),
        accepted("emit(PATIENT_CREATION, {A})"),
        accepted("`PATIENT_CREATION`, `{A}`"),
        accepted("[TOOL_CALLS]patient_creation[CALL_ID]abc123def[ARGS]{A}"),
        accepted("PATIENT_CREATION\\n\\n{A}"),
        // Words that lead nowhere.
        rejected("### PATIENT_CREATION for Jo Poe\n{A}", Unclear),
        rejected("PATIENT_CREATION failed: {A}", Unclear),
        rejected("PATIENT_CREATION is not {A}", Unclear),
        rejected("PATIENT_CREATION no {A}", Unclear),
        rejected("An example of PATIENT_CREATION looks like this: {A}", Unclear),
        rejected("{\"error\": \"PATIENT_CREATION failed\", \"detail\": {A}}", Unclear),
        rejected("PATIENT_CREATION ✅ {name: Jo Poe}", Malformed),
        nothing("See PATIENT_CREATION; it is like {\"ok\": true}."),
        nothing("The PATIENT_CREATION marker goes first. Then something quite different comes, and after that: {A}"),
    ]);
    forms
}
