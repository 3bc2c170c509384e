#![doc = include_str!("../README.md")]
#![allow(
    missing_docs,
    reason = "agencies build on the library `agency`; only this project builds on this crate"
)]

pub mod certificate;
pub mod certify;
pub mod script;
pub mod seeded_rng;
pub mod simulate;

pub use script::AgencyScript;
pub use simulate::Simulator;
