//! Turns a mismatch of request and type into what is wrong, where, and what to do. What was sent is in none of it: a
//! [`Mismatch`] holds only names and words of the program.

use events::contract::mismatch::{Fault, Mismatch};

use super::FieldProblem;

/// What is wrong with the content (not the syntax) of a JSON document or a query; `None` is what cannot be told.
pub(super) fn field_problem(mismatch: Option<&Mismatch>) -> FieldProblem {
    let field = mismatch.map(Mismatch::place).unwrap_or_default();
    let fault = mismatch.map_or(Fault::Wrong("cannot be read", None), Mismatch::fault);
    let remedy = match fault {
        Fault::Missing(name) => format!("Add the field `{name}`."),
        Fault::Twice => "Send it once.".to_owned(),
        Fault::Unknown([]) => "Remove it: nothing is known here.".to_owned(),
        Fault::Unknown(known) => format!("Remove it, or check its spelling. Known here: {}.", listed(known, ", ")),
        Fault::NoneOf(words @ ([_] | [_, _])) => format!("Send {}.", listed(words, " or ")),
        Fault::NoneOf(words) => format!("Send one of {}.", listed(words, ", ")),
        Fault::Wrong(_, Some(right)) => format!("Send {right}."),
        Fault::Wrong(_, None) => "See the README of the service.".to_owned(),
    };
    let problem = match fault {
        Fault::Missing(_) => "is missing",
        Fault::Twice => "occurs twice",
        Fault::Unknown(_) => "is not known",
        Fault::NoneOf(_) => "is none of the known values",
        Fault::Wrong(what, _) => what,
    };
    FieldProblem { field, problem: problem.to_owned(), remedy }
}

fn listed(names: &[&str], between: &str) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(between)
}
