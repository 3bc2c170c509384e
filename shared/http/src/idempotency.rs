//! The `Idempotency-Key` header, which makes an unsafe request safe to repeat.

use std::fmt;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::fields::Coded;
use crate::problem::{Code, Problem};

/// Maximum length of a key, in characters.
pub const KEY_CHARACTERS: usize = 128;

/// A caller's key: 1 to 128 visible ASCII characters, quoted or bare (`draft-ietf-httpapi-idempotency-key-header` has a
/// quoted string). `Debug` redacts the key, because a caller may put personal data into it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a header's value.
    ///
    /// # Errors
    /// 400 `idempotency_key_invalid`.
    pub fn parse(value: &[u8]) -> Result<Self, Problem> {
        let bare = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
        let visible = bare.iter().all(|sign| sign.is_ascii_graphic() && *sign != b'"');
        if !visible || !(1..=KEY_CHARACTERS).contains(&bare.len()) {
            return Err(Problem::new(Code::IdempotencyKeyInvalid));
        }
        Ok(IdempotencyKey(bare.iter().copied().map(char::from).collect()))
    }

    /// The key as text, for hashing.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Error for a body's member that is not a valid key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError;

impl Coded for KeyError {
    fn code(&self) -> &'static str {
        "idempotency_key"
    }
}

/// A key in a body has the same form as in the header, so that one key means the same in both.
impl FromStr for IdempotencyKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        IdempotencyKey::parse(text.as_bytes()).map_err(|_| KeyError)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey([redacted])")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut given = parts.headers.get_all("idempotency-key").iter();
        match (given.next(), given.next()) {
            (Some(value), None) => IdempotencyKey::parse(value.as_bytes()),
            (None, _) => Err(Problem::new(Code::IdempotencyKeyRequired)),
            (Some(_), Some(_)) => Err(Problem::new(Code::IdempotencyKeyInvalid)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use http::Request;

    use super::*;

    #[test]
    fn quotes_make_no_difference() {
        let bare = IdempotencyKey::parse(b"8e03978e-40d5").unwrap();
        assert_eq!(IdempotencyKey::parse(b"\"8e03978e-40d5\"").unwrap(), bare);
        for wrong in [&b""[..], b"\"\"", b"a b", "键".as_bytes(), &[b'x'; 129], b"a\"b"] {
            assert_eq!(IdempotencyKey::parse(wrong).unwrap_err().status().as_u16(), 400);
        }
        assert!(!format!("{bare:?}").contains("8e03"));
    }

    #[tokio::test]
    async fn a_request_has_exactly_one_key() {
        for (count, code) in [(0, Code::IdempotencyKeyRequired), (2, Code::IdempotencyKeyInvalid)] {
            let mut request = Request::builder();
            for _ in 0..count {
                request = request.header("Idempotency-Key", "k");
            }
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            let refused = IdempotencyKey::from_request_parts(&mut parts, &()).await.unwrap_err();
            assert_eq!(refused.code(), code);
        }
    }
}
