#![doc = include_str!("../README.md")]

pub mod aws;
pub mod certificate;
pub mod certify;
pub mod config;
pub mod consumer;
pub mod desk;
pub mod hub_keys;
pub mod inbox;
pub mod journal;
pub mod office;
pub mod patience;
pub mod problem;
pub mod queue;
pub mod script;
pub mod simulate;
pub mod stop;

#[cfg(test)]
mod examples;

pub use config::Config;
pub use consumer::Consumer;
pub use desk::{Desk, DeskError, Outcome};
pub use hub_keys::HubKeys;
pub use inbox::{Inbox, MemoryInbox, SqliteInbox};
pub use office::{Office, OfficeError};
pub use queue::{CaseQueue, SqsQueue};
pub use script::Script;
pub use simulate::Simulator;
pub use stop::Stop;
