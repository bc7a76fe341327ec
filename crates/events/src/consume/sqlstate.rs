//! What each SQLSTATE says of the record that met it. The longest beginning that fits decides.
//!
//! The question is whether the answer depends on the record. Where it depends on the server, the role, the schema or the
//! session, every record of the kind gets it, and giving them up one after the other would empty the topic into the dead
//! letters: they wait. A record that alone gets it at a database that answers others is counted and given up in the end.

use DatabaseSays::{Away, Collision, Refused, Slow};
use Session::{Outdated, Stays};

/// What an error of the database says of the record that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseSays {
    /// Not now, to nobody: the database is away, or not as this build expects it.
    Away,
    /// Not in time. It is slow, or with this one only.
    Slow,
    /// Another transaction was in the way; the next attempt sees something else.
    Collision,
    /// Not this one, however often it comes.
    Refused,
}

/// Whether the session is of no use any more: it is at the wrong server, or holds plans or statements that are out of date,
/// and gives the same answer for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    Stays,
    Outdated,
}

/// Beginning of the SQLSTATE, what it says, what is to become of the session, and why.
type Row = (&'static str, DatabaseSays, Session, &'static str);

/// From PostgreSQL's errcodes.txt; what is not in it is a state of somebody's own, which a trigger raises.
pub(super) const TABLE: &[Row] = &[
    ("08", Away, Stays, "no connection, or one that broke"),
    ("0A", Away, Stays, "this server cannot do it: an older one, or one in another role"),
    ("0A000", Away, Outdated, "mostly: cached plan must not change result type, after a column got another type"),
    ("0L", Away, Stays, "a role may not grant what it has to"),
    ("0P", Away, Stays, "a role is not there"),
    ("20", Refused, Stays, "no branch of a CASE for this value"),
    ("21", Refused, Stays, "more rows than one for this value"),
    ("22", Refused, Stays, "a value that its type cannot hold: too long, out of range, a NUL in a text"),
    ("23", Refused, Stays, "a value that a constraint forbids: a check, a null"),
    ("23001", Collision, Stays, "rows that point at it are to go first, by another event perhaps"),
    ("23503", Collision, Stays, "the row that it points at comes with another event; order holds within a key only"),
    ("23505", Collision, Stays, "the row is there by now; the next attempt finds it"),
    ("23P01", Collision, Stays, "as 23505, for constraints by exclusion"),
    ("24", Away, Outdated, "a cursor is not where it was left: the session is another's"),
    (
        "25",
        Away,
        Stays,
        "the transaction is not in the state that is needed, as behind a pooler of statements; or it stood idle for too long \
         (25P03), as this process does when it is paused or starved, whichever record it has",
    ),
    (
        "25006",
        Away,
        Outdated,
        "read only: a fail-over made this server the standby, and new sessions may find the other",
    ),
    ("25P01", Refused, Stays, "the handler ended the transaction itself"),
    ("25P02", Refused, Stays, "a statement failed before and the handler went on"),
    ("25P04", Slow, Stays, "the transaction took too long: its record may ask for too much, or a lock, or a pause"),
    ("26", Away, Outdated, "the statement was prepared in another session: a pooler is in between"),
    ("27", Refused, Stays, "a trigger changed what it was called for"),
    ("28", Away, Stays, "the role is not let in: its password was rotated, it may not log in, pg_hba.conf was changed"),
    ("2B", Away, Stays, "rights depend on what is to be taken away"),
    ("34", Away, Outdated, "the cursor is of another session"),
    ("38", Away, Stays, "an extension failed outside of the database"),
    ("39", Away, Stays, "an extension does not answer as it should"),
    ("3D", Away, Stays, "the database is not there: renamed, or being restored"),
    ("3F", Away, Stays, "the schema is not there: a migration is under way"),
    ("40", Collision, Stays, "another transaction was in the way: deadlock, serialisation; or the outcome is unknown"),
    (
        "42",
        Away,
        Stays,
        "statement and schema do not fit: column, table, function or right missing, in the midst of a migration",
    ),
    ("42704", Away, Outdated, "a type was made anew: the driver knows the old one by number"),
    ("42804", Away, Outdated, "a function planned for the type that a column had before"),
    ("42P05", Away, Outdated, "as 26, the other way round"),
    ("44", Refused, Stays, "a row that its view would not show"),
    ("53", Away, Stays, "no memory, disk or connection left"),
    ("54", Refused, Stays, "larger than the database takes: a row, a key of an index"),
    ("55", Away, Stays, "in use, or not in the state that is needed: a restore, a copy to another server"),
    ("55P03", Slow, Stays, "a lock was not to be had in time: a migration's, or one row's that only this record wants"),
    ("57", Away, Stays, "an operator ended the session, or the server"),
    ("57014", Slow, Stays, "the statement took too long, perhaps for this record only, or was cancelled"),
    ("58", Away, Stays, "the server's system failed it: a disk, a file"),
    ("72", Collision, Stays, "the snapshot is too old; the next attempt has a new one"),
    ("F0", Away, Stays, "the server's settings are wrong"),
    ("HV", Away, Stays, "a server behind this one failed"),
    ("P0", Refused, Stays, "a function or trigger says no"),
    ("XX", Away, Outdated, "the server failed: a damaged block, a type that went away under a plan"),
];

/// What a state says, and what is to become of the session that gave it.
pub(super) fn read(state: &str) -> (DatabaseSays, Session) {
    let fitting = TABLE.iter().filter(|(beginning, ..)| state.starts_with(beginning));
    let row = fitting.max_by_key(|(beginning, ..)| beginning.len());
    row.map_or((Refused, Stays), |(_, says, session, _)| (*says, *session))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// States as they come, by what is to become of a record that meets one.
    #[test]
    fn every_state_has_its_meaning() {
        let away = "08000 08001 08003 08004 08006 08P01 0A000 0LP01 0P000 24000 25000 25001 25006 25P03 26000 28000 28P01 2BP01 34000 \
                    3D000 3F000 42501 42601 42602 42622 42701 42702 42703 42704 42710 42723 42725 42804 42809 42830 42883 \
                    42939 42P01 42P02 42P05 42P06 42P07 42P10 42P17 42P18 53000 53100 53200 53300 53400 55000 55006 57000 \
                    57P01 57P02 57P03 57P04 57P05 58000 58030 58P01 58P02 F0000 F0001 HV000 HV00N XX000 XX001 XX002";
        let slow = "25P04 55P03 57014";
        let collision = "23001 23503 23505 23P01 40000 40001 40002 40003 40P01 72000";
        let refused = "20000 21000 22000 22001 22003 22008 22012 22021 22023 22P02 22P05 23000 23502 23514 25P01 25P02 27000 \
                       44000 54000 54001 54011 54023 P0000 P0001 P0002 P0003 P0004 02000 2F000 3B001 SB001 99999";
        for (states, expected) in [(away, Away), (slow, Slow), (collision, Collision), (refused, Refused)] {
            for state in states.split_whitespace() {
                assert_eq!(read(state).0, expected, "{state}");
            }
        }
    }

    #[test]
    fn sessions_that_are_of_no_use_are_told_from_sound_ones() {
        for (state, expected) in [
            ("0A000", Outdated),
            ("25006", Outdated),
            ("26000", Outdated),
            ("42P05", Outdated),
            ("42704", Outdated),
            ("42804", Outdated),
            ("XX000", Outdated),
            ("42703", Stays),
            ("40001", Stays),
            ("57P01", Stays),
            ("23505", Stays),
        ] {
            assert_eq!(read(state).1, expected, "{state}");
        }
    }

    #[test]
    fn each_row_is_needed_and_has_its_reason() {
        for (index, (beginning, says, session, because)) in TABLE.iter().enumerate() {
            assert!(!because.is_empty() && [2, 5].contains(&beginning.len()), "{beginning}");
            let above = TABLE.iter().find(|(other, ..)| other != beginning && beginning.starts_with(other));
            let is_the_same = above.is_some_and(|(_, of, with, _)| of == says && with == session);
            assert!(!is_the_same, "{beginning} says what its class says");
            assert!(TABLE[..index].iter().all(|(other, ..)| other < beginning), "{beginning} is out of order");
        }
    }
}
