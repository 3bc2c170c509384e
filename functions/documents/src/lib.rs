#![doc = include_str!("../README.md")]

pub mod agency;
pub mod arrived;
pub mod handler;
pub mod links;
