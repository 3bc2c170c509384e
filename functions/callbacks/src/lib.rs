//! Callbacks of agencies: verifies signed reports and applies them.

pub mod http;
pub mod queue;
pub mod report;
