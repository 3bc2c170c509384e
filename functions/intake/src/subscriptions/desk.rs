//! The routes about one subscription, and of the notices. Each handler translates.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::ids::SubscriptionId;
use http::StatusCode;
use platform::caller::{By, Subscribing};
use platform::fields::{Body, Nothing, Query};
use platform::hub::Hub;
use platform::idempotency::IdempotencyKey;
use platform::problem::Problem;
use protocol::app::SubscriptionView;

use super::keys::{Rotation, rotate};
use super::log::{DeliveriesPage, DeliveriesQuery, NoticesPage, NoticesQuery, deliveries, notices};
use super::replay::{Replay, Replayed, Tested, replay, test};
use super::state::{pause, resume};
use super::{Asked, Change, change, subscription};
use crate::handler::Intake;

/// The routes.
pub fn routes<H: Hub>() -> Router<Intake<H>> {
    Router::new()
        .route("/v1/subscriptions/{id}", get(read::<H>).patch(changed::<H>))
        .route("/v1/subscriptions/{id}/rotate", post(rotated::<H>))
        .route("/v1/subscriptions/{id}/test", post(tested::<H>))
        .route("/v1/subscriptions/{id}/deliveries", get(delivered::<H>))
        .route("/v1/subscriptions/{id}/replay", post(replayed::<H>))
        .route("/v1/subscriptions/{id}/pause", post(paused::<H>))
        .route("/v1/subscriptions/{id}/resume", post(resumed::<H>))
        .route("/v1/notices", get(noticed::<H>))
}

/// What a change is known by. The key is one for every kind of change: used for another one it is misused.
fn asked<H: Hub>(
    intake: &Intake<H>,
    purpose: &str,
    id: SubscriptionId,
    key: &IdempotencyKey,
    body: &[u8],
) -> Asked {
    let namespace = &intake.namespace;
    Asked::new(namespace.request("any", id, key, b""), namespace.request(purpose, id, key, body))
}

type Answered<T> = Result<Json<T>, Problem>;

async fn read<H: Hub>(
    by: By<Subscribing>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
) -> Answered<SubscriptionView> {
    subscription(&intake.hub, &by.tenant, id.parse()?).await.map(Json)
}

async fn changed<H: Hub>(
    by: By<Subscribing>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<Change>,
) -> Answered<SubscriptionView> {
    let id: SubscriptionId = id.parse()?;
    let asked = asked(&intake, "change", id, &key, &body.canonical);
    change(&intake.hub, intake.mode, &by.tenant, id, body.value, &asked).await.map(Json)
}

async fn rotated<H: Hub>(
    by: By<Subscribing>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<Rotation>,
) -> Answered<SubscriptionView> {
    let id: SubscriptionId = id.parse()?;
    let request = intake.namespace.request("rotate", id, &key, b"");
    rotate(&intake.hub, &by.tenant, id, body.value, request).await.map(Json)
}

async fn tested<H: Hub>(
    by: By<Subscribing>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    _body: Body<Nothing>,
) -> Result<(StatusCode, Json<Tested>), Problem> {
    let id: SubscriptionId = id.parse()?;
    let asked = asked(&intake, "test", id, &key, b"");
    Ok((StatusCode::ACCEPTED, Json(test(&intake.hub, &by.tenant, id, &asked).await?)))
}

async fn replayed<H: Hub>(
    by: By<Subscribing>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<Replay>,
) -> Result<(StatusCode, Json<Replayed>), Problem> {
    let id: SubscriptionId = id.parse()?;
    let asked = asked(&intake, "replay", id, &key, &body.canonical);
    Ok((StatusCode::ACCEPTED, Json(replay(&intake.hub, &by.tenant, id, body.value, &asked).await?)))
}

async fn delivered<H: Hub>(
    by: By<Subscribing>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    Query(query): Query<DeliveriesQuery>,
) -> Answered<DeliveriesPage> {
    deliveries(&intake.hub, &by.tenant, id.parse()?, query).await.map(Json)
}

async fn paused<H: Hub>(
    by: By<Subscribing>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    _body: Body<Nothing>,
) -> Answered<SubscriptionView> {
    let id: SubscriptionId = id.parse()?;
    let asked = asked(&intake, "pause", id, &key, b"");
    pause(&intake.hub, &by.tenant, id, &asked).await.map(Json)
}

async fn resumed<H: Hub>(
    by: By<Subscribing>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    _body: Body<Nothing>,
) -> Answered<SubscriptionView> {
    let id: SubscriptionId = id.parse()?;
    let asked = asked(&intake, "resume", id, &key, b"");
    resume(&intake.hub, &by.tenant, id, &asked).await.map(Json)
}

async fn noticed<H: Hub>(
    by: By<Subscribing>,
    State(intake): State<Intake<H>>,
    Query(query): Query<NoticesQuery>,
) -> Answered<NoticesPage> {
    notices(&intake.hub, &by.tenant, query).await.map(Json)
}
