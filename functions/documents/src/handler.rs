//! The routes: for app backends by access token, for agencies by signed request.

use axum::extract::{Path, Request, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::ids::{ApplicationId, TenantId};
use platform::caller::{By, Gate, Gated, Reading, Writing};
use platform::edge::edge;
use platform::fields::Body;
use platform::hub::Hub;
use platform::problem::Problem;
use platform::signed::signed_body;
use platform::store::{Kept, Store as _};
use platform::uploads::Declared;
use protocol::report::Link;

use crate::{agency, links};

/// What the handlers work with.
#[derive(Clone, Debug)]
pub struct Desk<H> {
    pub(crate) hub: H,
    gate: Gate<H>,
}

impl<H: Hub> Desk<H> {
    /// A desk on these ports, for callers who come in by this gate.
    #[must_use]
    pub fn new(hub: H, gate: Gate<H>) -> Self {
        Desk { hub, gate }
    }
}

impl<H: Hub> Gated for Desk<H> {
    type Hub = H;

    fn gate(&self) -> &Gate<H> {
        &self.gate
    }
}

/// The routes.
pub fn routes<H: Hub>(desk: Desk<H>) -> Router {
    let routes = Router::new()
        .route("/v1/applications/{id}/documents/{document}", get(read::<H>))
        .route("/v1/applications/{id}/documents/{document}/upload", post(upload::<H>))
        .route("/v1/agency/documents", post(signed::<H>));
    edge(routes).with_state(desk)
}

async fn upload<H: Hub>(
    by: By<Writing>,
    State(desk): State<Desk<H>>,
    Path((id, document)): Path<(String, String)>,
    body: Body<Declared>,
) -> Result<Json<Link>, Problem> {
    let (id, document) = (id.parse()?, document.parse()?);
    let kept = owned(&desk.hub, &by.tenant, id).await?;
    links::to_upload(&desk.hub, kept.ledger.head(), document, &body.value).await.map(Json)
}

async fn read<H: Hub>(
    by: By<Reading>,
    State(desk): State<Desk<H>>,
    Path((id, document)): Path<(String, String)>,
) -> Result<Json<Link>, Problem> {
    let (id, document) = (id.parse()?, document.parse()?);
    let kept = owned(&desk.hub, &by.tenant, id).await?;
    links::to_read(&desk.hub, kept.ledger.head(), document).await.map(Json)
}

async fn signed<H: Hub>(State(desk): State<Desk<H>>, request: Request) -> Result<Json<Link>, Problem> {
    let jws = signed_body(request, agency::REQUEST_BYTES).await?;
    agency::link(&desk, &jws).await.map(Json)
}

/// An application of the tenant; another's is not there.
async fn owned<H: Hub>(hub: &H, tenant: &TenantId, id: ApplicationId) -> Result<Kept, Problem> {
    let kept = hub.store().get(id).await?;
    kept.filter(|kept| kept.ledger.head().tenant() == tenant).ok_or_else(Problem::not_found)
}
