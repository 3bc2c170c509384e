//! The OpenAPI document of the interface for apps, as it is checked in: made from the code by a tool, and only handed
//! out here.

use std::sync::LazyLock;

use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_kit::conditional::{IfNoneMatch, Tag};

const DOCUMENT: &str = include_str!("../../../shared/protocol/contracts/app.openapi.json");

/// It changes with a deploy only.
const CACHE: &str = "public, max-age=300";

/// Names this version of the document. Counted when it is first asked for, so that no other request pays for it.
static TAG: LazyLock<Tag> = LazyLock::new(|| Tag::content(DOCUMENT.as_bytes()));

/// The document, or 304 where the caller has it.
pub(crate) async fn answer(held: IfNoneMatch) -> Response {
    TAG.answer(&held, ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, CACHE)], DOCUMENT))
}
