//! The published contracts match the types and the real messages, and pass the linters of their ecosystems.

mod agency_problems;
mod drift;
mod facts;
mod lint;
mod rules;
mod truth;
