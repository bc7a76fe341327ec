//! Free loopback ports for the processes that tests start.

use std::net::TcpListener;

use uuid::Uuid;

/// Below the range from which outgoing connections get theirs. In it, a client that keeps trying a broker that is down may be
/// given the very port that it dials, be connected to itself, and keep the broker from coming back.
const FROM: u16 = 20_000;
const COUNT: u16 = 12_000;

pub(crate) fn free_port() -> u16 {
    let start = (Uuid::new_v4().as_u128() % u128::from(COUNT)) as u16;
    (0..COUNT)
        .map(|step| FROM + (start + step) % COUNT)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
