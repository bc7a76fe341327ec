//! Requests that bring records, as far as a proxy has to know them to answer in the broker's place.
//!
//! Versions 9 and 10, which librdkafka speaks; each has the records of one partition.

use std::{collections::VecDeque, sync::Mutex};

/// What becomes of one request that brings records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProduceFault {
    /// The client is told this error; the broker never sees the records.
    Refused(i16),
    /// The same, where the request has several records; one alone is passed on.
    RefusedTogether(i16),
    /// The broker takes the records, and the client is told this error all the same.
    TakenAndRefused(i16),
    /// The connection ends before the broker sees them.
    Lost,
    /// The connection ends once the broker has them and before the client hears of it.
    TakenAndLost,
}

/// What is to become of the next requests.
#[derive(Debug, Default)]
pub(crate) struct ProduceFaults(Mutex<VecDeque<Option<ProduceFault>>>);

impl ProduceFaults {
    pub(crate) fn set_next(&self, faults: impl IntoIterator<Item = Option<ProduceFault>>) {
        *self.0.lock().unwrap() = faults.into_iter().collect();
    }

    /// What becomes of this request.
    pub(crate) fn of(&self, request: &[u8]) -> Option<ProduceFault> {
        let fault = self.0.lock().unwrap().pop_front().flatten();
        match fault {
            Some(ProduceFault::RefusedTogether(code)) if Request::read(request).records > 1 => {
                Some(ProduceFault::Refused(code))
            }
            Some(ProduceFault::RefusedTogether(_)) => None,
            other => other,
        }
    }
}

/// The answer that tells this error of the request's partition.
pub(crate) fn refusal(request: &[u8], code: i16) -> Vec<u8> {
    let Request { number, topic, partition, .. } = Request::read(request);
    let none = 0_u8;
    let mut answer = [number, &[none]].concat();
    // One topic and one partition; the lengths of lists and texts are told as one more.
    answer.push(2);
    answer.push(topic.len() as u8 + 1);
    answer.extend_from_slice(topic);
    answer.push(2);
    answer.extend_from_slice(partition);
    answer.extend_from_slice(&code.to_be_bytes());
    // Offset, time and beginning of the log: unknown.
    answer.extend_from_slice(&[0xff; 24]);
    // No errors of single records, no text, nothing added.
    answer.extend_from_slice(&[1, none, none]);
    // Nothing added to the topic, no delay, nothing added to the answer.
    answer.extend_from_slice(&[none, 0, 0, 0, 0, none]);
    answer
}

struct Request<'r> {
    number: &'r [u8],
    topic: &'r [u8],
    partition: &'r [u8],
    records: u32,
}

impl<'r> Request<'r> {
    fn read(request: &'r [u8]) -> Self {
        let version = u16::from_be_bytes([request[2], request[3]]);
        assert!((9..=10).contains(&version), "records are sent by a version that is not known here: {version}");
        let mut rest = &request[8..];
        // The client's name has its length in two bytes; nothing is added to the header.
        let name = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        rest = &rest[2 + name + 1..];
        // The transaction's name.
        let transaction = length(&mut rest).saturating_sub(1);
        // How many have to have it, and for how long they are waited for.
        rest = &rest[transaction + 2 + 4..];
        assert_eq!(length(&mut rest), 2, "a request with other than one topic");
        let (topic, rest_of_it) = {
            let size = length(&mut rest) - 1;
            rest.split_at(size)
        };
        rest = rest_of_it;
        assert_eq!(length(&mut rest), 2, "a request with other than one partition");
        let (partition, mut batch) = rest.split_at(4);
        length(&mut batch);
        let records = u32::from_be_bytes(batch[57..61].try_into().unwrap());
        Self { number: &request[4..8], topic, partition, records }
    }
}

/// A number of seven bits a byte, the lowest first.
fn length(rest: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = rest[0];
        *rest = &rest[1..];
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
        shift += 7;
    }
}
