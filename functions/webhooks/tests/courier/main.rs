//! Callbacks against real endpoints.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod callbacks;
mod sockets;
mod support;
mod trouble;
