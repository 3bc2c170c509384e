//! The routes: for app backends by access token, for agencies by signed request.

use axum::extract::{Path, Request, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_kit::authentication::{Authenticated, Authenticator, HasAuthenticator, Read, Write};
use http_kit::edge::edge;
use http_kit::fields::Body;
use http_kit::owned_application::owned_application;
use http_kit::problem::Problem;
use http_kit::signed_request::signed_body;
use http_kit::uploads::Declared;
use platform::hub::Hub;
use protocol::report::Link;

use crate::{agency, links};

/// What the handlers work with.
#[derive(Clone, Debug)]
pub struct LinkHandler<H> {
    pub(crate) hub: H,
    authenticator: Authenticator<H>,
}

impl<H: Hub> LinkHandler<H> {
    /// A handler on these ports, for callers who come in by this gate.
    #[must_use]
    pub fn new(hub: H, authenticator: Authenticator<H>) -> Self {
        LinkHandler { hub, authenticator }
    }
}

impl<H: Hub> HasAuthenticator for LinkHandler<H> {
    type Hub = H;

    fn authenticator(&self) -> &Authenticator<H> {
        &self.authenticator
    }
}

/// The routes.
pub fn routes<H: Hub>(handler: LinkHandler<H>) -> Router {
    let routes = Router::new()
        .route("/v1/applications/{id}/documents/{document}", get(read::<H>))
        .route("/v1/applications/{id}/documents/{document}/upload", post(upload::<H>))
        .route("/v1/agency/documents", post(signed::<H>));
    edge(routes).with_state(handler)
}

async fn upload<H: Hub>(
    by: Authenticated<Write>,
    State(handler): State<LinkHandler<H>>,
    Path((id, document)): Path<(String, String)>,
    body: Body<Declared>,
) -> Result<Json<Link>, Problem> {
    let (id, document) = (id.parse()?, document.parse()?);
    let kept = owned_application(&handler.hub, &by.tenant, id).await?;
    links::to_upload(&handler.hub, kept.ledger.head(), document, &body.value).await.map(Json)
}

async fn read<H: Hub>(
    by: Authenticated<Read>,
    State(handler): State<LinkHandler<H>>,
    Path((id, document)): Path<(String, String)>,
) -> Result<Json<Link>, Problem> {
    let (id, document) = (id.parse()?, document.parse()?);
    let kept = owned_application(&handler.hub, &by.tenant, id).await?;
    links::to_read(&handler.hub, kept.ledger.head(), document).await.map(Json)
}

async fn signed<H: Hub>(
    State(handler): State<LinkHandler<H>>,
    request: Request,
) -> Result<Json<Link>, Problem> {
    let jws = signed_body(request, agency::REQUEST_BYTES).await?;
    agency::link(&handler, &jws).await.map(Json)
}
