//! Conditional requests (RFC 9110, section 13): `ETag`, `If-None-Match`, `If-Match`.
//!
//! An application's tag is its version, because its view depends on the version alone. A caller may name the version
//! that its change builds on, and is answered 412 when another request has changed the application since.

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::problem::{Code, Problem};

/// Maximum number of tags in one header.
const TAGS: usize = 16;
/// Maximum size of the header's value, in bytes.
const VALUE_BYTES: usize = 512;
/// A version that no application has: its first is 1.
const NO_VERSION: u32 = 0;

/// An entity tag, with its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// The tag of an application's version.
    #[must_use]
    pub fn version(version: u32) -> Tag {
        Tag(format!("\"{version}\""))
    }

    /// The tag of an answer's body: the first 12 bytes of its SHA-256, in hexadecimal.
    #[must_use]
    pub fn content(bytes: &[u8]) -> Tag {
        let hash = Sha256::digest(bytes);
        Tag(format!("\"{}\"", hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect::<String>()))
    }

    /// The answer with this tag; 304 without a body when the caller has the answer already.
    #[must_use]
    pub fn answer(&self, if_none_match: &IfNoneMatch, answer: impl IntoResponse) -> Response {
        let mut answer = answer.into_response();
        if if_none_match.holds(self) {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            *answer.body_mut() = Body::empty();
            answer.headers_mut().remove(http::header::CONTENT_TYPE);
            answer.headers_mut().remove(http::header::CONTENT_LENGTH);
        }
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            answer.headers_mut().insert(ETAG, value);
        }
        answer
    }
}

/// Tags of the copies that the caller has. Compared weakly (section 13.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfNoneMatch(Condition);

impl IfNoneMatch {
    fn holds(&self, tag: &Tag) -> bool {
        match &self.0 {
            Condition::None => false,
            Condition::Any => true,
            Condition::Tags(tags) => tags.iter().any(|held| held.trim_start_matches("W/") == tag.0),
        }
    }
}

/// The version that a change builds on. Compared strongly (section 13.1.1): a weak tag never matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IfMatch(Expected);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Any,
    Version(u32),
    /// A weak tag, which matches nothing.
    Weak,
    /// A tag that the hub never issued for an application.
    NotAVersion,
}

impl IfMatch {
    /// The version that must be the current one; `None` when any version will do. A tag that cannot match reads as a
    /// version that no application has.
    #[must_use]
    pub fn version(self) -> Option<u32> {
        match self.0 {
            Expected::Any => None,
            Expected::Version(version) => Some(version),
            Expected::Weak | Expected::NotAVersion => Some(NO_VERSION),
        }
    }

    /// The refusal of the change. Where the tag could match no version, it says why instead of "has changed" alone.
    #[must_use]
    pub fn explain(self, problem: Problem) -> Problem {
        if problem.code() != Code::PreconditionFailed {
            return problem;
        }
        match self.0 {
            Expected::Any | Expected::Version(_) => problem,
            Expected::Weak => problem.with_detail(
                "If-Match 中的标签以 W/ 开头，是弱标签，按规范不与任何版本相符（RFC 9110 第 13.1.1 节）。请去掉 W/。",
                "The tag in If-Match is weak (W/), and a weak tag matches no version (RFC 9110, section 13.1.1). Send it without W/.",
            ),
            Expected::NotAVersion => problem.with_detail(
                "If-Match 中的标签不是申请的 ETag。",
                "The tag in If-Match is not the ETag of an application.",
            ),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Condition {
    #[default]
    None,
    Any,
    Tags(Vec<String>),
}

/// Reads a header that lists entity tags.
///
/// # Errors
/// 400 when the header is not a list of entity tags.
fn condition(headers: &HeaderMap, name: HeaderName) -> Result<Condition, Problem> {
    let mut tags = Vec::new();
    for value in headers.get_all(&name) {
        let wrong = || {
            Problem::new(Code::BadRequest).with_detail(
                format!("请求头 {name} 不是实体标签。"),
                format!("The header {name} is not a list of entity tags."),
            )
        };
        let text = value.to_str().map_err(|_| wrong())?.trim();
        if text.len() > VALUE_BYTES {
            return Err(wrong());
        }
        if text == "*" {
            return Ok(Condition::Any);
        }
        let mut rest = text;
        loop {
            let (tag, after) = entity_tag(rest).ok_or_else(wrong)?;
            if tags.len() == TAGS {
                return Err(wrong());
            }
            tags.push(tag.to_owned());
            let after = after.trim_start();
            if after.is_empty() {
                break;
            }
            rest = after.strip_prefix(',').ok_or_else(wrong)?.trim_start();
        }
    }
    Ok(if tags.is_empty() { Condition::None } else { Condition::Tags(tags) })
}

/// Splits a text into its leading entity tag and the remainder (RFC 9110, section 8.8.3). The quotes may contain a
/// comma.
fn entity_tag(text: &str) -> Option<(&str, &str)> {
    let opaque = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"')?;
    let (value, after) = opaque.split_once('"')?;
    let is_valid = value.chars().all(|sign| sign.is_ascii_graphic());
    is_valid.then_some((text.strip_suffix(after)?, after))
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        condition(&parts.headers, IF_NONE_MATCH).map(IfNoneMatch)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    /// Accepts one tag or `*`: an application has one version at a time, so a list of tags makes no sense.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match condition(&parts.headers, IF_MATCH)? {
            Condition::None | Condition::Any => Ok(IfMatch(Expected::Any)),
            Condition::Tags(tags) => match &tags[..] {
                [tag] if tag.starts_with("W/") => Ok(IfMatch(Expected::Weak)),
                [tag] => {
                    let version =
                        tag.trim_matches('"').parse().ok().filter(|version| Tag::version(*version).0 == *tag);
                    Ok(IfMatch(version.map_or(Expected::NotAVersion, Expected::Version)))
                }
                _ => Err(Problem::new(Code::BadRequest).with_detail(
                    "请求头 if-match 只接受一个标签。",
                    "The header if-match takes one tag here.",
                )),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use http::Request;

    use super::*;

    async fn read<T: FromRequestParts<(), Rejection = Problem>>(
        name: &str,
        values: &[&str],
    ) -> Result<T, u16> {
        let mut request = Request::builder();
        for value in values {
            request = request.header(name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        T::from_request_parts(&mut parts, &()).await.map_err(|problem| problem.status().as_u16())
    }

    #[tokio::test]
    async fn if_match_accepts_one_version() {
        for (values, version) in [
            (&[][..], Ok(None)),
            (&["*"], Ok(None)),
            (&["\"7\""], Ok(Some(7))),
            (&["W/\"7\""], Ok(Some(NO_VERSION))),
            (&["\"seven\""], Ok(Some(NO_VERSION))),
            (&["\"07\""], Ok(Some(NO_VERSION))),
            (&["W/\",7\""], Ok(Some(NO_VERSION))),
            (&["\"7\", \"8\""], Err(400)),
            (&["\"7\" \"8\""], Err(400)),
            (&["\"7"], Err(400)),
            (&["\"7 \""], Err(400)),
            (&["7"], Err(400)),
            (&[""], Err(400)),
        ] {
            assert_eq!(
                read::<IfMatch>("if-match", values).await.map(IfMatch::version),
                version,
                "{values:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_copy_that_the_caller_holds_is_not_sent_again() {
        let tag = Tag::version(3);
        for (values, status) in [
            (&[][..], 200),
            (&["\"2\""], 200),
            (&["\"2\", W/\"3\""], 304),
            (&["\"2\"", "\"3\""], 304),
            (&["*"], 304),
        ] {
            let if_none_match: IfNoneMatch = read("if-none-match", values).await.unwrap();
            let answer = tag.answer(&if_none_match, "body");
            assert_eq!(answer.status().as_u16(), status, "{values:?}");
            assert_eq!(answer.headers()[ETAG], "\"3\"");
        }
        assert_eq!(read::<IfNoneMatch>("if-none-match", &["3"]).await, Err(400));
        let many = vec!["\"1\""; TAGS + 1];
        assert_eq!(read::<IfNoneMatch>("if-none-match", &many).await, Err(400));
        let long = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
        assert!(read::<IfNoneMatch>("if-none-match", &[&long(VALUE_BYTES)]).await.is_ok());
        assert_eq!(read::<IfNoneMatch>("if-none-match", &[&long(VALUE_BYTES + 1)]).await, Err(400));
    }

    #[test]
    fn equal_content_has_an_equal_tag() {
        assert_eq!(Tag::content(b"a"), Tag::content(b"a"));
        assert_ne!(Tag::content(b"a"), Tag::content(b"b"));
    }
}
