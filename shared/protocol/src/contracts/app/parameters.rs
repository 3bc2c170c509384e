//! Parameters that several operations share.
#![allow(dead_code, reason = "the fields are read by the derived descriptions alone")]

use utoipa::IntoParams;

use super::names::{ApplicationId, DocumentId, SubscriptionId};

/// Which application.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct Application {
    /// The application.
    id: ApplicationId,
}

/// What makes a request safe to send again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Idempotent {
    /// A random text of the caller's for this operation, the same with each repeat. It never expires; of a draft that ran out everything is removed after 180 days.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 128,
        pattern = r"^[!#-~]+$",
        example = "8e03978e-40d5-43e8-bc93-6894a57f9324"
    )]
    key: String,
}

/// What the caller has already.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Held {
    /// `ETag`s of copies that the caller has, or `*`.
    #[param(
        rename = "If-None-Match",
        min_length = 1,
        max_length = 512,
        pattern = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*"){0,15})$"#,
        example = "\"4\""
    )]
    held: Option<String>,
}

/// From which version a step is taken.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct AtVersion {
    /// The `ETag` of the application as the caller saw it, or `*`. Where it has another version by now nothing is done
    /// (412). A repeat with the same `Idempotency-Key` is answered as the first was all the same.
    #[param(
        rename = "If-Match",
        min_length = 1,
        max_length = 512,
        pattern = r#"^(\*|(W/)?"[!#-~]*")$"#,
        example = "\"4\""
    )]
    at: Option<String>,
}

/// Which document of which application.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OneDocument {
    /// The application.
    id: ApplicationId,
    /// The document.
    document: DocumentId,
}

/// Which subscription.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct Subscription {
    /// The subscription.
    id: SubscriptionId,
}
