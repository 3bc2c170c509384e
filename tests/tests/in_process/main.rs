//! The real handlers in one process, over in-memory ports that can fail at any call.

mod apps;
mod budget;
mod case_scenario;
mod crash_harness;
mod crashes;
mod edge;
mod fits;
mod largest_application;
mod receipts;
mod records;
mod report_cases;
mod rows;
mod table;
mod tokens;
