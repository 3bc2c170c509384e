//! Callbacks to real HTTP endpoints, from a hub in memory.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod attempts;
mod bulkhead;
mod callbacks;
mod failing;
mod figures;
mod sockets;
mod support;
