//! What each binary needs and no domain: settings, the frame of `main`, telemetry, the way to stop, HTTP, PostgreSQL.
//!
//! A service implements [`app::App`] and calls [`app::main`]. It knows no event, topic or
//! table of a service.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what failed by failing"))]

pub mod app;
pub mod chain;
pub mod config;
pub mod http;
pub mod lifecycle;
pub mod postgres;
pub mod road;
pub mod telemetry;
