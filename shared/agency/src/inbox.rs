//! The inbox: which messages were handled, so that a repeated message has no second effect.

mod memory;
mod port;
mod sqlite;

pub use memory::MemoryInbox;
pub use port::{Inbox, InboxError};
pub use sqlite::{RETENTION_DAYS, SqliteInbox};

#[cfg(test)]
mod tests;
