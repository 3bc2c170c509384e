//! Who calls a route, as an argument of its handler: no route can forget to ask.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use domain::ids::TenantId;
use http::request::Parts;
use jiff::Timestamp;

use crate::problem::Problem;
use crate::rate_limit::{Decision, Policy, RateLimiter, Slot};
use crate::token::{Issuers, Scope};
use platform::clock::Clock as _;
use platform::hub::Hub;

/// Where app backends come in: whose tokens are taken, and how much a tenant may ask. Clones share what is counted.
#[derive(Clone, Debug)]
pub struct Authenticator<H> {
    hub: H,
    issuers: Issuers,
    requests: Option<RateLimiter>,
}

impl<H: Hub> Authenticator<H> {
    /// A gate for the tokens of these issuers. Requests of a minute are counted in the hub's settings, for all functions
    /// together; `None` for no bound.
    #[must_use]
    pub fn new(hub: H, issuers: Issuers, requests_per_minute: Option<u32>) -> Self {
        let minute = |limit| RateLimiter::new(Policy { name: "minute", limit, window: 60 });
        Authenticator { hub, issuers, requests: requests_per_minute.map(minute) }
    }

    /// Counts a request of a tenant; `None` where nothing is counted.
    async fn admit(&self, tenant: &TenantId, now: Timestamp) -> Result<Option<Decision>, Decision> {
        match &self.requests {
            Some(rate_limit) => rate_limit.take(self.hub.rate_limits(), tenant, now).await.map(Some),
            None => Ok(None),
        }
    }
}

/// A handler's state with a gate.
pub trait HasAuthenticator: Send + Sync {
    /// The hub behind it.
    type Hub: Hub;

    /// Where its callers come in.
    fn authenticator(&self) -> &Authenticator<Self::Hub>;
}

/// What a route needs of a token.
pub trait Need: Send + Sync + 'static {
    /// The scope; `None` where any valid token will do.
    const SCOPE: Option<Scope>;
}

macro_rules! needs {
    ($($(#[$doc:meta])+ $need:ident: $scope:expr;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug)]
        pub enum $need {}

        impl Need for $need {
            const SCOPE: Option<Scope> = $scope;
        }
    )+};
}

needs! {
    /// Any valid token.
    AnyScope: None;
    /// To read applications.
    Read: Some(Scope::ApplicationsRead);
    /// To open and change applications.
    Write: Some(Scope::ApplicationsWrite);
    /// To set callbacks.
    Subscribe: Some(Scope::SubscriptionsWrite);
}

/// The app backend that calls, with what the route needs. It comes before the arguments that read the rest
/// of a request: a stranger learns nothing of what is wrong with it.
///
/// Refused with 401 and a challenge, or with 403 naming the scope.
#[derive(Clone, Debug)]
pub struct Authenticated<N> {
    /// The app backend.
    pub tenant: TenantId,
    need: PhantomData<N>,
}

impl<S: HasAuthenticator, N: Need> FromRequestParts<S> for Authenticated<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let authenticator = state.authenticator();
        let now = authenticator.hub.clock().now();
        let caller = authenticator.issuers.authenticate(&parts.headers, now).await?;
        if let Some(scope) = N::SCOPE {
            caller.require(scope)?;
        }
        let admitted = authenticator.admit(&caller.tenant, now).await;
        let (Ok(standing) | Err(standing)) = admitted.map_err(Some);
        if let (Some(slot), Some(standing)) = (parts.extensions.get::<Slot>(), standing) {
            // The first one counts; there is one caller to a request.
            let _told = slot.set(standing);
        }
        if let Err(standing) = admitted {
            return Err(standing.refusal());
        }
        Ok(Authenticated { tenant: caller.tenant, need: PhantomData })
    }
}
