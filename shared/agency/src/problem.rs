//! What the hub says when it refuses: RFC 9457 `application/problem+json`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A refusal. `Display` shows its type and status alone: the rest is for the one who reads the answer, not for
/// a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `/problems/<code>`; stable, to be told apart by.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What it is, in the language asked for.
    #[serde(default)]
    pub title: String,
    /// More on this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Every wrong field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// The hub's time, where a signature was too old or too far ahead: see `signature_expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<serde_json::Value>,
    /// Names the request at the hub: quote it when asking for help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// One wrong field of what was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// JSON pointer into the report, for example `/items/0/name`.
    #[serde(default)]
    pub pointer: String,
    /// Stable code, for example `too_long`.
    #[serde(default)]
    pub code: String,
    /// What is wrong.
    #[serde(default)]
    pub detail: String,
}

impl Problem {
    /// Reads an answer's body. A body that is no problem (of a gateway, of a proxy) leaves the status alone.
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> Problem {
        let mut problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        problem.status = status;
        problem
    }

    /// The last part of its type, for example `stale`.
    #[must_use]
    pub fn code(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        let code = self.code();
        if code.is_empty() || code.len() > 64 || !code.chars().all(plain) {
            write!(f, "{}", self.status)
        } else {
            write!(f, "{} {code}", self.status)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_body_is_read_and_its_text_is_not_shown() {
        let body = br#"{"type":"/problems/stale","status":1,"title":"t","detail":"secret","new":1}"#;
        let problem = Problem::read(409, body);
        assert_eq!((problem.code(), problem.status), ("stale", 409));
        assert_eq!(problem.to_string(), "409 stale");
        assert_eq!(Problem::read(502, b"<html>").to_string(), "502");
    }
}
