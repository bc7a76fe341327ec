pub mod domain;
pub mod handlers;
pub mod store;
