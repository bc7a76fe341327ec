//! The word as it is spelled.

use super::*;

pub(super) fn forms() -> Vec<Form> {
    let mut forms: Vec<Form> = [
        // Other hyphens, spaces, underscores; escapes of them.
        "PATIENT\u{2011}CREATION",
        "PATIENT\u{2010}CREATION",
        "PATIENT\u{2013}CREATION",
        "PATIENT\u{2014}CREATION",
        "PATIENT\u{2212}CREATION",
        "PATIENT\u{a0}CREATION",
        "PATIENT\u{202f}CREATION",
        "PATIENT\u{ff3f}CREATION",
        "PATIENT  CREATION",
        "PATIENT\nCREATION",
        "PATIENT_ CREATION",
        "PATIENT _CREATION",
        "PATIENT _ CREATION",
        "PATIENT__CREATION",
        "PATIENT.CREATION",
        "PATIENT:CREATION",
        "PATIENT/CREATION",
        "patient.creation",
        r"PATIENT\\\_CREATION",
        "PATIENT&#95;CREATION",
        "PATIENT&lowbar;CREATION",
        "PATIENT%5FCREATION",
        r"PATIENT\u005fCREATION",
        "PATIENT<br>_CREATION",
        "**PATIENT**_**CREATION**",
        "`PATIENT`_`CREATION`",
        "PATIENTCREATION",
        // Other letters, and what is invisible.
        "ＰＡＴＩＥＮＴ＿ＣＲＥＡＴＩＯＮ",
        "ｐａｔｉｅｎｔ＿ｃｒｅａｔｉｏｎ",
        "𝐏𝐀𝐓𝐈𝐄𝐍𝐓_𝐂𝐑𝐄𝐀𝐓𝐈𝐎𝐍",
        "PATIENT_CR\u{415}ATION",
        "PAT\u{130}ENT_CREATION",
        "P\u{ad}ATIENT_CREATION",
        "PATIENT\u{200b}_CREATION",
        "PATIENT_\u{2060}CREATION",
        "PATIENT_CREATION\u{ad}",
        "PATIENT_CREATION\u{feff}",
        "\u{200b}PATIENT_CREATION",
        "PATIENT_CREATION™",
        // Numbers hang on it, escapes stand before it.
        "PATIENT_CREATION_1",
        "PATIENT_CREATION2",
        "PATIENT_CREATION-3",
        "PATIENT_CREATION_EVENT",
        "patient_creation_request",
        r"\nPATIENT_CREATION",
        r"Great!\n\nPATIENT_CREATION",
        r"\tPATIENT_CREATION",
        r"\u000aPATIENT_CREATION",
        "%0APATIENT_CREATION",
        r"$\text{PATIENT\_CREATION}$",
        r"\textbf{PATIENT\_CREATION}",
    ]
    .iter()
    .map(|word| accepted(&format!("{word}: {{A}} bye")))
    .collect();
    // A longer word is another; in capitals and with an object of this one's fields it is kept.
    forms.extend(
        ["ai_", "EVENT_", "NEW_", "n", "1"]
            .map(|before| rejected(&format!("{before}PATIENT_CREATION: {{A}}"), Unclear)),
    );
    forms.push(rejected("PATIENT_CREATIONS: {A}", Unclear));
    forms.extend([
        nothing("PATIENT_CREATION_LOG: {A}"),
        nothing("PATIENT_CREATIONIST: {A}"),
        nothing("NEW_PATIENT_CREATION: {\"a\": 1}"),
        nothing("new_patient_creation: {A}"),
        nothing("PATIENT CARE CREATION: {A}"),
        nothing("My patient! Creation of it: {A}"),
    ]);
    forms
}
