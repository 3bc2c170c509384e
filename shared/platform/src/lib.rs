#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

pub mod agency_messages;
pub mod agency_registry;
pub mod apply;
pub mod arrivals;
pub mod aws;
pub mod batch;
pub mod clock;
pub mod config;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod deliveries;
pub mod documents;
mod failure;
#[cfg(any(test, feature = "testing"))]
pub mod faults;
pub mod hub;
pub mod internal_queue;
pub mod jitter;
pub mod keyring;
pub mod outbox;
pub mod person_index;
pub mod queues;
pub mod rate_limits;
pub mod recent_states;
pub mod secrets;
pub mod startup;
pub mod store;
pub mod stored_responses;
#[cfg(test)]
mod strict_queries;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod stub_aws;
pub mod subscriptions;
pub mod telemetry;
pub mod tenant_rows;
pub mod vault;
