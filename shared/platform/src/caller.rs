//! Who calls a route, as an argument of its handler: no route can forget to ask.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use domain::ids::TenantId;
use http::request::Parts;
use jiff::Timestamp;

use crate::problem::Problem;
use crate::token::{Issuers, Scope};

/// A handler's state that can tell who calls.
pub trait Gate: Send + Sync {
    /// Whose access tokens are taken.
    fn issuers(&self) -> &Issuers;
    /// What time it is.
    fn now(&self) -> Timestamp;
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
    Anything: None;
    /// To read applications.
    Reading: Some(Scope::ApplicationsRead);
    /// To open and change applications.
    Writing: Some(Scope::ApplicationsWrite);
    /// To set callbacks.
    Subscribing: Some(Scope::SubscriptionsWrite);
}

/// The app backend that calls, with what the route needs. It comes before the arguments that read the rest
/// of a request: a stranger learns nothing of what is wrong with it.
///
/// Refused with 401 and a challenge, or with 403 naming the scope.
#[derive(Clone, Debug)]
pub struct By<N> {
    /// The app backend.
    pub tenant: TenantId,
    need: PhantomData<N>,
}

impl<S: Gate, N: Need> FromRequestParts<S> for By<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gate: &S) -> Result<Self, Problem> {
        let caller = gate.issuers().authenticate(&parts.headers, gate.now()).await?;
        if let Some(scope) = N::SCOPE {
            caller.require(scope)?;
        }
        Ok(By { tenant: caller.tenant, need: PhantomData })
    }
}
