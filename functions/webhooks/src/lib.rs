//! Webhooks: delivers signed callbacks to app backends.

pub mod delivery;
pub mod handler;
pub mod schedule;
