#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

mod callback_url;
pub mod delivery_log;
pub mod handler;
pub mod idempotent_request;
pub mod keys;
mod lookup;
pub mod pause;
pub mod replay;
pub mod subscription;
mod view;
