#![doc = include_str!("../README.md")]

pub mod aws;
pub mod deploy;
pub mod emulator;
pub mod functions;
pub mod local;
pub mod node;
pub mod partners;
pub mod plan;
pub mod python;
pub mod screen;
pub mod secrets;
pub mod stack;
pub mod template;
pub mod walk;
pub mod workspace;
