//! The routes of subscriptions, in one process with a hub in memory.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod bad_input;
mod creating;
mod managing;
mod support;
