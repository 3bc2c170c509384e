#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

pub mod app;
pub mod backlog;
pub mod callback;
pub mod case;
#[cfg(feature = "schema")]
#[expect(clippy::indexing_slicing, reason = "no function has it, and it reads what is compiled in")]
pub mod contracts;
pub mod coverage;
pub mod form;
pub mod jose;
pub mod json;
pub mod operations;
pub mod problem;
pub mod receipts;
pub mod report;
pub mod web_address;
mod wire_names;
