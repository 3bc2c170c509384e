//! Signed requests of agencies: reads the compact JWS, verifies the signer and the freshness.

mod payloads;

use axum::body::to_bytes;
use axum::extract::Request;
use domain::ids::AgencyCode;
use jiff::Timestamp;
use protocol::backlog::{CasesRequest, ResendRequest};
use protocol::json::{self, JsonError};
use protocol::receipts::ReportsRequest;
use protocol::report::{DocumentRequest, REQUEST_FRESH_SECONDS};
use serde_json::json;

use crate::fields::body::check_type;
use crate::fields::{FieldError, FromFields, read};
use crate::problem::{Code, Problem};
use platform::agency_registry::current_agencies;
use platform::clock::Clock as _;
use platform::hub::Hub;
use platform::keyring::VerifiedJws;

/// Reads a request body that is one signed object, of at most `max_bytes`.
///
/// # Errors
/// 415 for another content type, 413 when the body is too large, 400 when the body is not UTF-8.
pub async fn signed_body(request: Request, max_bytes: usize) -> Result<String, Problem> {
    let (parts, body) = request.into_parts();
    check_type(&parts.headers, "application/jose")?;
    let bytes = to_bytes(body, max_bytes).await.map_err(|_| Problem::too_large(max_bytes))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::new(Code::MalformedSignature))?;
    Ok(text.trim().to_owned())
}

/// A signed request that names its agency and is accepted only while it is fresh.
pub trait AgencyRequest: FromFields {
    /// The agency that the request names.
    fn agency(&self) -> &AgencyCode;
    /// Time of the signature, in seconds since 1970.
    fn iat(&self) -> i64;
}

macro_rules! agency_requests {
    ($($request:ty),+) => {
        $(impl AgencyRequest for $request {
            fn agency(&self) -> &AgencyCode {
                &self.agency
            }

            fn iat(&self) -> i64 {
                self.iat
            }
        })+
    };
}

agency_requests!(DocumentRequest, CasesRequest, ResendRequest, ReportsRequest);

/// Why the payload of a verified JWS is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadError {
    /// The payload is not JSON.
    Json(JsonError),
    /// Members are wrong, missing or unknown; the list has all of them.
    Fields(Vec<FieldError>),
}

/// Reads the payload of a verified JWS as an app's body is read: every wrong member is named, and unknown members are
/// refused.
///
/// # Errors
/// [`PayloadError`].
pub fn read_payload<T: FromFields>(payload: &[u8]) -> Result<T, PayloadError> {
    let value = json::parse(payload, payload.len()).map_err(PayloadError::Json)?;
    read(&value).map_err(PayloadError::Fields)
}

impl From<PayloadError> for Problem {
    fn from(error: PayloadError) -> Self {
        match error {
            PayloadError::Json(error) => error.into(),
            PayloadError::Fields(errors) => Problem::invalid(errors),
        }
    }
}

/// Verifies that the named agency has signed the request with a currently valid key, and that the request is fresh.
///
/// # Errors
/// 400 and 401, each cause with its code; 422 when members of the payload are wrong; 404 when the request names another
/// agency than its signer.
pub async fn signed_request<H: Hub, R: AgencyRequest>(hub: &H, typ: &str, jws: &str) -> Result<R, Problem> {
    let agencies = current_agencies(hub).await?;
    let VerifiedJws { signer, payload } = agencies.keyring.verify(typ, jws).map_err(|error| {
        tracing::info!(reason = %error, typ, "signed request rejected: its signature is not accepted");
        Problem::from(error)
    })?;
    let request: R = read_payload(&payload).map_err(|error| {
        tracing::info!(%signer, typ, "signed request rejected: its payload is wrong");
        Problem::from(error)
    })?;
    if request.agency() != &signer {
        tracing::warn!(%signer, claimed = %request.agency(), typ, "signed request rejected: it names another agency than its signer");
        return Err(Problem::not_found());
    }
    let now = hub.clock().now();
    if !is_fresh(request.iat(), now, REQUEST_FRESH_SECONDS) {
        tracing::info!(%signer, typ, "signed request rejected: it was signed too long ago or ahead of time");
        return Err(expired(now, REQUEST_FRESH_SECONDS));
    }
    Ok(request)
}

/// Whether a signature of time `iat` (seconds since 1970) is fresh: at most `tolerance` seconds before or after `at`,
/// because clocks differ.
#[must_use]
pub fn is_fresh(iat: i64, at: Timestamp, tolerance: i64) -> bool {
    at.as_second().saturating_sub(iat).saturating_abs() <= tolerance
}

/// 401 for a request that is not fresh. The problem has the hub's time, so that the agency notices a wrong clock.
#[must_use]
pub fn expired(now: Timestamp, tolerance: i64) -> Problem {
    Problem::new(Code::SignatureExpired)
        .with_member("now", json!(now.as_second()))
        .with_member("tolerance_seconds", json!(tolerance))
}
