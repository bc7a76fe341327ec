//! The chaos harness: load on real processes, a real Kafka and a real PostgreSQL, faults drawn from a seed, and checkers over
//! what is there in the end.
//!
//! A system under test is a file in [`systems`], a fault an entry of [`fault`] and how it strikes in [`strike`], an invariant a pure function in
//! [`invariants`]. It panics where the ground under a round breaks, such as a broker that does not start; what the systems
//! under test do is judged.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what failed by failing"))]

/// Prints a line. Where nobody reads on, as behind `| head`, it is lost, and the round goes on.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub mod acts;
pub mod book;
pub mod fault;
pub mod ground;
pub mod history;
pub mod invariants;
pub mod observe;
pub mod peer;
pub mod process;
pub mod prove;
pub mod report;
pub mod round;
pub mod settings;
pub mod strike;
pub mod system;
pub mod systems;
pub mod timeline;
pub mod worker;
pub mod world;
