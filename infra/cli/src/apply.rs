//! Submits an application from a file, with documents from disk, as an app backend would.

mod document_file;
mod form;
mod lines;
mod submission;

pub use document_file::DocumentFile;
pub use form::Form;
pub use submission::{FeedEntry, InspectedApplication, PendingUpload, Submission};
