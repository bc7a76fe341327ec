//! What could not be read is read once more, from [`Json`], only to find out where and why ([`Mismatch`]). The first
//! reading keeps no track of that, which would slow every good one down.
//!
//! The names of fields come from the type that is read, never from the document.

use std::slice;

use serde::{
    Deserializer, de,
    de::{
        DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
        value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::{
    json::Json,
    mismatch::{Mismatch, Step},
};

/// Why `json` is no `T`; `None` where it is.
pub fn mismatch<'de, T: de::Deserialize<'de>>(json: &'de Json) -> Option<Mismatch> {
    T::deserialize(json).err()
}

/// A word stands for whatever is wanted; everything else says itself what it is.
macro_rules! scalars {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            match self {
                Json::Word(word) => Word(word).$method(visitor),
                other => other.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for &'de Json {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self {
            Json::Null => visitor.visit_unit(),
            Json::Bool(value) => visitor.visit_bool(*value),
            Json::Unsigned(value) => visitor.visit_u64(*value),
            Json::Signed(value) => visitor.visit_i64(*value),
            Json::Float(value) => visitor.visit_f64(*value),
            Json::Text(value) | Json::Word(value) => visitor.visit_borrowed_str(value),
            Json::List(items) => {
                let mut rest = Items { items: items.iter().enumerate() };
                let value = visitor.visit_seq(&mut rest)?;
                match rest.items.len() {
                    0 => Ok(value),
                    _ => Err(Mismatch::invalid_length(items.len(), &"fewer elements in array")),
                }
            }
            Json::Object(members) => visitor.visit_map(Members { members: members.iter(), fields: &[], value: None }),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self {
            Json::Object(members) => visitor.visit_map(Members { members: members.iter(), fields, value: None }),
            // Serde would take it for the fields in their order.
            Json::List(_) => Err(Mismatch::invalid_type(Unexpected::Seq, &"a map")),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self {
            Json::Null => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self {
            Json::Text(name) | Json::Word(name) => visitor.visit_enum(BorrowedStrDeserializer::new(name)),
            Json::Object(members) => match members.as_slice() {
                [(name, content)] => visitor.visit_enum(Variant { name, content, variants }),
                _ => Err(Mismatch::invalid_value(Unexpected::Map, &"map with a single key")),
            },
            _ => Err(Mismatch::unknown_variant("", variants)),
        }
    }

    scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }
    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The items of a list, and where they stand.
struct Items<'de> {
    items: std::iter::Enumerate<slice::Iter<'de, Json>>,
}

impl<'de> SeqAccess<'de> for &mut Items<'de> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mismatch> {
        let Some((index, item)) = self.items.next() else { return Ok(None) };
        seed.deserialize(item).map(Some).map_err(|mismatch| mismatch.within(Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The members of an object that is read as a type with these fields; a map has none.
struct Members<'de> {
    members: slice::Iter<'de, (String, Json)>,
    fields: &'static [&'static str],
    value: Option<(&'de str, &'de Json)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        self.value = Some((name, value));
        seed.deserialize(Word(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let (name, value) = self.value.take().ok_or_else(|| Mismatch::custom("a value without its name"))?;
        let field = self.fields.iter().find(|field| **field == name);
        let step = field.map_or(Step::Undeclared, |field| Step::Field(field));
        seed.deserialize(value).map_err(|mismatch| mismatch.within(step))
    }
}

/// A variant that holds something: an object with its name as the only field.
struct Variant<'de> {
    name: &'de str,
    content: &'de Json,
    variants: &'static [&'static str],
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Mismatch;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Mismatch> {
        Ok((seed.deserialize(Word(self.name))?, self))
    }
}

impl Variant<'_> {
    fn step(&self) -> Step {
        let known = self.variants.iter().find(|variant| **variant == self.name);
        known.map_or(Step::Undeclared, |variant| Step::Field(variant))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<(), Mismatch> {
        de::Deserialize::deserialize(self.content).map_err(|mismatch: Mismatch| mismatch.within(self.step()))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mismatch> {
        seed.deserialize(self.content).map_err(|mismatch| mismatch.within(self.step()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mismatch> {
        self.content.deserialize_any(visitor).map_err(|mismatch| mismatch.within(self.step()))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let read = self.content.deserialize_struct("", fields, visitor);
        read.map_err(|mismatch| mismatch.within(self.step()))
    }
}

/// A text that stands for whatever is wanted: a parameter of a query, or a key of a map, which may be a number.
struct Word<'de>(&'de str);

macro_rules! parsed {
    ($($method:ident $visit:ident $type:ty;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            visitor.$visit(self.0.parse::<$type>().map_err(Mismatch::custom)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Word<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_borrowed_str(self.0)
    }

    parsed! {
        deserialize_bool visit_bool bool;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.0))
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
    use serde::Deserialize;
    use uuid::Uuid;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Visit {
        name: String,
        at: Option<DateTime<Utc>>,
        day: Option<NaiveDate>,
        #[serde(default, with = "crate::contract::schema::form::hour_minute::optional")]
        time: Option<NaiveTime>,
        #[serde(default, deserialize_with = "crate::contract::schema::form::number::optional::deserialize")]
        number: Option<i64>,
        id: Option<Uuid>,
        #[serde(default)]
        rooms: Vec<Room>,
        #[serde(default)]
        counts: BTreeMap<u32, u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only read")]
    enum Room {
        Any,
        Floor(i8),
        Of { house: String },
    }

    fn told(json: &str) -> String {
        let json: Json = serde_json::from_str(json).unwrap();
        mismatch::<Visit>(&json).map(|mismatch| mismatch.to_string()).unwrap_or_default()
    }

    #[test]
    fn where_what_and_what_would_be_right_is_told() {
        let good = r#"{"name": "a", "at": "2026-03-02T09:14:05Z", "day": "2026-03-02", "time": "09:14", "number": "7",
                       "id": "0199c0de-7c1e-7b3a-9f0e-5d2a6c1b8e44", "counts": {"7": 1},
                       "rooms": ["any", {"any": null}, {"floor": -1}, {"of": {"house": "a"}}]}"#;
        assert_eq!(told(good), "");
        for (json, expected) in [
            (r#"["a", null, null, null, null, null, [], {}]"#, "it is an array, expected an object"),
            ("7", "it is an integer, expected an object"),
            ("{}", "name: is missing"),
            (r#"{"name": "a", "name": "b"}"#, "name: is there more than once"),
            (r#"{"name": null}"#, "name: is null, expected a string"),
            (r#"{"nam": "a"}"#, "*: is not known"),
            (r#"{"name": "a", "at": "soon"}"#, "at: is no date or time of the expected form"),
            (r#"{"name": "a", "at": 7}"#, "at: is an integer, expected a date and time as RFC 3339"),
            (r#"{"name": "a", "day": "2026-02-31"}"#, "day: is no date or time that exists"),
            (r#"{"name": "a", "day": true}"#, "day: is a boolean, expected a date as YYYY-MM-DD"),
            (r#"{"name": "a", "time": "noon"}"#, "time: is no time of day, expected a time of day as HH:MM"),
            (r#"{"name": "a", "number": "x"}"#, "number: is not a whole number, expected a whole number"),
            (r#"{"name": "a", "number": 0.5}"#, "number: is a decimal number, expected a whole number"),
            (r#"{"name": "a", "id": "x"}"#, "id: is no UUID, expected a UUID"),
            (
                r#"{"name": "a", "counts": {"7": -1}}"#,
                "counts.*: has a value that is not allowed, expected a whole number that is not negative and not too large",
            ),
            (r#"{"name": "a", "counts": {"x": 1}}"#, "counts: is not a whole number, expected a whole number"),
            (r#"{"name": "a", "rooms": {}}"#, "rooms: is an object, expected an array"),
            (r#"{"name": "a", "rooms": ["any", "cellar"]}"#, "rooms[1]: is none of any, floor, of"),
            (r#"{"name": "a", "rooms": [7]}"#, "rooms[0]: is none of any, floor, of"),
            (
                r#"{"name": "a", "rooms": [{"floor": "x"}]}"#,
                "rooms[0].floor: is a string, expected a whole number that is not too large",
            ),
            (
                r#"{"name": "a", "rooms": [{"of": {"house": 1}}]}"#,
                "rooms[0].of.house: is an integer, expected a string",
            ),
            (r#"{"name": "a", "rooms": [{"of": {}}]}"#, "rooms[0].of.house: is missing"),
            (r#"{"name": "a", "rooms": [{"cellar": 1}]}"#, "rooms[0]: is none of any, floor, of"),
            (
                r#"{"name": "a", "rooms": [{}]}"#,
                "rooms[0]: has a value that is not allowed, expected an object with a single field",
            ),
        ] {
            assert_eq!(told(json), expected, "{json}");
        }
    }
}
