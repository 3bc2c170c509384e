//! Webhooks: delivers signed callbacks to app backends, directly or when their endpoint answers again.

pub mod address;
pub mod connector;
pub mod delivery;
pub mod drain;
pub mod endpoints;
pub mod handler;
mod journal;
pub mod resolve;
mod transition;
