//! The published contracts match the types and the real messages, and pass the linters of their ecosystems.

mod drift;
mod lint;
mod rules;
mod truth;
