#![doc = include_str!("../README.md")]

pub mod apply;
pub mod arrivals;
pub mod aws;
pub mod batch;
pub mod caller;
pub mod clock;
pub mod conditional;
pub mod config;
#[doc(hidden)]
pub mod contract;
pub mod courier;
pub mod deliveries;
pub mod directory;
pub mod documents;
pub mod edge;
pub mod faults;
pub mod fields;
pub mod hub;
pub mod idempotency;
pub mod keyring;
pub mod owed;
pub mod problem;
pub mod queues;
pub mod recent;
pub mod settings;
pub mod signed;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod triggers;
mod trouble;
pub mod uploads;
pub mod vault;
