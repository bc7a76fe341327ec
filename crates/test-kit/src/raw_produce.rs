//! Records as any client may write them, byte for byte: header names that are no text, null values, a large value that travels
//! small. Speaks Kafka's protocol itself, since the client's safe interface can write none of these.
//!
//! For one broker that leads the partition, as in all tests. It repeats only what came before the broker knew that it leads:
//! what else it refuses panics.

use std::io::Write as _;

use crc::{CRC_32_ISCSI, Crc};
use flate2::write::GzEncoder;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{kafka::LIMIT, wait::INTERVAL};

/// A record to be written; nothing in it is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawRecord {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Names of any bytes, each as often as it is here.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// How a batch travels and lies in the log. A topic's `max.message.bytes` is held against the compressed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
}

/// Unknown topic or partition, no leader, not the leader: a topic that was just created.
const NO_LEADER_YET: [i16; 3] = [3, 5, 6];

/// Writes the records as one batch and waits until the broker has them: the offset of the first.
pub async fn produce(
    bootstrap: &str,
    topic: &str,
    partition: i32,
    records: &[RawRecord],
    compression: Compression,
) -> i64 {
    let request = request(topic, partition, &batch(records, compression));
    let deadline = Instant::now() + LIMIT;
    loop {
        let answered = timeout(LIMIT, ask(bootstrap, &request)).await;
        let answer = answered
            .unwrap_or_else(|_| panic!("{bootstrap} did not answer in {LIMIT:?}"))
            .unwrap_or_else(|error| panic!("cannot produce to {topic} on {bootstrap}: {error}"));
        // Number of the request; one topic with its name; one partition with its number: then what became of it.
        let at = 4 + 4 + 2 + topic.len() + 4 + 4;
        let error = i16::from_be_bytes(answer[at..at + 2].try_into().unwrap());
        if !NO_LEADER_YET.contains(&error) || Instant::now() >= deadline {
            assert_eq!(
                error, 0,
                "{bootstrap} refused to take records for {topic}/{partition}; an error code of the protocol"
            );
            return i64::from_be_bytes(answer[at + 2..at + 10].try_into().unwrap());
        }
        sleep(INTERVAL).await;
    }
}

async fn ask(bootstrap: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut broker = TcpStream::connect(bootstrap).await?;
    broker.write_u32(request.len() as u32).await?;
    broker.write_all(request).await?;
    let mut answer = vec![0; broker.read_u32().await? as usize];
    broker.read_exact(&mut answer).await?;
    Ok(answer)
}

/// A produce request of version 3, the first with record batches.
fn request(topic: &str, partition: i32, batch: &[u8]) -> Vec<u8> {
    const PRODUCE: i16 = 0;
    const VERSION: i16 = 3;
    const ALL_REPLICAS: i16 = -1;
    const NONE: i16 = -1;
    let client = "test-kit";
    let mut bytes = Vec::new();
    bytes.extend(PRODUCE.to_be_bytes());
    bytes.extend(VERSION.to_be_bytes());
    // Its number: there is one only.
    bytes.extend(1_i32.to_be_bytes());
    bytes.extend((client.len() as i16).to_be_bytes());
    bytes.extend(client.as_bytes());
    // The transaction.
    bytes.extend(NONE.to_be_bytes());
    bytes.extend(ALL_REPLICAS.to_be_bytes());
    bytes.extend((LIMIT.as_millis() as i32).to_be_bytes());
    bytes.extend(1_i32.to_be_bytes());
    bytes.extend((topic.len() as i16).to_be_bytes());
    bytes.extend(topic.as_bytes());
    bytes.extend(1_i32.to_be_bytes());
    bytes.extend(partition.to_be_bytes());
    bytes.extend((batch.len() as i32).to_be_bytes());
    bytes.extend(batch);
    bytes
}

/// A record batch of the second format. Its checksum is over all that follows it.
fn batch(records: &[RawRecord], compression: Compression) -> Vec<u8> {
    const FORMAT: u8 = 2;
    let mut body = Vec::new();
    for (offset, record) in (0_i64..).zip(records) {
        let bytes = encoded(record, offset);
        varint(&mut body, bytes.len() as i64);
        body.extend(bytes);
    }
    let (attributes, body) = match compression {
        Compression::None => (0_i16, body),
        Compression::Gzip => (1_i16, gzip(&body)),
    };
    let count = records.len() as i32;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let mut checked = Vec::new();
    checked.extend(attributes.to_be_bytes());
    checked.extend((count - 1).to_be_bytes());
    checked.extend(now.to_be_bytes());
    checked.extend(now.to_be_bytes());
    // No idempotent producer: no id, no epoch, no sequence.
    checked.extend((-1_i64).to_be_bytes());
    checked.extend((-1_i16).to_be_bytes());
    checked.extend((-1_i32).to_be_bytes());
    checked.extend(count.to_be_bytes());
    checked.extend(body);

    let mut bytes = Vec::new();
    // The broker says where it begins.
    bytes.extend(0_i64.to_be_bytes());
    // What follows: the leader's epoch, the format, the checksum, and what that is over.
    bytes.extend((4 + 1 + 4 + checked.len() as i32).to_be_bytes());
    bytes.extend((-1_i32).to_be_bytes());
    bytes.push(FORMAT);
    bytes.extend(Crc::<u32>::new(&CRC_32_ISCSI).checksum(&checked).to_be_bytes());
    bytes.extend(checked);
    bytes
}

fn encoded(record: &RawRecord, offset: i64) -> Vec<u8> {
    // Attributes; and all are as old as their batch.
    let mut bytes = vec![0, 0];
    varint(&mut bytes, offset);
    field(&mut bytes, record.key.as_deref());
    field(&mut bytes, record.value.as_deref());
    varint(&mut bytes, record.headers.len() as i64);
    for (name, value) in &record.headers {
        field(&mut bytes, Some(name));
        field(&mut bytes, value.as_deref());
    }
    bytes
}

/// Its length and its bytes; -1 is null.
fn field(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    varint(bytes, value.map_or(-1, |value| value.len() as i64));
    bytes.extend(value.unwrap_or_default());
}

/// Zig-zag, then seven bits a byte, the lowest first.
fn varint(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
