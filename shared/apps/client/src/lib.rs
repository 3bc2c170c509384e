#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

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
