#![doc = include_str!("../README.md")]

mod callback_log;
mod client;
mod document;
mod error;
mod receiver;
mod request;
mod retry;
mod wait;

pub use callback_log::CallbackLog;
pub use client::AppClient;
pub use document::{SampleDocument, pdf_page};
pub use error::AppClientError;
pub use receiver::{CallbackReceiver, ReceivedCallback, ReceiverError};
pub use request::{AppRequest, AppResponse};
pub use wait::{DeadlineExceeded, until};
