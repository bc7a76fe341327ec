//! Looks from outside: what groups have committed, what is finished, what is still to be done, what the topics hold. And topics as
//! an operator treats them.
//!
//! With clients of its own, so that a mistake in the crate under test is not repeated here.

pub mod admin;
pub mod backlog;
pub mod evidence;
pub mod group;
pub mod looks;
pub mod topics;
