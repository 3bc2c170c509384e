//! Callbacks of agencies: verifies signed reports and applies them, and tells an agency what it has open.

mod backlog;
mod evidence;
pub mod http;
pub mod queue;
pub mod report;
