//! The routes of subscriptions and notices. A handler reads the request, calls the operation and writes the answer.

use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use axum::{Json, Router};
use domain::ids::{SubscriptionId, TenantId};
use http::StatusCode;
use http::request::Parts;
use http_kit::authentication::{Authenticated, Authenticator, HasAuthenticator};
use http_kit::edge::edge;
use http_kit::fields::{self, Body, Nothing, Query};
use http_kit::idempotency::IdempotencyKey;
use http_kit::namespace::Namespace;
use http_kit::operations::OperationRouter as _;
use http_kit::problem::{Code, Problem};
use platform::config::Mode;
use platform::hub::Hub;
use protocol::app::SubscriptionView;
use protocol::operations::subscriptions::{
    CHANGE_SUBSCRIPTION, LIST_DELIVERIES, LIST_NOTICES, LIST_SUBSCRIPTIONS, PAUSE_SUBSCRIPTION,
    READ_SUBSCRIPTION, REPLAY, RESUME_SUBSCRIPTION, ROTATE_KEYS, SEND_TEST_EVENT, SUBSCRIBE, UNSUBSCRIBE,
};

use crate::delivery_log::{DeliveriesPage, DeliveriesQuery, NoticesPage, NoticesQuery, deliveries, notices};
use crate::idempotent_request::IdempotentRequest;
use crate::keys::{Rotation, rotate};
use crate::pause::{pause, resume};
use crate::replay::{Replay, replay, send_test_event};
use crate::subscription::{
    NewSubscription, SubscriptionChange, SubscriptionsPage, change, subscribe, subscription, subscriptions,
    unsubscribe,
};

/// State of the handlers.
#[derive(Clone, Debug)]
pub struct SubscriptionHandler<H> {
    hub: H,
    authenticator: Authenticator<H>,
    namespace: Namespace,
    /// Decides whether a callback URL may be a loopback address.
    mode: Mode,
}

impl<H: Hub> SubscriptionHandler<H> {
    /// A handler on these ports.
    #[must_use]
    pub fn new(hub: H, authenticator: Authenticator<H>, namespace: Namespace, mode: Mode) -> Self {
        SubscriptionHandler { hub, authenticator, namespace, mode }
    }
}

impl<H: Hub> HasAuthenticator for SubscriptionHandler<H> {
    type Hub = H;

    fn authenticator(&self) -> &Authenticator<H> {
        &self.authenticator
    }
}

/// Routes of the function, with the middleware of [`http_kit::edge`].
pub fn routes<H: Hub>(handler: SubscriptionHandler<H>) -> Router {
    let routes = Router::new()
        .operation(&LIST_SUBSCRIPTIONS, list_subscriptions::<H>)
        .operation(&SUBSCRIBE, create_subscription::<H>)
        .operation(&READ_SUBSCRIPTION, read_subscription::<H>)
        .operation(&CHANGE_SUBSCRIPTION, change_subscription::<H>)
        .operation(&UNSUBSCRIBE, delete_subscription::<H>)
        .operation(&ROTATE_KEYS, rotate_keys::<H>)
        .operation(&SEND_TEST_EVENT, test_subscription::<H>)
        .operation(&LIST_DELIVERIES, list_deliveries::<H>)
        .operation(&REPLAY, replay_callbacks::<H>)
        .operation(&PAUSE_SUBSCRIPTION, pause_subscription::<H>)
        .operation(&RESUME_SUBSCRIPTION, resume_subscription::<H>)
        .operation(&LIST_NOTICES, list_notices::<H>);
    edge(routes).with_state(handler)
}

/// The parts that every request to change a subscription has: the caller's tenant, the subscription's id and the
/// idempotency key.
struct ChangeRequest<H> {
    handler: SubscriptionHandler<H>,
    tenant: TenantId,
    id: SubscriptionId,
    key: IdempotencyKey,
}

impl<H: Hub> FromRequestParts<SubscriptionHandler<H>> for ChangeRequest<H> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        handler: &SubscriptionHandler<H>,
    ) -> Result<Self, Problem> {
        let caller = Authenticated::from_request_parts(parts, handler).await?;
        let id = Path::<String>::from_request_parts(parts, handler).await;
        let id = id.map_err(|_| Problem::new(Code::BadRequest))?.parse()?;
        let key = IdempotencyKey::from_request_parts(parts, handler).await?;
        Ok(ChangeRequest { handler: handler.clone(), tenant: caller.tenant, id, key })
    }
}

impl<H: Hub> ChangeRequest<H> {
    fn for_purpose(&self, purpose: &str, body: &[u8]) -> IdempotentRequest<'_, H> {
        let SubscriptionHandler { hub, namespace, .. } = &self.handler;
        IdempotentRequest::of_subscription(hub, namespace, (&self.tenant, self.id), purpose, &self.key, body)
    }
}

type Answer = Result<Response, Problem>;

type JsonAnswer<T> = Result<Json<T>, Problem>;

async fn list_subscriptions<H: Hub>(
    caller: Authenticated,
    State(handler): State<SubscriptionHandler<H>>,
) -> JsonAnswer<SubscriptionsPage> {
    subscriptions(&handler.hub, &caller.tenant).await.map(Json)
}

async fn create_subscription<H: Hub>(
    caller: Authenticated,
    State(SubscriptionHandler { hub, namespace, mode, .. }): State<SubscriptionHandler<H>>,
    key: IdempotencyKey,
    body: fields::Json,
) -> Answer {
    let new = NewSubscription::parse(&body.value, mode)?;
    let request =
        IdempotentRequest::of_new_subscription(&hub, &namespace, &caller.tenant, &key, &body.canonical)?;
    Ok(subscribe(&request, &new).await?.with_status(StatusCode::CREATED))
}

async fn read_subscription<H: Hub>(
    caller: Authenticated,
    State(handler): State<SubscriptionHandler<H>>,
    Path(id): Path<String>,
) -> JsonAnswer<SubscriptionView> {
    subscription(&handler.hub, &caller.tenant, id.parse()?).await.map(Json)
}

async fn change_subscription<H: Hub>(request: ChangeRequest<H>, body: fields::Json) -> Answer {
    let wanted = SubscriptionChange::parse(&body.value, request.handler.mode)?;
    let change_request = request.for_purpose("change", &body.canonical);
    Ok(change(&change_request, &wanted).await?.with_status(StatusCode::OK))
}

async fn delete_subscription<H: Hub>(request: ChangeRequest<H>) -> Answer {
    Ok(unsubscribe(&request.for_purpose("remove", b"")).await?.with_status(StatusCode::NO_CONTENT))
}

async fn rotate_keys<H: Hub>(request: ChangeRequest<H>, body: Body<Rotation>) -> Answer {
    let rotation = request.for_purpose("rotate", &body.canonical);
    Ok(rotate(&rotation, body.value).await?.with_status(StatusCode::OK))
}

async fn test_subscription<H: Hub>(request: ChangeRequest<H>, _: Body<Nothing>) -> Answer {
    Ok(send_test_event(&request.for_purpose("test", b"")).await?.with_status(StatusCode::ACCEPTED))
}

async fn replay_callbacks<H: Hub>(request: ChangeRequest<H>, body: Body<Replay>) -> Answer {
    let replay_request = request.for_purpose("replay", &body.canonical);
    Ok(replay(&replay_request, &body.value).await?.with_status(StatusCode::ACCEPTED))
}

async fn pause_subscription<H: Hub>(request: ChangeRequest<H>, _: Body<Nothing>) -> Answer {
    Ok(pause(&request.for_purpose("pause", b"")).await?.with_status(StatusCode::OK))
}

async fn resume_subscription<H: Hub>(request: ChangeRequest<H>, _: Body<Nothing>) -> Answer {
    Ok(resume(&request.for_purpose("resume", b"")).await?.with_status(StatusCode::OK))
}

async fn list_deliveries<H: Hub>(
    caller: Authenticated,
    State(handler): State<SubscriptionHandler<H>>,
    Path(id): Path<String>,
    Query(query): Query<DeliveriesQuery>,
) -> JsonAnswer<DeliveriesPage> {
    deliveries(&handler.hub, &caller.tenant, id.parse()?, query).await.map(Json)
}

async fn list_notices<H: Hub>(
    caller: Authenticated,
    State(handler): State<SubscriptionHandler<H>>,
    Query(query): Query<NoticesQuery>,
) -> JsonAnswer<NoticesPage> {
    notices(&handler.hub, &caller.tenant, query).await.map(Json)
}
