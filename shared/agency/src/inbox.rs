//! What was worked on already, so that a message that comes again changes nothing.

mod memory;
mod sqlite;

use std::future::Future;

use domain::ids::{ApplicationId, EventId};
use thiserror::Error;

pub use memory::MemoryInbox;
pub use sqlite::{KEPT_DAYS, SqliteInbox};

/// The inbox cannot be read or written.
#[derive(Debug, Error)]
#[error("the inbox cannot be used")]
pub struct InboxError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Remembers which messages were handled. Versions of one application only grow, so a message of a lower
/// version than the highest one handled is old news: a repeat, or a late redrive.
///
/// An agency that keeps its decisions in a database of its own keeps this there too, best in the transaction that
/// writes the decision.
pub trait Inbox: Send + Sync + 'static {
    /// Makes sure that it can be used, before the first message is taken.
    ///
    /// # Errors
    /// [`InboxError`]: the consumer does not start.
    fn prepare(&self) -> impl Future<Output = Result<(), InboxError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Whether this message, or a later one of its application, was handled.
    ///
    /// # Errors
    /// [`InboxError`]: the message is left in the queue.
    fn handled(&self, event: EventId) -> impl Future<Output = Result<bool, InboxError>> + Send;

    /// Remembers that the message was handled. Called before it is deleted from the queue.
    ///
    /// # Errors
    /// [`InboxError`]: the message is left in the queue.
    fn remember(&self, event: EventId) -> impl Future<Output = Result<(), InboxError>> + Send;

    /// Forgets that messages of an application were handled, so that one that is asked for again after a loss is
    /// taken again. Nothing known is no error.
    ///
    /// # Errors
    /// [`InboxError`]: nothing was forgotten.
    fn forget(&self, application: ApplicationId) -> impl Future<Output = Result<(), InboxError>> + Send;
}

#[cfg(test)]
mod tests;
