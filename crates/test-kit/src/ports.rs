//! Free loopback ports for the processes that tests start.

use std::{
    net::TcpListener,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use uuid::Uuid;

/// Below the range from which outgoing connections get theirs. In it, a client that keeps trying a broker that is down may be
/// given the very port that it dials, be connected to itself, and keep the broker from coming back.
const FROM: u16 = 20_000;
const COUNT: u16 = 12_000;
/// Where the search goes on: a port that was given out is free until its process listens, and must not be given out again.
static NEXT: LazyLock<AtomicUsize> = LazyLock::new(|| AtomicUsize::new(Uuid::new_v4().as_u64_pair().1 as u16 as usize));

pub(crate) fn free_port() -> u16 {
    (0..COUNT)
        .map(|_| FROM + (NEXT.fetch_add(1, Ordering::Relaxed) % usize::from(COUNT)) as u16)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
