//! Serves the OpenAPI document of the interface for apps: the checked-in file, which the `contracts` binary generates.

use std::sync::LazyLock;

use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_kit::conditional::{IfNoneMatch, Tag};

const DOCUMENT: &str = include_str!("../../../shared/protocol/contracts/app.openapi.json");

/// The document changes with a deploy only.
const CACHE: &str = "public, max-age=300";

/// Entity tag of the document, computed on the first request for it, so that other requests do not pay for the hash.
static TAG: LazyLock<Tag> = LazyLock::new(|| Tag::content(DOCUMENT.as_bytes()));

/// Answers with the document, or with 304 when the caller has it.
pub(crate) async fn answer(if_none_match: IfNoneMatch) -> Response {
    TAG.answer(&if_none_match, ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, CACHE)], DOCUMENT))
}
