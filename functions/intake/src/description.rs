//! The OpenAPI document of the interface for apps, as it is checked in: made from the code by a tool, and only handed
//! out here.

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};

const DOCUMENT: &str = include_str!("../../../shared/protocol/contracts/app.openapi.json");

/// It changes with a deploy only.
const CACHE: &str = "public, max-age=300";

/// Names this version of the document. Counted when it is first asked for, so that no other request pays for it.
static TAG: LazyLock<String> =
    LazyLock::new(|| format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(DOCUMENT))));

/// The document, or 304 where the caller has it (RFC 9110, section 13.1.2).
pub(crate) async fn answer(headers: HeaderMap) -> Response {
    let about = [(ETAG, TAG.as_str()), (CACHE_CONTROL, CACHE)];
    if known(&headers) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}

fn known(headers: &HeaderMap) -> bool {
    let given = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|value| value.split(',')).map(str::trim).any(|tag| {
        // Weakly compared, as the header asks.
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == TAG.as_str()
    })
}
