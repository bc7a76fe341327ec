//! What operators and disks do to a private broker's logs behind its back: an older copy put back, a byte that turned.
//!
//! Knows a log by its files alone: a folder for each partition, record batches of the second format in its segments.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

use crate::broker::Broker;

/// The logs of a topic's partitions as they were once.
#[derive(Debug)]
pub struct LogCopy(Vec<(PathBuf, Vec<u8>)>);

impl Broker {
    /// Copies a topic's logs. The broker may run, if nobody writes to the topic.
    pub fn copy_of(&self, topic: &str) -> LogCopy {
        let segments = self.partitions(topic).into_iter().flat_map(|partition| files(&partition, "log"));
        LogCopy(segments.map(|segment| (segment.clone(), fs::read(&segment).unwrap())).collect())
    }

    /// Puts logs back as they were; what was written since is gone. While it is stopped. What a group has committed stays.
    pub fn put_back(&self, topic: &str, copy: &LogCopy) {
        for partition in self.partitions(topic) {
            // All but the topic's identity is made again from the log.
            for file in ["log", "index", "timeindex", "snapshot"].iter().flat_map(|kind| files(&partition, kind)) {
                fs::remove_file(file).unwrap();
            }
        }
        for (segment, bytes) in &copy.0 {
            File::create(segment).unwrap().write_all(bytes).unwrap();
        }
    }

    /// Turns one bit of the records that lie in one batch with this one; once more makes it good again. While it is stopped,
    /// and by [`Self::stop`]: after a kill Kafka reads its logs and cuts them off where they are damaged.
    pub fn turn_a_bit(&self, topic: &str, partition: i32, offset: i64) {
        const RECORDS: u64 = 61;
        let folder = self.data().join(format!("{topic}-{partition}"));
        for path in files(&folder, "log") {
            let segment = File::options().read(true).write(true).open(&path).unwrap();
            let bytes = fs::read(&path).unwrap();
            let mut at = 0;
            while let Some(header) = bytes.get(at..at + RECORDS as usize) {
                let first = i64::from_be_bytes(header[..8].try_into().unwrap());
                let length = 12 + u32::from_be_bytes(header[8..12].try_into().unwrap()) as usize;
                let last = first + i64::from(i32::from_be_bytes(header[23..27].try_into().unwrap()));
                if (first..=last).contains(&offset) {
                    let place = (at as u64 + RECORDS).midpoint((at + length) as u64);
                    segment.write_all_at(&[bytes[place as usize] ^ 1], place).unwrap();
                    return;
                }
                at += length;
            }
        }
        panic!("{topic}/{partition} has no record {offset} on disk");
    }

    fn partitions(&self, topic: &str) -> Vec<PathBuf> {
        let is_number = |text: &str| text.parse::<u32>().is_ok();
        let entries = fs::read_dir(self.data()).unwrap().map(|entry| entry.unwrap().path());
        let of_topic = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.rsplit_once('-').is_some_and(|(name, number)| name == topic && is_number(number))
        };
        let found: Vec<_> = entries.filter(of_topic).collect();
        assert!(!found.is_empty(), "the broker has no log of {topic}");
        found
    }
}

fn files(folder: &PathBuf, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == kind)).collect()
}
