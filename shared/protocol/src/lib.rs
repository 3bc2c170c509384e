#![doc = include_str!("../README.md")]

pub mod app;
pub mod callback;
pub mod case;
pub mod jose;
pub mod report;
