//! The replay of a dead letter on the wire: its headers, written and read in one place, and their signature.
//!
//! A record is a replay only with group, letter and run, each header once and well-formed, and signed where readers have a
//! key. Else these headers say nothing and the record is everybody's: whoever may write a topic could hide records with them.
//! A signature proves who sent a replay, not that it is the first of its kind; repeats are the inbox's.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use uuid::Uuid;

use super::{
    event::EventId,
    headers::{DEAD_LETTER_ID, OF_REPLAY, REPLAY_ID, REPLAY_SIGNATURE, TARGET_GROUP, TARGET_HANDLER},
};

/// What makes a record a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The dead letter, as in `dlq.id`.
    pub dead_letter_id: Uuid,
    /// The run that it belongs to.
    pub replay_id: Uuid,
    /// The only consumer group that handles it, as it is called in Kafka.
    pub group: String,
    /// The only handler of that group, where one is named.
    pub handler: Option<String>,
}

/// The record that has the headers, as it stands in Kafka. A signature is for it alone.
#[derive(Debug, Clone, Copy)]
pub struct Carrier<'a> {
    /// The topic as it is called in Kafka.
    pub topic: &'a str,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value, a schema registry's frame included.
    pub value: Option<&'a [u8]>,
}

/// Why headers of a replay make none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAReplay {
    /// Group, letter or run is missing.
    #[error("a header is missing")]
    Incomplete,
    /// It would depend on the reader which one counts.
    #[error("a header is there twice")]
    Repeated,
    /// An id is no UUID, or a name is too long or has control characters.
    #[error("a header is malformed")]
    Malformed,
    /// This reader takes signed replays only.
    #[error("it is not signed")]
    Unsigned,
    /// Signed with another key, or for another record.
    #[error("its signature is wrong")]
    Forged,
}

impl NotAReplay {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Incomplete, Self::Repeated, Self::Malformed, Self::Unsigned, Self::Forged];

    /// A short stable name, for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Repeated => "repeated",
            Self::Malformed => "malformed",
            Self::Unsigned => "unsigned",
            Self::Forged => "forged",
        }
    }
}

/// The longest name of a group or handler, in bytes.
const LONGEST_NAME: usize = 249;

/// Whether a replay can name this group or handler.
pub fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= LONGEST_NAME && !text.chars().any(char::is_control)
}

impl Replay {
    /// Reads a record's headers; `None` where it has none of a replay. With a key, only what is signed with it is a replay.
    ///
    /// # Errors
    /// Why the headers of a replay that it has make none: they are then to be ignored.
    pub fn read<'h>(
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
        carrier: &Carrier<'_>,
        key: Option<&ReplayKey>,
    ) -> Result<Option<Self>, NotAReplay> {
        let mut found = [None; OF_REPLAY.len()];
        for (name, value) in headers {
            if let Some(place) = OF_REPLAY.iter().position(|known| known.as_bytes() == name)
                && found[place].replace(value).is_some()
            {
                return Err(NotAReplay::Repeated);
            }
        }
        let [group, handler, letter, run, signature] = found;
        let (Some(group), Some(letter), Some(run)) = (group, letter, run) else {
            return if found == [None; OF_REPLAY.len()] { Ok(None) } else { Err(NotAReplay::Incomplete) };
        };
        let replay = Self {
            dead_letter_id: id(letter)?,
            replay_id: id(run)?,
            group: name(group)?,
            handler: handler.map(name).transpose()?,
        };
        if let Some(key) = key {
            let expected = key.sign(&replay, carrier);
            match signature {
                None => return Err(NotAReplay::Unsigned),
                Some(signature) if bool::from(expected.as_bytes().ct_eq(signature)) => {}
                Some(_) => return Err(NotAReplay::Forged),
            }
        }
        Ok(Some(replay))
    }

    /// Names the record of this letter: the same in each run, and another where a different record has these headers.
    pub(crate) fn record_id(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> EventId {
        let mut hash = Sha256::new();
        each_with_its_length([Some(&self.dead_letter_id.as_bytes()[..]), key, value], |bytes| hash.update(bytes));
        EventId::derived(&["replay", &hex(&hash.finalize())])
    }

    /// The headers to write, in place of any of [`OF_REPLAY`] that the record may have; signed where there is a key.
    pub fn headers(&self, carrier: &Carrier<'_>, key: Option<&ReplayKey>) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (TARGET_GROUP, self.group.clone()),
            (DEAD_LETTER_ID, self.dead_letter_id.to_string()),
            (REPLAY_ID, self.replay_id.to_string()),
        ];
        headers.extend(self.handler.clone().map(|handler| (TARGET_HANDLER, handler)));
        headers.extend(key.map(|key| (REPLAY_SIGNATURE, key.sign(self, carrier))));
        headers
    }
}

fn id(text: &[u8]) -> Result<Uuid, NotAReplay> {
    /// With hyphens, as they are written: a UUID has other forms too.
    const LENGTH: usize = 36;
    let id = Uuid::try_parse_ascii(text).ok().filter(|_| text.len() == LENGTH);
    id.ok_or(NotAReplay::Malformed)
}

fn name(text: &[u8]) -> Result<String, NotAReplay> {
    let text = str::from_utf8(text).ok().filter(|text| is_name(text));
    text.map(str::to_owned).ok_or(NotAReplay::Malformed)
}

/// The secret that replays are signed with.
#[derive(Clone)]
pub struct ReplayKey(Hmac<Sha256>);

impl fmt::Debug for ReplayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayKey")
    }
}

impl ReplayKey {
    /// Shorter secrets are refused: as many bytes as a signature has.
    pub const SHORTEST: usize = 32;

    /// `None` for a secret that is too short.
    pub fn new(secret: &[u8]) -> Option<Self> {
        let keyed = Hmac::new_from_slice(secret).ok();
        keyed.filter(|_| secret.len() >= Self::SHORTEST).map(Self)
    }

    /// HMAC-SHA256, in hex, of letter, run, group, handler, topic, key and value: each with its length before it, so that
    /// none can pass for a part of its neighbour.
    pub fn sign(&self, replay: &Replay, carrier: &Carrier<'_>) -> String {
        let fields = [
            Some(&b"replay 1"[..]),
            Some(replay.dead_letter_id.as_bytes()),
            Some(replay.replay_id.as_bytes()),
            Some(replay.group.as_bytes()),
            replay.handler.as_deref().map(str::as_bytes),
            Some(carrier.topic.as_bytes()),
            carrier.key,
            carrier.value,
        ];
        let mut mac = self.0.clone();
        each_with_its_length(fields, |bytes| mac.update(bytes));
        hex(&mac.finalize().into_bytes())
    }
}

fn each_with_its_length<const N: usize>(fields: [Option<&[u8]>; N], mut write: impl FnMut(&[u8])) {
    /// The length of what is not there.
    const NONE: u64 = u64::MAX;
    for field in fields {
        write(&field.map_or(NONE, |field| field.len() as u64).to_be_bytes());
        write(field.unwrap_or_default());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARRIER: Carrier<'static> = Carrier { topic: "ai-responses", key: Some(b"call-1"), value: Some(b"{}") };

    fn replay() -> Replay {
        Replay {
            dead_letter_id: Uuid::from_u128(1),
            replay_id: Uuid::from_u128(2),
            group: "a-group".to_owned(),
            handler: Some("a-handler".to_owned()),
        }
    }

    fn key(byte: u8) -> ReplayKey {
        ReplayKey::new(&[byte; 32]).unwrap()
    }

    fn read(
        headers: &[(&str, String)],
        carrier: &Carrier<'_>,
        key: Option<&ReplayKey>,
    ) -> Result<Option<Replay>, NotAReplay> {
        Replay::read(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())), carrier, key)
    }

    #[test]
    fn what_is_written_is_read() {
        for handler in [None, Some("a-handler".to_owned())] {
            for key in [None, Some(&key(1))] {
                let replay = Replay { handler: handler.clone(), ..replay() };
                let mut headers = replay.headers(&CARRIER, key);
                headers.insert(0, ("ce_id", "x".to_owned()));
                assert_eq!(read(&headers, &CARRIER, key), Ok(Some(replay)));
            }
        }
        assert_eq!(read(&[("ce_id", "x".to_owned())], &CARRIER, Some(&key(1))), Ok(None));
    }

    #[test]
    fn a_replay_has_all_its_headers_once_and_well_formed() {
        let sound = replay().headers(&CARRIER, None);
        let with = |name: &'static str, value: &str| {
            let mut headers = sound.clone();
            headers.retain(|(other, _)| *other != name);
            headers.push((name, value.to_owned()));
            read(&headers, &CARRIER, None)
        };
        for index in 0..sound.len() {
            let mut fewer = sound.clone();
            let (name, value) = fewer.remove(index);
            let expected = if name == TARGET_HANDLER { Ok(()) } else { Err(NotAReplay::Incomplete) };
            assert_eq!(read(&fewer, &CARRIER, None).map(|_| ()), expected, "without {name}");
            let mut more = sound.clone();
            more.push((name, value.clone()));
            assert_eq!(read(&more, &CARRIER, None), Err(NotAReplay::Repeated), "{name} twice");
            let mut alone = vec![(name, value)];
            assert_eq!(read(&alone, &CARRIER, None), Err(NotAReplay::Incomplete), "{name} alone");
            alone[0].1.clear();
            assert_eq!(read(&alone, &CARRIER, None), Err(NotAReplay::Incomplete), "{name} alone and empty");
            for garbage in ["", " ", "nul\0", "line\n", &"1".repeat(250), &"1".repeat(1 << 20)] {
                assert_eq!(with(name, garbage), Err(NotAReplay::Malformed), "{name}: {garbage:.9?}");
            }
        }
        let id = Uuid::from_u128(1);
        for form in [id.simple().to_string(), id.braced().to_string(), id.urn().to_string(), "letter-1".to_owned()] {
            assert_eq!(with(DEAD_LETTER_ID, &form), Err(NotAReplay::Malformed), "{form}");
            assert_eq!(with(REPLAY_ID, &form), Err(NotAReplay::Malformed), "{form}");
        }
        assert!(with(TARGET_GROUP, &"ü".repeat(124)).is_ok());
        assert_eq!(with(TARGET_GROUP, &"ü".repeat(125)), Err(NotAReplay::Malformed));
    }

    #[test]
    fn a_signature_is_for_one_replay_of_one_record() {
        let (ours, theirs) = (key(1), key(2));
        let unsigned = replay().headers(&CARRIER, None);
        assert_eq!(read(&unsigned, &CARRIER, Some(&ours)), Err(NotAReplay::Unsigned));
        let signed = replay().headers(&CARRIER, Some(&ours));
        assert_eq!(read(&signed, &CARRIER, Some(&theirs)), Err(NotAReplay::Forged));
        assert!(read(&signed, &CARRIER, None).is_ok(), "who has no key takes it as it is");
        for index in 0..signed.len() {
            let mut altered = signed.clone();
            let value = &mut altered[index].1;
            let last = if value.ends_with('a') { 'b' } else { 'a' };
            value.pop();
            value.push(last);
            assert_eq!(read(&altered, &CARRIER, Some(&ours)), Err(NotAReplay::Forged), "{}", altered[index].0);
        }
        let mut without_handler = signed.clone();
        without_handler.retain(|(name, _)| *name != TARGET_HANDLER);
        assert_eq!(read(&without_handler, &CARRIER, Some(&ours)), Err(NotAReplay::Forged));
        let carriers = [
            Carrier { topic: "ai.responses", ..CARRIER },
            Carrier { key: Some(b"call-2"), ..CARRIER },
            Carrier { key: None, ..CARRIER },
            Carrier { value: Some(b"{ }"), ..CARRIER },
            Carrier { value: Some(b""), ..CARRIER },
            Carrier { value: None, ..CARRIER },
            // What leaves one field for the next.
            Carrier { topic: "ai-response", key: Some(b"scall-1"), ..CARRIER },
            Carrier { key: Some(b"call-1{"), value: Some(b"}"), ..CARRIER },
        ];
        for carrier in carriers {
            assert_eq!(read(&signed, &carrier, Some(&ours)), Err(NotAReplay::Forged), "{carrier:?}");
        }
    }

    /// The same by Python's `hmac`, so that a replayer in another language can be held against it.
    #[test]
    fn the_signature_is_that_of_other_implementations() {
        let signature = "6a9bcdb345ad824ba4cfabb507f2c05f682629046cc39a8cf1cef84791e7446e";
        assert_eq!(key(1).sign(&replay(), &CARRIER), signature);
    }

    #[test]
    fn a_short_secret_is_no_key_and_a_key_is_not_shown() {
        assert!(ReplayKey::new(&[7; 31]).is_none());
        assert_eq!(format!("{:?}", ReplayKey::new(b"a secret of at least 32 bytes, so long").unwrap()), "ReplayKey");
    }
}
