#![doc = include_str!("../README.md")]

pub mod app;
pub mod backlog;
pub mod callback;
pub mod case;
pub mod jose;
pub mod report;
