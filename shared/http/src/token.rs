//! Access tokens of app backends: JWTs (RFC 9068 style) of known issuers.
//!
//! A token cannot influence how it is verified. The configuration names the issuers and their keys, or the address at
//! which an issuer publishes its keys. Each key has one algorithm, one issuer and one audience. A token only selects an
//! issuer and a key.

mod issuer_key;
mod published;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::TenantId;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

pub use issuer_key::IssuersError;
pub use published::{Fetch, FetchError};

use crate::problem::{Code, Problem};
use issuer_key::{Key, key};
use platform::config::Mode;
use protocol::jose::{self, JoseError};
use protocol::json;
use protocol::operations::operation::Scope;
use protocol::web_address::{self, Loopback, WebAddressError};
use published::Published;

/// Maximum difference between the issuer's clock and the hub's, in seconds.
pub const LEEWAY: i64 = 60;
/// Maximum lifetime of a token in seconds, from `iat` to `exp`: a day. A token with a longer lifetime is rejected.
pub const LIFETIME: i64 = 24 * 60 * 60;
/// Maximum size of a token: 8 KiB.
pub const TOKEN_BYTES: usize = 8 * 1024;

/// The caller that a verified token identifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Tenant of the app backend, from the claim `tenant`.
    pub tenant: TenantId,
    /// Scopes of the token; unknown scopes are ignored.
    pub scopes: BTreeSet<Scope>,
}

impl Caller {
    /// Checks that the token has this scope.
    ///
    /// # Errors
    /// 403 `insufficient_scope`, with the name of the scope.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(Problem::insufficient_scope(scope)) }
    }
}

/// Cause of a token's rejection. The caller is answered the same for every cause; the log has the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// The request has no `Authorization` header, several of them, or another scheme than `Bearer`.
    #[error("the request has no bearer token")]
    Missing,
    /// The token is not a JWT, or larger than [`TOKEN_BYTES`].
    #[error("the token is malformed or too long")]
    Malformed,
    /// The issuer has no key with the token's `kid`.
    #[error("the issuer has no key with the token's kid")]
    UnknownKey,
    /// The issuer's published keys cannot be fetched. The caller is answered 503, not 401.
    #[error("the issuer's keys cannot be fetched")]
    NoKeys,
    /// The header has another algorithm than the key, another `typ`, or `crit`.
    #[error("the token's header is not accepted: algorithm, typ or crit")]
    Header,
    /// The signature does not verify.
    #[error("the token's signature does not verify")]
    Forged,
    /// The issuer is not configured, or the audience is not the hub.
    #[error("the token has another issuer or audience")]
    NotForUs,
    /// The token is expired, not valid yet, or has a lifetime above [`LIFETIME`].
    #[error("the token is expired, not valid yet, or valid for too long")]
    NotNow,
    /// The claim `tenant` is missing or malformed.
    #[error("the token has no valid claim `tenant`")]
    NoTenant,
    /// The token names a tenant of another issuer.
    #[error("the issuer may not issue tokens for the tenant that the token names")]
    OtherTenant,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerRow {
    issuer: String,
    audience: String,
    #[serde(default)]
    keys: Vec<serde_json::Value>,
    #[serde(default)]
    jwks_uri: Option<String>,
    /// Tenants that the issuer's tokens may name. Required of each of several issuers.
    #[serde(default)]
    tenants: Option<BTreeSet<TenantId>>,
}

/// An issuer whose tokens are accepted.
struct Issuer {
    source: Source,
    /// Tenants that its tokens may name; `None` for any, when the hub has no other issuer.
    tenants: Option<BTreeSet<TenantId>>,
}

/// Source of an issuer's keys.
enum Source {
    /// The keys are part of the configuration.
    Fixed(HashMap<String, Arc<Key>>),
    /// The issuer publishes the keys.
    Published(Published),
}

/// The issuers whose tokens are accepted, by name. Clones share the keys.
#[derive(Clone)]
pub struct Issuers(Arc<HashMap<String, Issuer>>);

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The unverified issuer of a token. It only selects the keys that verify the token.
#[derive(Deserialize)]
struct UnverifiedClaims {
    iss: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(deserialize_with = "numeric_date")]
    exp: i64,
    #[serde(deserialize_with = "numeric_date")]
    iat: i64,
    #[serde(default, deserialize_with = "optional_numeric_date")]
    nbf: Option<i64>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    scope: Option<String>,
}

/// Reads a NumericDate, seconds since 1970 that may have a fraction (RFC 7519, section 2).
fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let seconds = number.as_i64().or_else(|| number.as_f64().and_then(whole_seconds));
    seconds.ok_or_else(|| D::Error::custom("not a NumericDate"))
}

fn optional_numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    numeric_date(deserializer).map(Some)
}

/// The whole seconds of a number of seconds; `None` beyond the range of a duration.
fn whole_seconds(seconds: f64) -> Option<i64> {
    SignedDuration::try_from_secs_f64(seconds).ok().map(|duration| duration.as_secs())
}

impl Issuers {
    /// Reads `[{"issuer":"…","audience":"…","keys":[JWK…]}]`, or with `"jwks_uri":"https://…"` instead of `keys`. With
    /// an empty list the hub rejects every token. Each of several issuers names its `"tenants":["…"]`, so that one
    /// cannot read another's applications.
    ///
    /// # Errors
    /// [`IssuersError`] when any row is unusable.
    pub fn parse(json: &str, mode: Mode) -> Result<Issuers, IssuersError> {
        Issuers::parse_with(json, mode, &published::over_http())
    }

    /// Like [`Issuers::parse`], with another way to fetch published keys.
    ///
    /// # Errors
    /// Same as [`Issuers::parse`].
    pub fn parse_with(json: &str, mode: Mode, fetch: &Fetch) -> Result<Issuers, IssuersError> {
        let rows: Vec<IssuerRow> =
            json::from_slice(json.as_bytes(), json.len()).map_err(|_| IssuersError::Shape)?;
        let mut issuers = HashMap::new();
        let several = rows.len() > 1;
        let mut claimed = BTreeSet::new();
        for IssuerRow { issuer, audience, keys, jwks_uri, tenants } in rows {
            if several && tenants.is_none() {
                return Err(IssuersError::Tenants);
            }
            for tenant in tenants.iter().flatten() {
                if !claimed.insert(tenant.clone()) {
                    return Err(IssuersError::TenantTwice(tenant.clone()));
                }
            }
            if issuer.is_empty() || audience.is_empty() {
                return Err(IssuersError::Shape);
            }
            let source = match (keys.is_empty(), jwks_uri) {
                (false, None) => Source::Fixed(fixed(&keys, &issuer, &audience)?),
                (true, Some(url)) => {
                    check_jwks_uri(&url, mode)?;
                    Source::Published(Published::new(url, issuer.clone(), audience, fetch.clone()))
                }
                (true, None) | (false, Some(_)) => return Err(IssuersError::Shape),
            };
            if issuers.insert(issuer, Issuer { source, tenants }).is_some() {
                return Err(IssuersError::Twice);
            }
        }
        Ok(Issuers(Arc::new(issuers)))
    }

    /// Identifies the caller by the `Authorization` header.
    ///
    /// # Errors
    /// 401 with a challenge (RFC 6750); the cause is logged, not returned. 503 when the issuer's keys cannot be
    /// fetched.
    pub async fn authenticate(&self, headers: &HeaderMap, now: Timestamp) -> Result<Caller, Problem> {
        let verified = match bearer(headers) {
            Ok(token) => self.verify(token, now).await,
            Err(error) => Err(error),
        };
        verified.map_err(|error| {
            tracing::info!(reason = %error, "access token rejected: the caller is answered 401, or 503 when the issuer's keys cannot be fetched");
            match error {
                TokenError::NoKeys => Problem::new(Code::Unavailable),
                other => Problem::unauthorized(other != TokenError::Missing),
            }
        })
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, TokenError> {
        if token.len() > TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let header = jose::header(token).map_err(|error| match error {
            JoseError::Header => TokenError::Header,
            _ => TokenError::Malformed,
        })?;
        let issuer = self.0.get(&claimed_issuer(token)?).ok_or(TokenError::NotForUs)?;
        let kid = header.kid.as_deref().ok_or(TokenError::UnknownKey)?;
        let key = match &issuer.source {
            Source::Fixed(keys) => keys.get(kid).cloned(),
            Source::Published(published) => published.key(kid, now).await.map_err(|_| TokenError::NoKeys)?,
        };
        let key = key.ok_or(TokenError::UnknownKey)?;
        let typed = header.typ.as_deref().is_none_or(is_token_type);
        if !key.validation.algorithms.contains(&header.alg) || !typed || header.crit.is_some() {
            return Err(TokenError::Header);
        }
        let claims: Claims =
            jsonwebtoken::decode(token, &key.decoding, &key.validation).map_err(token_error)?.claims;
        claims.valid_at(now.as_second())?;
        let tenant = claims.tenant.and_then(|tenant| tenant.parse().ok()).ok_or(TokenError::NoTenant)?;
        if issuer.tenants.as_ref().is_some_and(|tenants| !tenants.contains(&tenant)) {
            return Err(TokenError::OtherTenant);
        }
        let named = claims.scope.unwrap_or_default();
        let scopes = Scope::ALL.into_iter().filter(|scope| named.split(' ').any(|name| name == scope.name()));
        Ok(Caller { tenant, scopes: scopes.collect() })
    }
}

/// Checks the address from which keys are fetched: `https`, and `http://127.0.0.1` on a developer's machine.
fn check_jwks_uri(url: &str, mode: Mode) -> Result<(), IssuersError> {
    let loopback = match mode {
        Mode::Live => Loopback::Refused,
        Mode::Local => Loopback::ByAddress,
    };
    let checked = web_address::check(url, web_address::Purpose::Service, loopback);
    checked.map_err(|reasons| {
        IssuersError::Address(reasons.into_iter().next().unwrap_or(WebAddressError::Malformed))
    })
}

/// Whether `typ` is that of a token: `JWT` (RFC 7519) or `at+jwt` (RFC 9068), with or without `application/`.
fn is_token_type(typ: &str) -> bool {
    let typ = typ.to_lowercase();
    ["jwt", "at+jwt"].contains(&typ.strip_prefix("application/").unwrap_or(&typ))
}

/// The issuer that the token names. This reader refuses repeated claims; the library would take the last.
fn claimed_issuer(token: &str) -> Result<String, TokenError> {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
    let claimed: UnverifiedClaims =
        json::from_slice(&bytes, TOKEN_BYTES).map_err(|_| TokenError::Malformed)?;
    claimed.iss.ok_or(TokenError::NotForUs)
}

impl Claims {
    fn valid_at(&self, now: i64) -> Result<(), TokenError> {
        let begins = self.nbf.unwrap_or(self.iat).max(self.iat);
        let life = self.exp.checked_sub(self.iat).ok_or(TokenError::NotNow)?;
        let alive = now < self.exp.saturating_add(LEEWAY) && begins <= now.saturating_add(LEEWAY);
        if alive && (0..=LIFETIME).contains(&life) { Ok(()) } else { Err(TokenError::NotNow) }
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, TokenError> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return Err(TokenError::Missing) };
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(TokenError::Missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(TokenError::Missing) }
}

fn token_error(error: jsonwebtoken::errors::Error) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Forged,
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => TokenError::NotForUs,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" || claim == "aud" => TokenError::NotForUs,
        ErrorKind::InvalidAlgorithm => TokenError::Header,
        _ => TokenError::Malformed,
    }
}

/// Reads the keys that the configuration contains.
fn fixed(
    values: &[serde_json::Value],
    issuer: &str,
    audience: &str,
) -> Result<HashMap<String, Arc<Key>>, IssuersError> {
    let mut keys = HashMap::new();
    for value in values {
        let (kid, key) = key(value, issuer, audience)?;
        if keys.insert(kid, Arc::new(key)).is_some() {
            return Err(IssuersError::KidTwice);
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;
