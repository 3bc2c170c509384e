//! Agency reports: verifies signed reports and applies them, lists an agency's open cases and takes resend requests.

mod backlog;
mod evidence;
mod first_arrival;
pub mod http;
pub mod queue;
pub mod report;
pub mod report_error;
