#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

pub mod address;
pub mod connector;
pub mod delivery;
pub mod drain;
pub mod endpoints;
pub mod handler;
mod journal;
pub mod resolve;
mod transition;
