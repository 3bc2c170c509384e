//! The trait that every inbox implements.

use std::future::Future;

use domain::ids::{ApplicationId, EventId};
use thiserror::Error;

/// An inbox cannot be read or written.
#[derive(Debug, Error)]
#[error("the inbox cannot be read or written")]
pub struct InboxError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Remembers which messages were handled. Versions of an application only grow, so a message whose version is not above
/// the highest handled one is a repeat or a late redrive.
///
/// An agency that keeps its decisions in a database should implement the inbox there, and write it in the transaction
/// that writes the decision.
pub trait Inbox: Send + Sync + 'static {
    /// Checks, before the first receive, that the inbox can be read and written.
    ///
    /// # Errors
    /// [`InboxError`]: the consumer does not start.
    fn prepare(&self) -> impl Future<Output = Result<(), InboxError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Whether this message, or a later message of the same application, was handled.
    ///
    /// # Errors
    /// [`InboxError`]: the message stays in the queue.
    fn handled(&self, event: EventId) -> impl Future<Output = Result<bool, InboxError>> + Send;

    /// Records that the message was handled. The consumer calls this before it deletes the message.
    ///
    /// # Errors
    /// [`InboxError`]: the message stays in the queue.
    fn remember(&self, event: EventId) -> impl Future<Output = Result<(), InboxError>> + Send;

    /// Forgets the handled messages of an application, so that a requested resend is handled again. An unknown
    /// application is no error.
    ///
    /// # Errors
    /// [`InboxError`]: nothing was forgotten.
    fn forget(&self, application: ApplicationId) -> impl Future<Output = Result<(), InboxError>> + Send;
}
