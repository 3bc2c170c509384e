#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod app;
pub mod backlog;
pub mod callback;
pub mod case;
#[cfg(feature = "schema")]
pub mod contracts;
pub mod coverage;
pub mod form;
pub mod jose;
pub mod json;
pub mod operations;
pub mod problem;
pub mod report;
pub mod web_address;
mod wire_names;
