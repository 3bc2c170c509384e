//! The routes about subscriptions, and of the notices. Each handler translates.

use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::ids::{SubscriptionId, TenantId};
use http::StatusCode;
use http::request::Parts;
use http_kit::authentication::{Authenticated, Subscribe};
use http_kit::fields::{Body, Nothing, Query};
use http_kit::idempotency::IdempotencyKey;
use http_kit::problem::{Code, Problem};
use platform::hub::Hub;
use protocol::app::SubscriptionView;

use super::keys::{Rotation, rotate};
use super::log::{DeliveriesPage, DeliveriesQuery, NoticesPage, NoticesQuery, deliveries, notices};
use super::once::Request;
use super::replay::{Replay, replay, test};
use super::state::{pause, resume};
use super::{Change, SubscriptionsPage, Wanted, change, subscribe, subscription, subscriptions, unsubscribe};
use crate::handler::Intake;

/// The routes.
pub fn routes<H: Hub>() -> Router<Intake<H>> {
    Router::new()
        .route("/v1/subscriptions", get(listed::<H>).post(made::<H>))
        .route("/v1/subscriptions/{id}", get(read::<H>).patch(changed::<H>).delete(removed::<H>))
        .route("/v1/subscriptions/{id}/rotate", post(rotated::<H>))
        .route("/v1/subscriptions/{id}/test", post(tested::<H>))
        .route("/v1/subscriptions/{id}/deliveries", get(delivered::<H>))
        .route("/v1/subscriptions/{id}/replay", post(replayed::<H>))
        .route("/v1/subscriptions/{id}/pause", post(paused::<H>))
        .route("/v1/subscriptions/{id}/resume", post(resumed::<H>))
        .route("/v1/notices", get(noticed::<H>))
}

/// A change to one subscription: who asks for it, which it is, and the request's key.
struct About<H> {
    intake: Intake<H>,
    tenant: TenantId,
    id: SubscriptionId,
    key: IdempotencyKey,
}

impl<H: Hub> FromRequestParts<Intake<H>> for About<H> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, intake: &Intake<H>) -> Result<Self, Problem> {
        let by = Authenticated::<Subscribe>::from_request_parts(parts, intake).await?;
        let id = Path::<String>::from_request_parts(parts, intake).await;
        let id = id.map_err(|_| Problem::new(Code::BadRequest))?.parse()?;
        let key = IdempotencyKey::from_request_parts(parts, intake).await?;
        Ok(About { intake: intake.clone(), tenant: by.tenant, id, key })
    }
}

impl<H: Hub> About<H> {
    fn asks(&self, purpose: &str, body: &[u8]) -> Request<'_, H> {
        let Intake { hub, namespace, .. } = &self.intake;
        Request::about(hub, namespace, (&self.tenant, self.id), purpose, &self.key, body)
    }
}

type Done = Result<Response, Problem>;

type Answered<T> = Result<Json<T>, Problem>;

async fn listed<H: Hub>(
    by: Authenticated<Subscribe>,
    State(intake): State<Intake<H>>,
) -> Answered<SubscriptionsPage> {
    subscriptions(&intake.hub, &by.tenant).await.map(Json)
}

async fn made<H: Hub>(
    by: Authenticated<Subscribe>,
    State(Intake { hub, namespace, mode, .. }): State<Intake<H>>,
    key: IdempotencyKey,
    body: Body<Wanted>,
) -> Done {
    let request = Request::anew(&hub, &namespace, &by.tenant, &key, &body.canonical)?;
    Ok(subscribe(&request, mode, &body.value).await?.with(StatusCode::CREATED))
}

async fn read<H: Hub>(
    by: Authenticated<Subscribe>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
) -> Answered<SubscriptionView> {
    subscription(&intake.hub, &by.tenant, id.parse()?).await.map(Json)
}

async fn changed<H: Hub>(about: About<H>, body: Body<Change>) -> Done {
    let request = about.asks("change", &body.canonical);
    Ok(change(&request, about.intake.mode, &body.value).await?.with(StatusCode::OK))
}

async fn removed<H: Hub>(about: About<H>) -> Done {
    Ok(unsubscribe(&about.asks("remove", b"")).await?.with(StatusCode::NO_CONTENT))
}

async fn rotated<H: Hub>(about: About<H>, body: Body<Rotation>) -> Done {
    let request = about.asks("rotate", &body.canonical);
    Ok(rotate(&request, body.value).await?.with(StatusCode::OK))
}

async fn tested<H: Hub>(about: About<H>, _: Body<Nothing>) -> Done {
    Ok(test(&about.asks("test", b"")).await?.with(StatusCode::ACCEPTED))
}

async fn replayed<H: Hub>(about: About<H>, body: Body<Replay>) -> Done {
    let request = about.asks("replay", &body.canonical);
    Ok(replay(&request, &body.value).await?.with(StatusCode::ACCEPTED))
}

async fn paused<H: Hub>(about: About<H>, _: Body<Nothing>) -> Done {
    Ok(pause(&about.asks("pause", b"")).await?.with(StatusCode::OK))
}

async fn resumed<H: Hub>(about: About<H>, _: Body<Nothing>) -> Done {
    Ok(resume(&about.asks("resume", b"")).await?.with(StatusCode::OK))
}

async fn delivered<H: Hub>(
    by: Authenticated<Subscribe>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    Query(query): Query<DeliveriesQuery>,
) -> Answered<DeliveriesPage> {
    deliveries(&intake.hub, &by.tenant, id.parse()?, query).await.map(Json)
}

async fn noticed<H: Hub>(
    by: Authenticated<Subscribe>,
    State(intake): State<Intake<H>>,
    Query(query): Query<NoticesQuery>,
) -> Answered<NoticesPage> {
    notices(&intake.hub, &by.tenant, query).await.map(Json)
}
