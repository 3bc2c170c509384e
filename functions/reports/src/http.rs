//! The HTTP operations for agencies: the request is a compact JWS, the answer JSON or a problem.

use axum::extract::{Request, State};
use axum::{Json, Router};
use http_kit::edge::edge;
use http_kit::operations::OperationRouter as _;
use http_kit::problem::Problem;
use http_kit::signed_request::{expired, signed_body, signed_request};
use platform::clock::Clock as _;
use platform::hub::Hub;
use protocol::backlog::{CASES_TYP, CasesPage, RESEND_TYP, ResendAnswer};
use protocol::operations::agencies::{LIST_CASES, LIST_REPORTS, RESEND_CASES, SEND_REPORT};
use protocol::receipts::{REPORTS_TYP, ReportsPage};
use protocol::report::{FRESH_SECONDS, REPORT_BYTES, Receipt};

use crate::backlog;
use crate::report::ReportHandler;
use crate::report_error::ReportError;
use crate::sent_reports::sent_reports;

pub fn routes<H: Hub>(handler: ReportHandler<H>) -> Router {
    let routes = Router::new()
        .operation(&SEND_REPORT, report::<H>)
        .operation(&LIST_REPORTS, own_reports::<H>)
        .operation(&LIST_CASES, cases::<H>)
        .operation(&RESEND_CASES, resend::<H>);
    edge(routes).with_state(handler)
}

async fn report<H: Hub>(
    State(handler): State<ReportHandler<H>>,
    request: Request,
) -> Result<Json<Receipt>, Problem> {
    let jws = signed_body(request, REPORT_BYTES).await?;
    let now = handler.hub.clock().now();
    handler.take(&jws, now).await.map(Json).map_err(|unapplied| {
        let problem = match unapplied.error {
            ReportError::Expired => expired(now, FRESH_SECONDS),
            other => other.into(),
        };
        match unapplied.record.and_then(|record| handler.signed(&record)) {
            Some(receipt) => problem.with_member("receipt", receipt.into()),
            None => problem,
        }
    })
}

async fn own_reports<H: Hub>(
    State(handler): State<ReportHandler<H>>,
    request: Request,
) -> Result<Json<ReportsPage>, Problem> {
    let jws = signed_body(request, backlog::REQUEST_BYTES).await?;
    let request = signed_request(&handler.hub, REPORTS_TYP, &jws).await?;
    sent_reports(&handler.hub, &request, |receipt| handler.signed(receipt)).await.map(Json)
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
