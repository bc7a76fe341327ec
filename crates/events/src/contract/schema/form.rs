//! Forms of single values on the wire that a Rust type alone does not give, for `#[serde(with)]`.

/// A day as `YYYY-MM-DD`; in the other forms in which an AI writes one it is read with the month first. Who knows the
/// practice's order reads the words himself, with [`forms`].
pub(crate) mod day {
    use std::borrow::Cow;

    use chrono::NaiveDate;
    use forms::{DateOrder, date};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(day: &NaiveDate, to: S) -> Result<S::Ok, S::Error> {
        day.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NaiveDate, D::Error> {
        parse(&Cow::<'de, str>::deserialize(from)?)
    }

    fn parse<E: Error>(text: &str) -> Result<NaiveDate, E> {
        date::date(text, DateOrder::MonthFirst).map_err(|_| E::custom("expected a date as YYYY-MM-DD"))
    }

    /// The same where it may be missing.
    pub(crate) mod optional {
        use super::*;

        pub(crate) fn serialize<S: Serializer>(day: &Option<NaiveDate>, to: S) -> Result<S::Ok, S::Error> {
            day.serialize(to)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NaiveDate>, D::Error> {
            Option::<Cow<'de, str>>::deserialize(from)?.map(|text| parse(&text)).transpose()
        }
    }
}

/// A time of day as `HH:MM`, read in every form that [`forms::time`] knows; seconds are dropped.
pub(crate) mod hour_minute {
    use std::borrow::Cow;

    use chrono::NaiveTime;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(time: &NaiveTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&time.format("%H:%M"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NaiveTime, D::Error> {
        parse(&Cow::<'de, str>::deserialize(from)?)
    }

    fn parse<E: Error>(text: &str) -> Result<NaiveTime, E> {
        forms::time::time(text).map_err(|_| E::custom("expected a time of day as HH:MM"))
    }

    /// The same where it may be missing.
    pub(crate) mod optional {
        use super::*;

        pub(crate) fn serialize<S: Serializer>(time: &Option<NaiveTime>, to: S) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, to),
                None => to.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NaiveTime>, D::Error> {
            Option::<Cow<'de, str>>::deserialize(from)?.map(|text| parse(&text)).transpose()
        }
    }
}

/// An id that names something.
pub(crate) mod id {
    use serde::{Deserialize, Deserializer, de::Error};

    use crate::contract::no_id::is_no_id;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
        let id = String::deserialize(from)?;
        if is_no_id(&id) { Err(D::Error::custom("expected an id that names something")) } else { Ok(id) }
    }

    /// The same where it may be missing: what names nothing was not said.
    pub(crate) mod optional {
        use super::*;

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
            Ok(Option::<String>::deserialize(from)?.filter(|id| !is_no_id(id)))
        }
    }
}

/// A whole number; that some producers write it as text is harmless.
pub(crate) mod number {
    use std::fmt;

    use serde::{
        Deserialize, Deserializer,
        de::{Error, Visitor},
    };

    struct Number(i64);

    impl<'de> Deserialize<'de> for Number {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Either;

            impl Visitor<'_> for Either {
                type Value = Number;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a whole number")
                }

                fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                    Ok(Number(number))
                }

                fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                    i64::try_from(number).map(Number).map_err(|_| E::custom("expected a smaller whole number"))
                }

                fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                    text.trim().parse().map(Number).map_err(|_| E::custom("expected a whole number"))
                }
            }

            from.deserialize_any(Either)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        Number::deserialize(from).map(|number| number.0)
    }

    /// The same where it may be missing.
    pub(crate) mod optional {
        use super::*;

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
            Ok(Option::<Number>::deserialize(from)?.map(|number| number.0))
        }
    }
}
