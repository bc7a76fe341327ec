//! Processor time, by who spends it.
//!
//! The broker is one process. PostgreSQL is one process for each connection, so its time is that of the postmaster, of its
//! children that live, and of those that ended, which the kernel adds to the postmaster's books when it buries them. All
//! that the servers do counts, for whomever: on a machine that others use these two figures are theirs too.

use std::{collections::HashSet, fs};

use sqlx::postgres::PgConnectOptions;

/// CPU seconds for a million events. NaN where the process was not found: another machine's, or another container's.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    pub ours: f64,
    pub kafka: f64,
    pub postgres: f64,
}

/// The broker and the database as processes.
#[derive(Debug)]
pub struct Servers {
    kafka: Option<u32>,
    postgres: Option<u32>,
}

/// CPU seconds so far, in user and kernel mode.
#[derive(Debug, Clone, Copy)]
pub struct Reading(Spent);

impl Servers {
    /// Finds them by the ports that they listen on.
    pub fn find(kafka: &str, database: &str) -> Self {
        let database = database.parse::<PgConnectOptions>().ok();
        Self {
            kafka: kafka.rsplit_once(':').and_then(|(_, port)| listener(port.parse().ok()?, "java")),
            postgres: database.and_then(|options| listener(options.get_port(), "postgres")),
        }
    }

    pub fn read(&self) -> Reading {
        let family = |pid: Option<u32>| pid.map_or(f64::NAN, seconds_of_family);
        Reading(Spent {
            ours: fs::read_to_string("/proc/self/stat").map_or(f64::NAN, |stat| seconds(&stat, OWN)),
            kafka: family(self.kafka),
            postgres: family(self.postgres),
        })
    }
}

impl Reading {
    pub fn until(&self, later: &Self, events: usize) -> Spent {
        let of = |from: f64, to: f64| (to - from) / events as f64 * 1e6;
        let (from, to) = (self.0, later.0);
        Spent {
            ours: of(from.ours, to.ours),
            kafka: of(from.kafka, to.kafka),
            postgres: of(from.postgres, to.postgres),
        }
    }
}

/// Fields of /proc/<pid>/stat counted from the state, which follows the name in brackets.
const PARENT: usize = 1;
const OWN: &[usize] = &[11, 12];
const OWN_AND_OF_BURIED_CHILDREN: &[usize] = &[11, 12, 13, 14];

/// The name may contain spaces.
fn fields(stat: &str) -> Vec<&str> {
    stat.rsplit(") ").next().unwrap_or_default().split_whitespace().collect()
}

/// Linux counts in hundredths of a second.
fn seconds(stat: &str, which: &[usize]) -> f64 {
    let fields = fields(stat);
    let ticks = which.iter().filter_map(|field| fields.get(*field)?.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn seconds_of_family(parent: u32) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{parent}/stat")) else { return f64::NAN };
    let stats = processes().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    let children = stats.filter(|stat| fields(stat).get(PARENT).is_some_and(|of| *of == parent.to_string()));
    seconds(&stat, OWN_AND_OF_BURIED_CHILDREN) + children.map(|stat| seconds(&stat, OWN)).sum::<f64>()
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The process of this name that listens on a port. What forwards the port into a container has another name.
fn listener(port: u16, name: &str) -> Option<u32> {
    const LISTENS: &str = "0A";
    let local = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let sockets: HashSet<String> = tables
        .iter()
        .flat_map(|table| table.lines())
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.len() > 9 && fields[1].ends_with(&local) && fields[3] == LISTENS)
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let listens = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        targets.any(|target| target.to_str().is_some_and(|target| sockets.contains(target)))
    };
    let named = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
    processes().filter(named).filter(listens).min()
}
