#![doc = include_str!("../README.md")]

pub mod agency;
pub mod handler;
pub mod links;
pub mod upload_events;
