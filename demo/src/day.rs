//! The recorded day as its files have it: what was said in each call, and what must come of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use serde::Deserialize;

/// What separates the pieces of a text that came in pieces.
const CUT: &str = "\n<<piece>>\n";

/// A recorded day.
#[derive(Debug)]
pub struct Day {
    pub totals: Totals,
    pub calls: Vec<Call>,
}

/// The sums over all calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Totals {
    pub calls: usize,
    pub extractions_accepted: usize,
    pub extractions_rejected: usize,
    pub patients: usize,
    pub patients_updated: usize,
    pub appointments_booked: usize,
    pub bookings_held: BTreeMap<String, usize>,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    pub id: String,
    /// The earlier call that this one builds on.
    pub after: Option<String>,
    /// The AI's text, in the pieces in which it came.
    pub pieces: Vec<String>,
    pub expected: Vec<Expected>,
}

/// What must come of one thing that was said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Expected {
    pub kind: String,
    /// How often it is said in the call.
    #[serde(default = "once")]
    pub said: usize,
    #[serde(flatten)]
    pub fate: Fate,
}

fn once() -> usize {
    1
}

/// What became, or must become, of one thing that was said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Fate {
    Applied { effect: Effect, patient: Option<String>, slot: Option<Slot> },
    Held { reason: String, patient: Option<String>, slot: Option<Slot> },
    Rejected { category: String, field: String },
}

/// What an applied thing did to the practice's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Created,
    Updated,
    Unchanged,
    Booked,
    AlreadyBooked,
}

/// What can be booked once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Slot {
    pub dentist: String,
    /// `YYYY-MM-DD`
    pub date: String,
    /// `HH:MM`
    pub time: String,
}

#[derive(Deserialize)]
struct ExpectedFile {
    totals: Totals,
    calls: Vec<ExpectedCall>,
}

#[derive(Deserialize)]
struct ExpectedCall {
    id: String,
    after: Option<String>,
    extractions: Vec<Expected>,
}

impl Day {
    /// Reads `expected.json` and the calls that it names, in `folder` or its folder `day`.
    ///
    /// # Errors
    /// When a file is missing or is not what it should be.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let folder = Self::folder(folder);
        let path = folder.join("expected.json");
        let text = fs::read_to_string(&path).with_context(|| {
            format!("cannot read {}; name the folder of the recording with --day, as in --day demo", path.display())
        })?;
        let file: ExpectedFile =
            serde_json::from_str(&text).with_context(|| format!("{} is not as demo/README.md says", path.display()))?;
        let mut calls: Vec<Call> = Vec::with_capacity(file.calls.len());
        for ExpectedCall { id, after, extractions } in file.calls {
            let path = folder.join("calls").join(format!("{id}.txt"));
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            // Or a player would wait for what never comes.
            let earlier = after.as_ref().is_none_or(|after| calls.iter().any(|call| call.id == *after));
            ensure!(earlier, "{id} is after {}, which is no earlier call", after.unwrap_or_default());
            calls.push(Call { id, after, pieces: text.split(CUT).map(str::to_owned).collect(), expected: extractions });
        }
        Ok(Self { totals: file.totals, calls })
    }

    fn folder(folder: &Path) -> PathBuf {
        let inner = folder.join("day");
        if inner.join("expected.json").exists() { inner } else { folder.to_owned() }
    }

    /// Whether this is one of its calls.
    pub fn has(&self, call_id: &str) -> bool {
        self.calls.iter().any(|call| call.id == call_id)
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {} at {}", self.dentist, self.date, self.time)
    }
}

impl Effect {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "patient created",
            Self::Updated => "patient updated",
            Self::Unchanged => "patient known already",
            Self::Booked => "booked",
            Self::AlreadyBooked => "booked already",
        }
    }
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, patient, slot) = match self {
            Self::Applied { effect, patient, slot } => (effect.as_str().to_owned(), patient, slot),
            Self::Held { reason, patient, slot } => (format!("held for review, {reason}"), patient, slot),
            Self::Rejected { category, field } => return write!(f, "dead letter, {category}, {field}"),
        };
        write!(f, "{what}, {}", patient.as_deref().unwrap_or("nobody known"))?;
        slot.as_ref().map_or(Ok(()), |slot| write!(f, ", {slot}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_day_is_read_with_its_pieces() {
        let day = Day::read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(day.calls.len(), day.totals.calls);
        let pieces = &day.calls.iter().find(|call| call.id == "51-new-patient-streamed-by-words").unwrap().pieces;
        assert_eq!(pieces[..3], ["Sure,", " Mr. Dąbrowski.\n\nP", "ATIENT_CREATION"]);
        assert_eq!(pieces[8], "\n\nBOOKING_", "a cut beside a line break of the text keeps it");
    }

    #[test]
    fn a_missing_recording_is_said_with_the_remedy() {
        let error = Day::read(Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("--day demo"), "{error}");
    }
}
