//! Simulated agencies: a case handler that follows a script, and a fleet of such agencies that make mistakes, are slow
//! and crash.

mod behaviour;
mod crash_point;
mod fleet;
mod mistakes;
mod simulator;
mod stats;

pub use behaviour::Behaviour;
pub use fleet::{Fleet, FleetAgency, FleetError, StopConditions};
pub use simulator::Simulator;
pub use stats::FleetSummary;
