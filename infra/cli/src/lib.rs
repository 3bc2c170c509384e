#![doc = include_str!("../README.md")]

pub mod agencies;
pub mod app;
pub mod apply;
pub mod aws;
pub mod deploy;
pub mod emulator;
pub mod functions;
pub mod hub_keys;
pub mod local;
pub mod node;
pub mod operator;
pub mod plan;
pub mod python;
pub mod receiver;
pub mod running;
pub mod screen;
pub mod secrets;
pub mod stack;
pub mod template;
mod until;
pub mod walk;
pub mod workspace;
