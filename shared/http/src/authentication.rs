//! The caller of an operation, as an argument of its handler.

use axum::extract::FromRequestParts;
use domain::ids::TenantId;
use http::request::Parts;
use jiff::Timestamp;

use crate::problem::{Code, Problem};
use crate::rate_limit::{Decision, Policy, RateLimiter, Slot};
use crate::token::Issuers;
use platform::clock::Clock as _;
use platform::hub::Hub;
use protocol::operations::operation::{Access, Operation};

/// Checks the access tokens of app backends and counts the requests of each tenant. Clones share the counts.
#[derive(Clone, Debug)]
pub struct Authenticator<H> {
    hub: H,
    issuers: Issuers,
    requests: Option<RateLimiter>,
}

impl<H: Hub> Authenticator<H> {
    /// Accepts the tokens of these issuers. The requests of a minute are counted for all functions together; `None`
    /// sets no rate limit.
    #[must_use]
    pub fn new(hub: H, issuers: Issuers, requests_per_minute: Option<u32>) -> Self {
        let minute = |limit| RateLimiter::new(Policy { name: "minute", limit, window: 60 });
        Authenticator { hub, issuers, requests: requests_per_minute.map(minute) }
    }

    /// Counts a request of a tenant. `None` when there is no rate limit.
    async fn admit(&self, tenant: &TenantId, now: Timestamp) -> Result<Option<Decision>, Decision> {
        match &self.requests {
            Some(rate_limit) => rate_limit.take(self.hub.rate_limits(), tenant, now).await.map(Some),
            None => Ok(None),
        }
    }
}

/// State of a handler that authenticates its callers.
pub trait HasAuthenticator: Send + Sync {
    /// Ports of the function.
    type Hub: Hub;

    /// The authenticator of the function.
    fn authenticator(&self) -> &Authenticator<Self::Hub>;
}

/// The app backend that calls. The token has the scope that the operation declares.
///
/// A handler takes this argument before those that read the rest of the request, so that an unauthenticated caller
/// learns nothing about faults of the request. Rejects with 401 and a challenge, or with 403 naming the scope.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Tenant of the app backend, from the token's claim `tenant`.
    pub tenant: TenantId,
}

impl<S: HasAuthenticator> FromRequestParts<S> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let declared = parts.extensions.get::<&'static Operation>().map(|operation| operation.access);
        let Some(Access::Token(scope)) = declared else {
            tracing::error!(
                ?declared,
                "the handler requires a token but the operation declares none; the request is answered 500"
            );
            return Err(Problem::new(Code::Internal));
        };
        let authenticator = state.authenticator();
        let now = authenticator.hub.clock().now();
        let caller = authenticator.issuers.authenticate(&parts.headers, now).await?;
        if let Some(scope) = scope {
            caller.require(scope)?;
        }
        let admitted = authenticator.admit(&caller.tenant, now).await;
        let (Ok(decision) | Err(decision)) = admitted.map_err(Some);
        if let (Some(slot), Some(decision)) = (parts.extensions.get::<Slot>(), decision) {
            // `set` fails only on a second decision, and a request has one caller.
            let _first = slot.set(decision);
        }
        if let Err(decision) = admitted {
            return Err(Problem::too_many_requests(decision));
        }
        Ok(Authenticated { tenant: caller.tenant })
    }
}
