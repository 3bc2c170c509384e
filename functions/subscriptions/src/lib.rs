//! Callback subscriptions of app backends: create, read, change, rotate keys, pause, resume, test, replay; the deliveries
//! of the last 7 days and the notices of the last 30.
//!
//! The function changes subscriptions and enqueues callbacks. `functions/callbacks` sends them.

mod callback_url;
pub mod delivery_log;
pub mod handler;
pub mod idempotent_request;
pub mod keys;
mod lookup;
pub mod pause;
pub mod replay;
pub mod subscription;
mod view;
