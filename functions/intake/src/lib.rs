#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

pub mod batch;
pub mod commands;
pub mod correction;
pub mod coverage;
pub mod creation;
pub mod creator;
pub mod daily_quota;
pub mod description;
pub mod handler;
pub mod opening;
pub mod problem_pages;
pub mod reading;
pub mod reference;
