//! How a type is declared to be the payload of an event type.

/// Makes a type the payload of an event type: `event!(Type: "event.type" version 1 on TOPIC, |data| key)`.
///
/// `version 1 with actor` where its envelope may say who did it: see [`Event::ACTOR`](crate::contract::event::Event::ACTOR).
///
/// A later version names the one before it, of which it must be `From`: `version 2 after TypeV1 on TOPIC`.
macro_rules! event {
    ($name:ident: $type:literal version 1 on $topic:ident, |$data:ident| $key:expr) => {
        event!(@impl $name, $type, 1, $topic, $data, $key,);
    };
    ($name:ident: $type:literal version 1 with actor on $topic:ident, |$data:ident| $key:expr) => {
        event!(@impl $name, $type, 1, $topic, $data, $key, const ACTOR: bool = true;);
    };
    (
        $name:ident: $type:literal version $version:literal after $previous:ident on $topic:ident,
        |$data:ident| $key:expr
    ) => {
        event!(@impl $name, $type, $version, $topic, $data, $key,
            fn read<'de, D: serde::Deserializer<'de>>(version: u16, data: D) -> Result<Self, D::Error> {
                $crate::contract::event::upcast::<Self, $previous, D>(version, data)
            }
        );
        const _: () = assert!(
            <$previous as $crate::contract::event::Event>::VERSION + 1 == $version,
            "a version names the one just before it"
        );
    };
    (@impl $name:ident, $type:literal, $version:literal, $topic:ident, $data:ident, $key:expr, $($read:item)?) => {
        impl $crate::contract::event::Event for $name {
            const TYPE: &'static str = $type;
            const VERSION: u16 = $version;
            const TOPIC: &'static $crate::contract::topics::TopicSpec = &$crate::contract::topics::$topic;

            fn key(&self) -> String {
                let $data = self;
                $key
            }

            $($read)?
        }
    };
}
pub(super) use event;
