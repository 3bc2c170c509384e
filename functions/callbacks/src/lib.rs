#![doc = include_str!("../README.md")]

pub mod address;
pub mod connector;
pub mod delivery;
pub mod drain;
pub mod endpoints;
pub mod handler;
mod journal;
pub mod resolve;
mod transition;
