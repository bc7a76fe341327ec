//! What is only thought, and what is not.

use super::*;

pub(super) fn forms() -> Vec<Form> {
    let mut forms = Vec::new();
    for (open, close) in [
        ("<think >", "</think>"),
        ("{\"thought_process\": \"", "\"}"),
        ("{\"Thought\": \"", "\"}"),
        ("{\"rationale\": \"", "\"}"),
        ("{\"tool_plan\": \"", "\"}"),
        ("<think\n>", "</think>"),
        ("< think>", "</ think>"),
        ("<think id=\"1\">", "</think>"),
        ("<thinking type=\"x\">", "</thinking>"),
        ("<thinking>", "</think>"),
        ("<think><think>a</think>", "</think>"),
        ("<antThinking>", "</antThinking>"),
        ("<seed:think>", "</seed:think>"),
        ("<scratch_pad>", "</scratch_pad>"),
        ("<reason>", "</reason>"),
        ("<Reasoning>", "</Reasoning>"),
        ("<reasoning_content>", "</reasoning_content>"),
        ("<thought_process>", "</thought_process>"),
        ("<plan>", "</plan>"),
        ("<inner_thoughts>", "</inner_thoughts>"),
        ("<internal_monologue>", "</internal_monologue>"),
        ("<chain_of_thought>", "</chain_of_thought>"),
        ("<self_reflection>", "</self_reflection>"),
        ("<brainstorm>", "</brainstorm>"),
        ("<|think|>", "<|/think|>"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ("<｜begin▁of▁thinking｜>", "<｜end▁of▁thinking｜>"),
        ("<unused94>thought\n", "<unused95>"),
        ("<|channel>thought\n", "<channel|>"),
        ("<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>final<|message|>"),
        ("```think\n", "\n```\n"),
        ("~~~thinking\n", "\n~~~\n"),
        ("```thinking\n```json\n{}\n```\n", "\n```\n"),
        ("<details><summary>Thinking</summary>", "</details>"),
        ("<details open>\n<summary>My reasoning</summary>", "</details>"),
        ("&lt;think&gt;", "&lt;/think&gt;"),
        ("{\"thinking\":\"", "\"}"),
        ("{\\\"reasoning\\\": \\\"", "\\\"}"),
        ("[thinking]", "[/thinking]"),
        ("[Reflection]", "[/Reflection]"),
        ("<\u{200b}think>", "</think>"),
    ] {
        forms.push(accepted(&format!(
            "{open}Perhaps PATIENT_CREATION: {{\"name\": \"No\"}} later.{close} PATIENT_CREATION: {{A}}"
        )));
    }
    forms.extend([
        // No thought: headings, and what is only spoken of.
        accepted("[Reflection] PATIENT_CREATION: {A}"),
        accepted("[analysis] done\n\nPATIENT_CREATION: {A}"),
        accepted("`<think>` tags are hidden. PATIENT_CREATION: {A}"),
        accepted("<thinker/> [think about it] PATIENT_CREATION: {A}"),
        accepted("<think></think>PATIENT_CREATION: {A}"),
        accepted("PATIENT_CREATION: {\"name\": \"Jo\"} <think>hm</think>"),
        rejected("[THINK] PATIENT_CREATION: {A}", BrokenReason::Thought),
        rejected("<think>hm PATIENT_CREATION: {A}", BrokenReason::Thought),
    ]);
    forms
}

fn whole(text: &str) -> Vec<Found> {
    let (mut scanner, mut all) = (Scanner::new(), Vec::new());
    scanner.expect_whole();
    scanner.push(text.as_bytes(), &mut |found| all.push(found));
    scanner.finish(&mut |found| all.push(found));
    all
}

#[test]
fn a_heading_switches_off_no_other_thought() {
    let draft = "PATIENT_CREATION: {\"name\": \"No\"}";
    for (open, close) in
        [("<think>", "</think>"), ("```think\n", "\n```\n"), ("\"thinking\": \"", "\""), ("◁think▷", "◁/think▷")]
    {
        for heading in ["[Analysis]", "[Plan]", "[Draft]"] {
            let text = format!("{heading}\n{open}Perhaps {draft}{close} PATIENT_CREATION: {A}");
            assert!(outcomes(&scan(text.as_bytes()), &[Accepted(A)]), "{text} {:?}", scan(text.as_bytes()));
            for cut in 0..=text.len() {
                let (one, two) = text.as_bytes().split_at(cut);
                assert_eq!(scan_pieces([one, two]), scan(text.as_bytes()), "{text} cut at {cut}");
            }
        }
    }
    let open = format!("[Analysis] PATIENT_CREATION: {A} <think> {draft}");
    let found = scan(open.as_bytes());
    assert!(outcomes(&found, &[Accepted(A), Rejected(BrokenReason::Thought)]), "{found:?}");
    // So many that they cannot be withheld are kept, and no fact is made of them.
    let found = scan(format!("[analysis] {} [/analysis]", draft.repeat(9)).as_bytes());
    assert_eq!(found.len(), 9);
    assert!(found.iter().all(|one| one.json == Err(Broken { reason: BrokenReason::Thought })), "{found:?}");
}

#[test]
fn in_a_whole_text_all_before_a_closing_tag_that_nothing_opened_is_a_thought() {
    let draft = "PATIENT_CREATION: {\"name\": \"No\"}";
    for closing in ["</think>", "</thinking>", "[/THINK]", "◁/think▷", "<|END_THINKING|>", "&lt;/think&gt;"] {
        let text = format!("Perhaps {draft}, or PATIENT_CREATION: no?\n{closing}\n\nPATIENT_CREATION: {A}");
        assert!(outcomes(&whole(&text), &[Accepted(A)]), "{closing} {:?}", whole(&text));
        // In pieces what came before is handed out already, whether it comes in many or in one.
        assert_eq!(scan(text.as_bytes()).len(), 3, "{closing}");
    }
    // Where a thought has begun or ended before, nobody knows where the next one began: what is before its end is kept.
    let turns = format!("{draft}</think> PATIENT_CREATION: {A} {draft}</think> PATIENT_CREATION: {A}");
    assert!(
        outcomes(&whole(&turns), &[Rejected(BrokenReason::Thought), Rejected(BrokenReason::Thought), Accepted(A)]),
        "{:?}",
        whole(&turns)
    );
    let late = format!("<think>x</think> PATIENT_CREATION: {A} </think> bye");
    assert!(outcomes(&whole(&late), &[Rejected(BrokenReason::Thought)]), "{:?}", whole(&late));
    // What only looks like a tag of a thought.
    for tag in ["<jo@rethinkdental.com>", "<https://thoughtful.example/x>", "[Reasoning](https://x.example)"] {
        let text = format!("{tag} PATIENT_CREATION: {A}");
        assert!(outcomes(&whole(&text), &[Accepted(A)]), "{tag} {:?}", whole(&text));
    }
    let heading = format!("[/analysis] {draft} `</think>`");
    assert_eq!(whole(&heading).len(), 1);
    for (text, _) in all_forms() {
        assert_eq!(whole(&text), scan(text.as_bytes()), "{text}");
    }
    let mut scanner = Scanner::new();
    scanner.expect_whole();
    scanner.finish(&mut |_| {});
    assert_eq!(scanner, Scanner::new(), "it is said of one text");
}
