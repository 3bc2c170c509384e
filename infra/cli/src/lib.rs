#![doc = include_str!("../README.md")]
#![allow(
    missing_docs,
    reason = "a command is read by its maintainers; comments that repeat a name are left out"
)]

pub mod agencies;
pub mod apply;
pub mod aws;
pub mod children;
pub mod deploy;
pub mod emulator;
pub mod endpoints;
pub mod function_logs;
pub mod functions;
pub mod hub_keys;
pub mod local;
pub mod node;
pub mod operator;
pub mod origins;
pub mod plan;
pub mod python;
pub mod reference;
pub mod roll_out;
pub mod running;
pub mod secrets;
pub mod stack;
pub mod template;
pub mod terminal;
mod tool_folder;
pub mod walk;
pub mod workspace;
