//! The real handlers in one process, over ports in memory that can be made to fail at any call.

mod apps;
mod budget;
mod crash_harness;
mod crashes;
mod fits;
mod journey;
mod rows;
mod table;
mod tokens;
