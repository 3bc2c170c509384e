//! The routes: app backends authenticate by access token, agencies by signed request.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::{Json, Router};
use http_kit::authentication::{Authenticated, Authenticator, HasAuthenticator};
use http_kit::conditional::{IfMatch, IfNoneMatch, Tag};
use http_kit::edge::edge;
use http_kit::fields::Body;
use http_kit::operations::OperationRouter as _;
use http_kit::owned_application::owned_application;
use http_kit::problem::Problem;
use http_kit::signed_request::signed_body;
use http_kit::uploads::DeclaredUpload;
use platform::hub::Hub;
use protocol::operations::agencies::LINK_DOCUMENT;
use protocol::operations::documents::{LINK_TO_READ, LINK_TO_UPLOAD};
use protocol::report::Link;

use crate::{agency, links};

/// State of the handlers.
#[derive(Clone, Debug)]
pub struct LinkHandler<H> {
    hub: H,
    authenticator: Authenticator<H>,
}

impl<H: Hub> LinkHandler<H> {
    /// A handler on these ports. The authenticator checks app backends.
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

/// Routes of the function, with the middleware of [`http_kit::edge`].
pub fn routes<H: Hub>(handler: LinkHandler<H>) -> Router {
    let routes = Router::new()
        .operation(&LINK_TO_READ, read::<H>)
        .operation(&LINK_TO_UPLOAD, upload::<H>)
        .operation(&LINK_DOCUMENT, signed::<H>);
    edge(routes).with_state(handler)
}

async fn upload<H: Hub>(
    caller: Authenticated,
    State(handler): State<LinkHandler<H>>,
    Path((id, document)): Path<(String, String)>,
    at: IfMatch,
    body: Body<DeclaredUpload>,
) -> Result<Response, Problem> {
    let (id, document) = (id.parse()?, document.parse()?);
    let stored = owned_application(&handler.hub, &caller.tenant, id).await?;
    let (link, version) = links::to_upload(&handler.hub, stored, document, &body.value, at).await?;
    Ok(Tag::version(version).answer(&IfNoneMatch::default(), Json(link)))
}

async fn read<H: Hub>(
    caller: Authenticated,
    State(handler): State<LinkHandler<H>>,
    Path((id, document)): Path<(String, String)>,
) -> Result<Json<Link>, Problem> {
    let (id, document) = (id.parse()?, document.parse()?);
    let stored = owned_application(&handler.hub, &caller.tenant, id).await?;
    links::to_read(&handler.hub, stored.ledger.state(), document).await.map(Json)
}

async fn signed<H: Hub>(
    State(handler): State<LinkHandler<H>>,
    request: Request,
) -> Result<Json<Link>, Problem> {
    let jws = signed_body(request, agency::REQUEST_BYTES).await?;
    agency::link(&handler.hub, &jws).await.map(Json)
}
