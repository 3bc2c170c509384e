#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

pub mod aws;
pub mod case_handler;
pub mod config;
pub mod consumer;
mod error;
mod exchange;
pub mod hub_client;
pub mod hub_keys;
pub mod inbox;
pub mod journal;
pub mod network;
pub mod problem;
pub mod queue;
pub mod retry_policy;
pub mod stop;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use case_handler::{CaseHandler, CaseHandlerError, HandlerOutcome};
pub use config::AgencyConfig;
pub use consumer::Consumer;
pub use hub_client::{HubClient, HubClientError};
pub use hub_keys::HubKeys;
pub use inbox::{Inbox, MemoryInbox, SqliteInbox};
pub use queue::{CaseQueue, ReportsQueue, SqsQueue};
pub use stop::Stop;
