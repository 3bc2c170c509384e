//! Why a call of an app backend did not succeed.

use protocol::problem::Problem;
use reqwest::StatusCode;
use thiserror::Error;

/// Why a call of an app backend did not succeed. Requests are named by method and path, never by their content.
#[derive(Debug, Error)]
pub enum AppClientError {
    /// The hub, or the store behind a signed link, refused the request.
    #[error("{request} was answered {}{}", status.as_u16(), summary(problem.as_deref()))]
    Refused {
        /// Method and path.
        request: String,
        /// Status of the response.
        status: StatusCode,
        /// The response's problem (RFC 9457), if the body is one.
        problem: Option<Box<Problem>>,
    },
    /// No connection, or the connection ended before the response was complete.
    #[error("{request} got no response; is the hub running and reachable?")]
    NoResponse {
        /// Method and path.
        request: String,
        /// What the HTTP client reports, without the URL.
        source: reqwest::Error,
    },
    /// The hub answered 429 or 5xx until the deadline.
    #[error("{request} was answered {} until the deadline of {seconds} s", status.as_u16())]
    Unavailable {
        /// Method and path.
        request: String,
        /// Status of the last response.
        status: StatusCode,
        /// How long the request was retried.
        seconds: u64,
    },
    /// A success whose body is not what the API description promises.
    #[error("the response to {request} cannot be read")]
    Unreadable {
        /// Method and path.
        request: String,
        /// What the JSON reader reports.
        source: serde_json::Error,
    },
    /// A signed link whose method is not an HTTP method.
    #[error("the hub gave a signed link with the method {0:?}, which is not an HTTP method")]
    LinkMethod(String),
    /// The hub gave no upload link for a document that was declared.
    #[error("the hub gave no upload link for a document of kind {0}")]
    MissingUploadLink(String),
    /// The response to a new subscription has no usable secret.
    #[error("the new subscription came without a secret that verifies callbacks")]
    MissingSecret,
}

impl AppClientError {
    /// Status of a refusal; nothing for every other failure.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            AppClientError::Refused { status, .. } => Some(*status),
            AppClientError::NoResponse { .. }
            | AppClientError::Unavailable { .. }
            | AppClientError::Unreadable { .. }
            | AppClientError::LinkMethod(_)
            | AppClientError::MissingUploadLink(_)
            | AppClientError::MissingSecret => None,
        }
    }
}

/// A problem in one line: its title, and each wrong field with its code.
fn summary(problem: Option<&Problem>) -> String {
    let Some(problem) = problem else { return String::new() };
    let fields = problem.errors.iter().map(|field| format!("; {} {}", field.pointer, field.code));
    format!(": {}{}", problem.title, fields.collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(body: &str) -> String {
        let problem = serde_json::from_str(body).ok();
        let request = "POST /v1/applications".to_owned();
        AppClientError::Refused { request, status: StatusCode::UNPROCESSABLE_ENTITY, problem }.to_string()
    }

    #[test]
    fn a_refusal_names_every_wrong_field_in_one_line() {
        let body = json!({
            "type": "/problems/invalid_fields",
            "title": "Fields are wrong",
            "status": 422,
            "errors": [{ "pointer": "/address", "code": "required", "detail": "…" }],
        });
        let expected = "POST /v1/applications was answered 422: Fields are wrong; /address required";
        assert_eq!(refused(&body.to_string()), expected);
        assert_eq!(refused("<html>"), "POST /v1/applications was answered 422");
    }
}
