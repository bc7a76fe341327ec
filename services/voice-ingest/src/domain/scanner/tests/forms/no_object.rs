//! The word without an object: kept where it has a line of its own, brackets or bold, or where its fields follow; prose in a sentence.

use super::*;

pub(super) fn forms() -> Vec<Form> {
    let mut forms: Vec<Form> = [
        "[PATIENT_CREATION] Jo, 212-555-0101",
        "I noted it. [PATIENT_CREATION] Jo, 212-555-0101",
        "[PATIENT_CREATION] name=Jo Poe",
        "【PATIENT_CREATION】 Jo Poe",
        "## PATIENT_CREATION\n- **Name:** Jo\n- **Phone:** 212",
        "**PATIENT_CREATION**\n\n* Name: Jo Poe",
        "Done. **PATIENT_CREATION** Jo Poe",
        "PATIENT_CREATION\nname: Jo\nphone: 212",
        "PATIENT_CREATION name: Jo",
        "patient_creation\nname: Jo",
        "patient_creation --name=Jo",
        "PatientCreation\n  name: Jo",
        "PATIENT_CREATION - Jo - 212-555-0101",
        "PATIENT_CREATION – Jo",
        "PATIENT_CREATION | Jo | 212",
        "| PATIENT_CREATION | Jo | 212 |",
        "1. PATIENT_CREATION Jo Poe",
        "PATIENT_CREATION\n```yaml\nname: Jo\n```",
        "PATIENT_CREATION\n```\nname: Jo\n```",
        "PATIENT_CREATION \"name\": \"Jo Poe\"",
        "PATIENT_CREATION (Jo Poe)",
        "PATIENT_CREATION(\"Jo Poe\")",
        "PATIENT_CREATION",
        "Action: patient_creation\nArguments: name=Jo Poe",
    ]
    .iter()
    .map(|text| rejected(text, NotAnObject))
    .collect();
    forms.extend(
        [
            "I use PATIENT_CREATION (the tool).",
            "I use the `PATIENT_CREATION` tool",
            "I will now do **PATIENT_CREATION** for you.",
            "The next step is **PATIENT_CREATION**.",
            "PATIENT_CREATION (when the caller is new)",
            "PATIENT_CREATION is what I write then.",
            "Step = BOOKING_CONFIRMATION.",
            "Then comes the PATIENT_CREATION step, and you are done",
            "patient_creation",
            "patient_creation()",
            "use patient_creation() then",
            "\"PATIENT_CREATION\"",
            "BookingConfirmation: tomorrow",
            "Booking-Confirmation: tomorrow at 10",
            "Patient Creation – done",
            "patient creation: {}",
            "booking confirmation: {\"ok\": true}",
            "Your booking confirmation {number 12} is sent",
            "{\"state\": \"PATIENT_CREATION\"}",
            "{\"next_step\": \"booking_confirmation\"}",
        ]
        .map(nothing),
    );
    forms
}
