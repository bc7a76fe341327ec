//! Names that stand twice in an object: a reader of JSON takes the last, and nobody knows which was meant.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// An object, and whether a name has two values in it.
pub(super) struct Members {
    pub(super) all: Map<String, Value>,
    pub(super) are_doubled: bool,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members, A::Error> {
                let (mut all, mut are_doubled) = (Map::new(), false);
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    are_doubled |= all.get(&name).is_some_and(|earlier| *earlier != value);
                    all.insert(name, value);
                }
                Ok(Members { all, are_doubled })
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
