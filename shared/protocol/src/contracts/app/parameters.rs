//! Parameters that several operations share.
#![allow(dead_code, reason = "the fields are read by the derived descriptions alone")]

use utoipa::IntoParams;

use super::names::{ApplicationId, DocumentId, SubscriptionId};

/// Path parameter of operations on one application.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct Application {
    /// Id of the application.
    id: ApplicationId,
}

/// Header that makes a request safe to retry.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Idempotent {
    /// A random text that the caller chooses for this operation and sends with each repeat. The key never expires,
    /// except that the hub deletes an expired or withdrawn draft with its key after 180 days.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 128,
        pattern = r"^[!#-~]+$",
        example = "8e03978e-40d5-43e8-bc93-6894a57f9324"
    )]
    key: String,
}

/// Header of a conditional read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfNoneMatchParameter {
    /// `ETag`s of the caller's cached copies, or `*`.
    #[param(
        rename = "If-None-Match",
        min_length = 1,
        max_length = 512,
        pattern = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*"){0,15})$"#,
        example = "\"4\""
    )]
    held: Option<String>,
}

/// Header that makes a step conditional on a version.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct AtVersion {
    /// `ETag` of the application that the caller read, or `*`. When the application has another version, the hub
    /// changes nothing and answers 412. A repeat with the same `Idempotency-Key` still gets the result of the first
    /// request.
    #[param(
        rename = "If-Match",
        min_length = 1,
        max_length = 512,
        pattern = r#"^(\*|(W/)?"[!#-~]*")$"#,
        example = "\"4\""
    )]
    at: Option<String>,
}

/// Path parameters of operations on one document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OneDocument {
    /// Id of the application.
    id: ApplicationId,
    /// Id of the document within the application.
    document: DocumentId,
}

/// Path parameter of operations on one subscription.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct Subscription {
    /// Id of the subscription.
    id: SubscriptionId,
}
