//! Agency reports: verifies signed reports and applies them, signs their receipts, lists an
//! agency's reports and open cases, and takes resend requests.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

mod backlog;
mod evidence;
mod first_arrival;
pub mod http;
pub mod queue;
mod receipts;
pub mod report;
pub mod report_error;
mod sent_reports;
