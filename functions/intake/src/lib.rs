//! Intake: where app backends apply, read and are told who takes what.

pub mod commands;
pub mod coverage;
pub mod creation;
pub mod form;
pub mod handler;
pub mod namespace;
pub mod opening;
pub mod reading;
pub mod subscriptions;
