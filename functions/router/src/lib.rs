//! The router: reads the table's stream, sends what each change owes, and records each dispatch.

pub mod handler;
pub mod records;
