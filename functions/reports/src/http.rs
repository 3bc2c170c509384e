//! What agencies ask over HTTP: a compact JWS in, JSON or a problem out.

use axum::extract::{Request, State};
use axum::routing::post;
use axum::{Json, Router};
use http_kit::edge::edge;
use http_kit::problem::{Code, Problem};
use http_kit::signed_request::{expired, signed_body, signed_request};
use platform::clock::Clock as _;
use platform::hub::Hub;
use protocol::backlog::{CASES_TYP, CasesPage, RESEND_TYP, ResendAnswer};
use protocol::report::Receipt;

use crate::backlog;
use crate::report::{REPORT_BYTES, ReportError, ReportHandler};

/// The routes.
pub fn routes<H: Hub>(handler: ReportHandler<H>) -> Router {
    let routes = Router::new()
        .route("/v1/reports", post(report::<H>))
        .route("/v1/agency/cases", post(cases::<H>))
        .route("/v1/agency/resend", post(resend::<H>));
    edge(routes).with_state(handler)
}

async fn report<H: Hub>(
    State(handler): State<ReportHandler<H>>,
    request: Request,
) -> Result<Json<Receipt>, Problem> {
    let jws = signed_body(request, REPORT_BYTES).await?;
    let now = handler.hub.clock().now();
    handler.take(&jws, now).await.map(Json).map_err(|error| match error {
        ReportError::Expired => expired(now),
        other => other.into(),
    })
}

async fn cases<H: Hub>(
    State(handler): State<ReportHandler<H>>,
    request: Request,
) -> Result<Json<CasesPage>, Problem> {
    let jws = signed_body(request, backlog::REQUEST_BYTES).await?;
    let request = signed_request(&handler.hub, CASES_TYP, &jws).await?;
    backlog::cases(&handler.hub, &request).await.map(Json)
}

async fn resend<H: Hub>(
    State(handler): State<ReportHandler<H>>,
    request: Request,
) -> Result<Json<ResendAnswer>, Problem> {
    let jws = signed_body(request, backlog::REQUEST_BYTES).await?;
    let request = signed_request(&handler.hub, RESEND_TYP, &jws).await?;
    backlog::resend(&handler.hub, &request).await.map(Json)
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Jose(error) => error.into(),
            ReportError::Expired => Problem::new(Code::SignatureExpired),
            // A key of one agency under the name of another: nothing is said about the application.
            ReportError::OtherAgency => Problem::not_found(),
            ReportError::Apply(error) => error.into(),
            ReportError::Early(refusal) => refusal.into(),
            ReportError::Documents(error) => error.into(),
            ReportError::Agencies(error) => error.into(),
            ReportError::Unwritable => Problem::new(Code::Internal),
        }
    }
}
