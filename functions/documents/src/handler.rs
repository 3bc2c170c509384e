//! The routes: for app backends by access token, for agencies by signed request.

use axum::extract::{Path, Request, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::ids::{ApplicationId, TenantId};
use jiff::Timestamp;
use platform::caller::{By, Gate, Reading, Writing};
use platform::clock::Clock as _;
use platform::edge::edge;
use platform::fields::Body;
use platform::hub::Hub;
use platform::problem::Problem;
use platform::signed::signed_body;
use platform::store::{Kept, Store as _};
use platform::token::Issuers;
use platform::uploads::Declared;
use protocol::report::Link;

use crate::{agency, links};

/// What the handlers work with.
#[derive(Clone, Debug)]
pub struct Desk<H> {
    pub(crate) hub: H,
    issuers: Issuers,
}

impl<H: Hub> Desk<H> {
    /// A desk on these ports.
    #[must_use]
    pub fn new(hub: H, issuers: Issuers) -> Self {
        Desk { hub, issuers }
    }
}

impl<H: Hub> Gate for Desk<H> {
    fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    fn now(&self) -> Timestamp {
        self.hub.clock().now()
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
