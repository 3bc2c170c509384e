//! The agency's client of the hub's HTTP interface: reports, documents, open cases.

mod client;
mod document;
mod open_cases;
mod receipt;
mod report;

pub use crate::error::HubClientError;
pub use crate::exchange::{http_client, link_request};
pub use client::HubClient;
pub use document::FetchedDocument;
pub use open_cases::{OpenCases, outcome_name};
pub use receipt::SentReports;
pub use report::SignedReport;

#[cfg(test)]
mod tests;
