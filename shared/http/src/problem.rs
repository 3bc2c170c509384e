//! Errors as HTTP answers: RFC 9457 `application/problem+json`, in Chinese and English.
//!
//! The caller can fix the cause of a 4xx; a 503 is temporary. Only this module turns refusals and failures into status
//! codes (see [`Problem`]'s `From` implementations). No answer contains internals of a failure or personal data.

mod from;
mod language;
pub mod texts;

use axum::response::{IntoResponse, Response};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

pub use language::Language;
pub use protocol::problem::TYPE_PREFIX;
pub use texts::{Code, Text};

use crate::fields::FieldError;
use crate::rate_limit::decision::Decision;
use protocol::operations::operation::Scope;

/// Media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// Maximum number of wrong fields that one answer lists.
pub const FAULTS: usize = 50;
/// `Retry-After` of a temporary failure, in seconds.
pub const RETRY_SECONDS: u32 = 2;

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    code: Code,
    detail: Option<Detail>,
    errors: Vec<FieldError>,
    /// Number of wrong fields beyond those in `errors`.
    more_errors: usize,
    members: Map<String, Value>,
    retry_after: Option<u32>,
    challenge: Option<String>,
    /// The rate limiter's decision, when it refused the request.
    decision: Option<Decision>,
}

/// The explanation of one occurrence, in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    zh: String,
    en: String,
}

impl Problem {
    /// A problem of this kind. A 503 has `Retry-After` [`RETRY_SECONDS`].
    #[must_use]
    pub fn new(code: Code) -> Self {
        let is_temporary = code.status() == StatusCode::SERVICE_UNAVAILABLE;
        Problem(Box::new(Parts {
            code,
            detail: None,
            errors: Vec::new(),
            more_errors: 0,
            members: Map::new(),
            retry_after: is_temporary.then_some(RETRY_SECONDS),
            challenge: None,
            decision: None,
        }))
    }

    /// 404: the object does not exist, or it belongs to another party. The two are answered alike.
    #[must_use]
    pub fn not_found() -> Self {
        Problem::new(Code::NotFound)
    }

    /// 422, with every wrong field.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Problem::new(Code::InvalidFields).with_errors(errors)
    }

    /// 413, naming the bound in bytes.
    #[must_use]
    pub fn too_large(bound: usize) -> Self {
        Problem::new(Code::PayloadTooLarge)
            .with_detail(format!("正文最多 {bound} 字节。"), format!("A body has at most {bound} bytes."))
    }

    /// 401 with a challenge (RFC 6750, section 3). The challenge only distinguishes a missing token from a
    /// rejected token.
    #[must_use]
    pub fn unauthorized(has_token: bool) -> Self {
        let error = if has_token { ", error=\"invalid_token\"" } else { "" };
        Problem::new(Code::Unauthorized).with_challenge(format!("Bearer realm=\"tongban\"{error}"))
    }

    /// 429, with the name of the exceeded policy and the seconds until its next window.
    #[must_use]
    pub fn too_many_requests(decision: Decision) -> Self {
        let mut problem = Problem::new(Code::TooManyRequests)
            .with_member("policy", decision.policy.name.into())
            .with_retry_after(decision.resets_in.max(1));
        problem.0.decision = Some(decision);
        problem
    }

    /// 403, naming the scope that is missing (RFC 6750, section 3.1).
    #[must_use]
    pub fn insufficient_scope(scope: Scope) -> Self {
        let name = scope.name();
        Problem::new(Code::InsufficientScope)
            .with_detail(
                format!("访问令牌需包含 {name}。"),
                format!("The access token needs the scope {name}."),
            )
            .with_challenge(format!(
                "Bearer realm=\"tongban\", error=\"insufficient_scope\", scope=\"{name}\""
            ))
    }

    /// Adds the wrong fields. The answer lists [`FAULTS`] of them and says how many more there are.
    #[must_use]
    pub fn with_errors(mut self, mut errors: Vec<FieldError>) -> Self {
        self.0.more_errors = errors.len().saturating_sub(FAULTS);
        errors.truncate(FAULTS);
        self.0.errors = errors;
        self
    }

    /// Adds to the number of wrong fields that the answer does not list.
    #[must_use]
    pub fn with_more_errors(mut self, more: usize) -> Self {
        self.0.more_errors = self.0.more_errors.saturating_add(more);
        self
    }

    /// The extension members, for a problem that is part of another one.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.0.members
    }

    /// Explains this occurrence, in both languages. The texts must not contain personal data.
    #[must_use]
    pub fn with_detail(mut self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        self.0.detail = Some(Detail { zh: zh.into(), en: en.into() });
        self
    }

    /// Adds an extension member (RFC 9457, section 3.2), for example the agencies that offer a service. The value must
    /// not contain personal data.
    #[must_use]
    pub fn with_member(mut self, name: &str, value: Value) -> Self {
        self.0.members.insert(name.to_owned(), value);
        self
    }

    /// Sets `Retry-After`, in seconds.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    fn with_challenge(mut self, challenge: String) -> Self {
        self.0.challenge = Some(challenge);
        self
    }

    /// Seconds to wait before a repeat; `None` when a repeat cannot succeed.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        self.0.retry_after
    }

    /// Kind of the problem.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// HTTP status of the kind.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The wrong fields; empty unless the kind is about fields.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The body in this language. `trace` is the request's id in the log.
    #[must_use]
    pub fn body(&self, language: Language, trace: Option<&str>) -> Value {
        let parts = &self.0;
        let mut body = parts.members.clone();
        body.insert("type".into(), format!("{TYPE_PREFIX}{}", parts.code.name()).into());
        body.insert("title".into(), parts.code.title().of(language).into());
        body.insert("status".into(), parts.code.status().as_u16().into());
        let detail = parts.detail.as_ref().map(|detail| match language {
            Language::Chinese => detail.zh.clone(),
            Language::English => detail.en.clone(),
        });
        let cut = (parts.more_errors > 0).then(|| match language {
            Language::Chinese => format!("另有 {} 个有误的字段未列出。", parts.more_errors),
            Language::English => format!("{} more wrong fields are not listed.", parts.more_errors),
        });
        if cut.is_some() {
            body.insert("more_errors".into(), parts.more_errors.into());
        }
        let sentences: Vec<String> = [detail, cut].into_iter().flatten().collect();
        if !sentences.is_empty() {
            let between = if language == Language::English { " " } else { "" };
            body.insert("detail".into(), sentences.join(between).into());
        }
        if !parts.errors.is_empty() {
            let errors = parts.errors.iter().map(|error| {
                let mut detail = match (error.rule, language) {
                    (Some(rule), Language::Chinese) => rule.zh.clone(),
                    (Some(rule), Language::English) => rule.en.clone(),
                    (None, _) => texts::field(error.code).of(language).to_owned(),
                };
                if let Some(successor) = error.successor {
                    match language {
                        Language::Chinese => detail.push_str(&format!("，现为 {successor}")),
                        Language::English => detail.push_str(&format!(" Its successor is {successor}.")),
                    }
                }
                detail.push_str(&texts::accepted(&error.accepted, language));
                if let Some(meant) = error.meant {
                    match language {
                        Language::Chinese => detail.push_str(&format!("，是否应为 {meant}？")),
                        Language::English => detail.push_str(&format!(" Did you mean {meant}?")),
                    }
                }
                json!({ "pointer": error.pointer, "code": error.code, "detail": detail })
            });
            body.insert("errors".into(), errors.collect());
        }
        if let Some(trace) = trace {
            body.insert("trace".into(), trace.into());
        }
        Value::Object(body)
    }

    /// The answer in this language, with its headers.
    #[must_use]
    pub fn respond(self, language: Language, trace: Option<&str>) -> Response {
        let body = self.body(language, trace).to_string();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        headers.insert(VARY, HeaderValue::from_static("accept-language"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(decision) = self.0.decision {
            decision.write_headers(headers);
        }
        if let Some(challenge) = self.0.challenge.as_deref().and_then(|text| HeaderValue::from_str(text).ok())
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }

    /// The problem of an error response again, in this language and with the trace; only the edge knows both. `None`
    /// when the response is not an error.
    pub(crate) fn restate(response: &Response, language: Language, trace: Option<&str>) -> Option<Response> {
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return None;
        }
        let problem = match response.extensions().get::<Problem>() {
            Some(problem) => problem.clone(),
            // The framework's own answer has only a status.
            None => Problem::new(Code::of_status(status)),
        };
        let mut restated = problem.respond(language, trace);
        if let Some(allow) = response.headers().get(ALLOW) {
            restated.headers_mut().insert(ALLOW, allow.clone());
        }
        Some(restated)
    }
}

impl IntoResponse for Problem {
    /// In English and without a trace; [`crate::edge`] replaces this answer.
    fn into_response(self) -> Response {
        self.respond(Language::English, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_texts_in_both_languages() {
        let problem = Problem::invalid(vec![FieldError::new("/applicant/name", "person_name_empty")]);
        let zh = problem.body(Language::Chinese, Some("t-1"));
        let en = problem.body(Language::English, None);
        assert_eq!(zh["type"], "/problems/invalid_fields");
        assert_eq!((&zh["status"], &zh["trace"]), (&json!(422), &json!("t-1")));
        assert_eq!(zh["errors"][0]["pointer"], "/applicant/name");
        assert_ne!(zh["errors"][0]["detail"], en["errors"][0]["detail"]);
        assert_ne!(zh["title"], en["title"]);
        assert!(en.get("trace").is_none());
    }

    #[test]
    fn headers_state_retry_and_challenge() {
        let busy = Problem::new(Code::Unavailable).into_response();
        assert_eq!(
            (busy.status().as_u16(), &busy.headers()[RETRY_AFTER]),
            (503, &HeaderValue::from(RETRY_SECONDS))
        );
        assert_eq!(busy.headers()[CONTENT_TYPE], MEDIA_TYPE);
        let refused = Problem::unauthorized(true).into_response();
        assert_eq!(refused.headers()[WWW_AUTHENTICATE], "Bearer realm=\"tongban\", error=\"invalid_token\"");
        let missing = Problem::unauthorized(false).into_response();
        assert_eq!(missing.headers()[WWW_AUTHENTICATE], "Bearer realm=\"tongban\"");
        let scope = Problem::insufficient_scope(Scope::SubscriptionsWrite).into_response();
        assert!(
            scope.headers()[WWW_AUTHENTICATE].to_str().is_ok_and(|text| text.contains("subscriptions:write"))
        );
    }

    #[test]
    fn an_answer_of_the_framework_is_restated() {
        let plain = (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")], "Method Not Allowed").into_response();
        let restated = Problem::restate(&plain, Language::Chinese, None).map(|response| {
            (
                response.status().as_u16(),
                response.headers()[CONTENT_TYPE].clone(),
                response.headers()[ALLOW].clone(),
            )
        });
        let expected = (405, HeaderValue::from_static(MEDIA_TYPE), HeaderValue::from_static("GET"));
        assert_eq!(restated, Some(expected));
        assert!(Problem::restate(&StatusCode::CREATED.into_response(), Language::English, None).is_none());
    }
}
