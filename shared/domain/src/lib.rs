#![doc = include_str!("../README.md")]

pub mod amend;
pub mod application;
pub mod calendar;
pub mod catalogue;
pub mod command;
pub mod decide;
pub mod division;
pub mod dossier;
pub mod effect;
pub mod event;
pub mod evolve;
pub mod identity_number;
pub mod ids;
pub mod ledger;
pub mod limits;
pub mod partners;
pub mod person;
#[cfg(feature = "schema")]
pub mod schema;
pub mod stage;
pub mod step;
pub mod table;
mod text;
pub mod wake;
