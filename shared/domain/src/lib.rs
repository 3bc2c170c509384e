#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

pub mod access;
pub mod agencies;
pub mod agency_override;
pub mod application;
pub mod calendar;
pub mod catalogue;
pub mod catalogue_file;
pub mod command;
pub mod decide;
pub mod division;
pub mod draft;
pub mod duplicate;
pub mod effect;
pub mod endpoint;
pub mod entry;
pub mod event;
pub mod evolve;
pub mod free_text;
pub mod identity_number;
pub mod ids;
pub mod ledger;
pub mod limits;
pub mod names;
pub mod person;
pub mod person_rule;
pub mod personal_data;
#[cfg(feature = "schema")]
pub mod schema;
pub mod service;
pub mod stage;
pub mod step;
pub mod table;
mod text;
pub mod time;
mod title;
pub mod wake;
