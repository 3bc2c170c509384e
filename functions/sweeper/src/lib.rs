//! The sweeper: takes the steps that are due by time, and repeats work that other functions missed.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

pub mod handler;
