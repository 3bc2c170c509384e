//! Agency reports: verifies signed reports and applies them, lists an agency's open cases and takes resend requests.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

mod backlog;
mod evidence;
mod first_arrival;
pub mod http;
pub mod queue;
pub mod report;
pub mod report_error;
