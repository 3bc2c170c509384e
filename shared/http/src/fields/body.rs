//! Extractors for a JSON body and a query string.

use std::fmt;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use protocol::json;
use serde_json::{Map, Value};

use super::{FieldError, FromFields, read_as};
use crate::problem::{Code, Problem};

/// Maximum size of a JSON body: 64 KiB.
pub const BODY_BYTES: usize = 64 * 1024;
/// Maximum size of a JSON body with a batch: 512 KiB.
pub const BATCH_BYTES: usize = 512 * 1024;
/// Maximum size of a query string, in bytes.
const QUERY_BYTES: usize = 4 * 1024;

/// A JSON body.
///
/// Rejects with 415 for another content type, 413 beyond [`BODY_BYTES`], 400 for malformed JSON (with the position,
/// without the content), and 422 with every wrong field.
#[derive(Clone, PartialEq, Eq)]
pub struct Body<T> {
    /// The parsed body.
    pub value: T,
    /// The body with sorted members and no white space, so that two spellings of one request have the same bytes.
    /// Idempotency compares these bytes. Personal data: never log them.
    pub canonical: Vec<u8>,
}

impl<T> fmt::Debug for Body<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body([redacted], {} bytes)", self.canonical.len())
    }
}

/// A JSON body whose fields are not checked yet, for [`super::read_with`].
///
/// Rejects like [`Body`], except for wrong fields.
#[derive(Clone, PartialEq, Eq)]
pub struct Json {
    /// The body. Personal data: never log it.
    pub value: Value,
    /// See [`Body::canonical`].
    pub canonical: Vec<u8>,
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json([redacted], {} bytes)", self.canonical.len())
    }
}

impl Json {
    /// A body from a parsed value.
    #[must_use]
    pub fn of(value: Value) -> Self {
        let canonical = canonical(&value).to_string().into_bytes();
        Json { value, canonical }
    }

    fn parse(bytes: &[u8], may_be_empty: bool) -> Result<Self, Problem> {
        let value = if bytes.is_empty() && may_be_empty {
            Value::Object(Map::new())
        } else {
            json::parse(bytes, BATCH_BYTES).map_err(Problem::from)?
        };
        Ok(Json::of(value))
    }

    async fn extract(request: Request, bound: usize, may_be_empty: bool) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if declared_length(&parts.headers).is_some_and(|length| length > bound as u64) {
            return Err(Problem::too_large(bound));
        }
        let bytes = to_bytes(body, bound).await.map_err(|_| Problem::too_large(bound))?;
        let nothing = bytes.is_empty() && may_be_empty;
        if !nothing {
            check_type(&parts.headers, "application/json")?;
        }
        Json::parse(&bytes, may_be_empty)
    }
}

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        Json::extract(request, BODY_BYTES, false).await
    }
}

/// Like [`Body`], of at most [`BATCH_BYTES`].
#[derive(Debug)]
pub struct Batch<T>(pub T);

impl<T: FromFields, S: Send + Sync> FromRequest<S> for Batch<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let json = Json::extract(request, BATCH_BYTES, false).await?;
        read_as(&json.value, false).map(Batch).map_err(Problem::invalid)
    }
}

impl<T: FromFields> Body<T> {
    /// Parses a JSON body whose content type is already checked.
    ///
    /// # Errors
    /// 413, 400 and 422, as [`Body`] documents.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.len() > BODY_BYTES {
            return Err(Problem::too_large(BODY_BYTES));
        }
        Json::parse(bytes, T::MAY_BE_EMPTY).and_then(Body::read)
    }

    fn read(json: Json) -> Result<Self, Problem> {
        let value = read_as(&json.value, false).map_err(Problem::invalid)?;
        Ok(Body { value, canonical: json.canonical })
    }
}

impl<T: FromFields, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        Json::extract(request, BODY_BYTES, T::MAY_BE_EMPTY).await.and_then(Body::read)
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Checks what the headers say of a body: the media type, UTF-8 as its character set, no content coding.
///
/// # Errors
/// 415, naming what is accepted.
pub(crate) fn check_type(headers: &HeaderMap, media_type: &str) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let refused = |zh: String, en: String| Err(Problem::new(Code::UnsupportedMediaType).with_detail(zh, en));
    if text(CONTENT_ENCODING).is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
        return refused(
            "正文不得压缩：不接受 Content-Encoding。".to_owned(),
            "The body must not be compressed: leave out Content-Encoding.".to_owned(),
        );
    }
    let mut parts = text(CONTENT_TYPE).unwrap_or_default().split(';').map(str::trim);
    if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(media_type)) {
        return refused(
            format!("Content-Type 须为 {media_type}。"),
            format!("The Content-Type must be {media_type}."),
        );
    }
    let charset =
        parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    match charset.map(|(_, value)| value.trim_matches('"')) {
        Some(other)
            if !["utf-8", "utf8", "us-ascii"].iter().any(|known| other.eq_ignore_ascii_case(known)) =>
        {
            refused("字符集须为 UTF-8。".to_owned(), "The character set must be UTF-8.".to_owned())
        }
        _ => Ok(()),
    }
}

/// The value with sorted members. The order of serde_json's map depends on its features.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let members = members.into_iter().map(|(name, value)| (name.clone(), canonical(value)));
            Value::Object(members.collect())
        }
        Value::Array(values) => Value::Array(values.iter().map(canonical).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// A query string, read like a body whose numbers and flags are texts. Rejects wrong, unknown and repeated parameters
/// with 422.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<T>(pub T);

/// Pointer to a parameter; the empty pointer when the name does not look like a parameter's name.
fn pointer_of(name: &str) -> String {
    let plain = name.len() <= 32 && name.bytes().all(|sign| sign.is_ascii_lowercase() || sign == b'_');
    if plain { format!("/{name}") } else { String::new() }
}

impl<T: FromFields> Query<T> {
    /// Parses a query string, without its question mark.
    ///
    /// # Errors
    /// 422, naming each wrong parameter.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        if query.len() > QUERY_BYTES {
            return Err(Problem::invalid(vec![FieldError::new("", "too_long")]));
        }
        let uri = format!("/?{query}")
            .parse()
            .map_err(|_| Problem::invalid(vec![FieldError::new("", "invalid")]))?;
        let pairs: axum::extract::Query<Vec<(String, String)>> = axum::extract::Query::try_from_uri(&uri)
            .map_err(|_| Problem::invalid(vec![FieldError::new("", "invalid")]))?;
        let (mut members, mut repeated) = (Map::new(), Vec::new());
        for (name, value) in pairs.0 {
            let fault = FieldError::new(pointer_of(&name), "duplicate");
            if members.insert(name, Value::String(value)).is_some() && !repeated.contains(&fault) {
                repeated.push(fault);
            }
        }
        let read = read_as(&Value::Object(members), true);
        if repeated.is_empty() {
            return read.map(Query).map_err(Problem::invalid);
        }
        repeated.extend(read.err().unwrap_or_default());
        Err(Problem::invalid(repeated))
    }
}

impl<T: FromFields, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Query::parse(parts.uri.query().unwrap_or_default())
    }
}
