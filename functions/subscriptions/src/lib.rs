#![doc = include_str!("../README.md")]

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
