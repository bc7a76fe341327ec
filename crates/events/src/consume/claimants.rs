//! Who claims events under which name. A claim is of a handler's name, so two groups with a handler of one name would take each
//! other's claims for their own, and each event would have its effect in one of them only.
//!
//! Sees the consumers of this process. Two programs that share a schema are not seen by each other.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Of the process, because consumers that share a schema need not share anything else: each may have its own pool.
static CLAIMANTS: Mutex<Vec<Weak<Claimant>>> = Mutex::new(Vec::new());

/// A handler at work. Forgotten when the last of these is dropped.
#[derive(Debug)]
pub(super) struct Claimant {
    /// Server, database and search path.
    inbox: String,
    handler: &'static str,
    group: String,
}

impl Claimant {
    /// Notes that the group handles events under this name. Members of one group may be many.
    ///
    /// # Errors
    /// The other group that does.
    pub(super) fn note(inbox: &str, handler: &'static str, group: &str) -> Result<Arc<Self>, String> {
        let mut all = CLAIMANTS.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        let mut others = all.iter().filter_map(Weak::upgrade);
        let other = others.find(|other| other.inbox == inbox && other.handler == handler && other.group != group);
        if let Some(other) = other {
            return Err(other.group.clone());
        }
        let own = Arc::new(Self { inbox: inbox.to_owned(), handler, group: group.to_owned() });
        all.push(Arc::downgrade(&own));
        Ok(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_one_group_of_an_inbox_for_as_long_as_it_is_at_work() {
        let first = Claimant::note("db/a", "note", "one").unwrap();
        let second = Claimant::note("db/a", "note", "one").expect("another member of the group");
        assert_eq!(Claimant::note("db/a", "note", "two").unwrap_err(), "one");
        Claimant::note("db/b", "note", "two").expect("another inbox");
        Claimant::note("db/a", "other", "two").expect("another name");
        drop(first);
        assert_eq!(Claimant::note("db/a", "note", "two").unwrap_err(), "one");
        drop(second);
        Claimant::note("db/a", "note", "two").expect("nobody has it any more");
    }
}
