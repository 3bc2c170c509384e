//! What stands beside the `tongban-agency` command: agencies that decide by a script, and the certification of a consumer.
#![allow(missing_docs, reason = "no outsider builds on this crate; the agency's library is for that")]

pub mod certificate;
pub mod certify;
pub mod script;
pub mod simulate;

pub use script::Script;
pub use simulate::Simulator;
