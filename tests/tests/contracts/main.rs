//! The published contracts: they are what the types say, they are true of what travels, and the linters of their own
//! ecosystems take them.

mod drift;
mod lint;
mod rules;
mod truth;
