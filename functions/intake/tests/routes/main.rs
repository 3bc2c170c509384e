//! The routes of intake, in one process with a hub in memory.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod bad_input;
mod batch;
mod catalogue;
mod commands;
mod complete_answers;
mod create;
mod form;
mod pages;
mod persons;
mod rate_limit;
mod reading;
mod reference;
mod support;
