//! The router: reads the stream of the applications table, sends the messages of each change, and records each
//! dispatch.

pub mod handler;
pub mod records;
