//! The documents function, in one process with a hub in memory.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod agencies;
mod apps;
mod arrivals;
mod support;
