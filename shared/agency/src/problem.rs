//! The hub's problem details (RFC 9457, `application/problem+json`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The problem details of a refused request. `Display` shows only status and code: the other members may hold data that
/// does not belong in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubProblem {
    /// `/problems/<code>`, stable: programs distinguish problems by it.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// Title in the requested language.
    #[serde(default)]
    pub title: String,
    /// Explanation of this occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// All wrong fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ReportFieldProblem>,
    /// The hub's time, given with `signature_expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<serde_json::Value>,
    /// The request's id at the hub, to quote to the hub's operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// One wrong field of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFieldProblem {
    /// JSON pointer into the report, for example `/items/0/name`.
    #[serde(default)]
    pub pointer: String,
    /// Stable code, for example `too_long`.
    #[serde(default)]
    pub code: String,
    /// Explanation.
    #[serde(default)]
    pub detail: String,
}

impl HubProblem {
    /// Parses a response's body. A body that holds no problem details, as from a proxy, gives a problem with only the
    /// status.
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> HubProblem {
        let mut problem: HubProblem = serde_json::from_slice(body).unwrap_or_default();
        problem.status = status;
        problem
    }

    /// Whether the hub sent the problem. A proxy's answer, even in JSON, has no such type.
    #[must_use]
    pub fn is_hubs(&self) -> bool {
        self.kind.strip_prefix("/problems/").is_some_and(|code| !code.is_empty() && !code.contains('/'))
    }

    /// The last segment of the type, for example `stale_version`.
    #[must_use]
    pub fn code(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for HubProblem {
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
    fn a5_only_a_problem_with_the_hubs_type_is_the_hubs() {
        for (body, hubs) in [
            (&br#"{"type":"/problems/not_found"}"#[..], true),
            (br#"{"message":"Not Found"}"#, false),
            (br#"{"type":"about:blank","status":404}"#, false),
            (br#"{"type":"https://proxy.example/problems/not_found"}"#, false),
            (b"<html>404</html>", false),
            (b"", false),
        ] {
            assert_eq!(HubProblem::read(404, body).is_hubs(), hubs);
        }
    }

    #[test]
    fn any_body_is_read_and_its_text_is_not_shown() {
        let body = br#"{"type":"/problems/stale","status":1,"title":"t","detail":"secret","new":1}"#;
        let problem = HubProblem::read(409, body);
        assert_eq!((problem.code(), problem.status), ("stale", 409));
        assert_eq!(problem.to_string(), "409 stale");
        assert_eq!(HubProblem::read(502, b"<html>").to_string(), "502");
    }
}
