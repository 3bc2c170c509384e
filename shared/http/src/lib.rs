#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

pub mod authentication;
pub mod conditional;
pub mod config;
pub mod cursor;
pub mod edge;
pub mod fields;
pub mod idempotency;
pub mod namespace;
pub mod operations;
pub mod owned_application;
pub mod problem;
pub mod rate_limit;
pub mod signed_request;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod triggers;
pub mod uploads;
