//! Documents: links to upload and to read, and the record of what arrived.

pub mod agency;
pub mod arrived;
pub mod handler;
pub mod links;
