//! The router: reads the stream of the applications table, sends the messages of each change, and records each
//! dispatch.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

pub mod handler;
pub mod records;
