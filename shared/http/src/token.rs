//! Access tokens of app backends: JWTs (RFC 9068 style) of known issuers.
//!
//! Everything that a token could talk the verifier into is fixed beforehand: who may issue one is part of the
//! configuration, an issuer's keys are there too or where it publishes them, a key has one algorithm, and issuer and
//! audience follow from the key. A token names an issuer and a key and proves both; it chooses nothing else.

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
use jiff::Timestamp;
use serde::Deserialize;
use thiserror::Error;

pub use issuer_key::IssuersError;
pub use published::{Fetch, FetchError};

use crate::problem::{Code, Problem};
use issuer_key::{Key, key};
use platform::config::Mode;
use protocol::json;
use protocol::operations::operation::Scope;
use published::Published;

/// Seconds by which the issuer's clock may differ from ours.
pub const LEEWAY: i64 = 60;
/// Longest life of a token in seconds, from `iat` to `exp`: a day. A longer one is refused whoever signed it.
pub const LIFETIME: i64 = 24 * 60 * 60;
/// Bytes of a token.
pub const TOKEN_BYTES: usize = 8 * 1024;
/// Who calls, as a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The app backend.
    pub tenant: TenantId,
    /// What it may do; scopes that are not known are left out.
    pub scopes: BTreeSet<Scope>,
}

impl Caller {
    /// Demands a scope.
    ///
    /// # Errors
    /// 403 `insufficient_scope`, naming it.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(Problem::insufficient_scope(scope)) }
    }
}

/// Why a token is refused. All look the same to the caller; the log may tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// There is none, or not as `Bearer`.
    #[error("no bearer token")]
    Missing,
    /// Not a JWT, or too long.
    #[error("not a token")]
    Malformed,
    /// No key with its `kid`.
    #[error("unknown key")]
    UnknownKey,
    /// Its issuer's keys cannot be read: not the caller's fault.
    #[error("the issuer's keys cannot be read")]
    NoKeys,
    /// Another algorithm than the key's, or a header that is not understood.
    #[error("header not accepted")]
    Header,
    /// Its signature does not verify.
    #[error("signature does not verify")]
    Forged,
    /// Of another issuer than the key's, or for someone else.
    #[error("wrong issuer or audience")]
    NotForUs,
    /// Past its time, before it, or meant to live too long.
    #[error("not valid now")]
    NotNow,
    /// Names no tenant.
    #[error("no tenant")]
    NoTenant,
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
}

/// Where an issuer's keys are.
enum Source {
    /// In the configuration.
    Fixed(HashMap<String, Arc<Key>>),
    /// Where the issuer publishes them.
    Published(Published),
}

/// The issuers whose tokens are taken, by name. Clones share the keys.
#[derive(Clone)]
pub struct Issuers(Arc<HashMap<String, Source>>);

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Who a token says it is of. Nothing is believed of it before the issuer's key has verified it.
#[derive(Deserialize)]
struct Claimed {
    iss: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    exp: i64,
    iat: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    scope: Option<String>,
}

impl Issuers {
    /// Reads `[{"issuer":"…","audience":"…","keys":[JWK…]}]`, or with `"jwks_uri":"https://…"` in the place of `keys`. An
    /// empty list is a hub that lets no app backend in yet.
    ///
    /// # Errors
    /// [`IssuersError`]: one unusable row makes the whole list unusable.
    pub fn parse(json: &str, mode: Mode) -> Result<Issuers, IssuersError> {
        Issuers::parse_with(json, mode, &published::over_http())
    }

    /// As [`Issuers::parse`], with another way to read what issuers publish.
    ///
    /// # Errors
    /// As [`Issuers::parse`].
    pub fn parse_with(json: &str, mode: Mode, fetch: &Fetch) -> Result<Issuers, IssuersError> {
        let rows: Vec<IssuerRow> =
            json::from_slice(json.as_bytes(), json.len()).map_err(|_| IssuersError::Shape)?;
        let mut issuers = HashMap::new();
        for IssuerRow { issuer, audience, keys, jwks_uri } in rows {
            if issuer.is_empty() || audience.is_empty() {
                return Err(IssuersError::Shape);
            }
            let source = match (keys.is_empty(), jwks_uri) {
                (false, None) => Source::Fixed(fixed(&keys, &issuer, &audience)?),
                (true, Some(url)) if may_be_asked(&url, mode) => {
                    Source::Published(Published::new(url, issuer.clone(), audience, fetch.clone()))
                }
                (true, Some(_)) => return Err(IssuersError::Address),
                (true, None) | (false, Some(_)) => return Err(IssuersError::Shape),
            };
            if issuers.insert(issuer, source).is_some() {
                return Err(IssuersError::Twice);
            }
        }
        Ok(Issuers(Arc::new(issuers)))
    }

    /// Who calls, by the `Authorization` header.
    ///
    /// # Errors
    /// 401 with a challenge (RFC 6750); why is logged, and not told to the caller. 503 where the issuer's keys cannot be
    /// read.
    pub async fn authenticate(&self, headers: &HeaderMap, now: Timestamp) -> Result<Caller, Problem> {
        let verified = match bearer(headers) {
            Ok(token) => self.verify(token, now).await,
            Err(error) => Err(error),
        };
        verified.map_err(|error| {
            tracing::info!(reason = %error, "access token rejected: the caller is answered 401, or 503 when the issuer's keys cannot be read");
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
        let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
            // Algorithms that the library does not know, `none` above all.
            jsonwebtoken::errors::ErrorKind::Json(_) => TokenError::Header,
            _ => TokenError::Malformed,
        })?;
        let source = self.0.get(&claimed_issuer(token)?).ok_or(TokenError::NotForUs)?;
        let kid = header.kid.as_deref().ok_or(TokenError::UnknownKey)?;
        let key = match source {
            Source::Fixed(keys) => keys.get(kid).cloned(),
            Source::Published(published) => published.key(kid, now).await.map_err(|_| TokenError::NoKeys)?,
        };
        let key = key.ok_or(TokenError::UnknownKey)?;
        let typed =
            header.typ.as_deref().is_none_or(|typ| ["jwt", "at+jwt"].contains(&typ.to_lowercase().as_str()));
        if !key.validation.algorithms.contains(&header.alg) || !typed || header.crit.is_some() {
            return Err(TokenError::Header);
        }
        let claims: Claims =
            jsonwebtoken::decode(token, &key.decoding, &key.validation).map_err(refusal)?.claims;
        claims.valid_at(now.as_second())?;
        let tenant = claims.tenant.and_then(|tenant| tenant.parse().ok()).ok_or(TokenError::NoTenant)?;
        let named = claims.scope.unwrap_or_default();
        let scopes = Scope::ALL.into_iter().filter(|scope| named.split(' ').any(|name| name == scope.name()));
        Ok(Caller { tenant, scopes: scopes.collect() })
    }
}

/// Whether keys may be read from an address.
fn may_be_asked(url: &str, mode: Mode) -> bool {
    url.starts_with("https://") || (mode == Mode::Local && url.starts_with("http://127.0.0.1:"))
}

fn claimed_issuer(token: &str) -> Result<String, TokenError> {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
    let claimed: Claimed = json::from_slice(&bytes, TOKEN_BYTES).map_err(|_| TokenError::Malformed)?;
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

fn refusal(error: jsonwebtoken::errors::Error) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Forged,
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => TokenError::NotForUs,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" || claim == "aud" => TokenError::NotForUs,
        ErrorKind::InvalidAlgorithm => TokenError::Header,
        _ => TokenError::Malformed,
    }
}

/// The keys of a configuration.
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
