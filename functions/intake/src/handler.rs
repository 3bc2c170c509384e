//! The routes for app backends. Each handler translates; what is said is decided elsewhere.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Json, Router};
use domain::catalogue::{Service, ServiceRow, TitledKind, catalogue, kinds, service_row};
use domain::command::{Actor, Attempt, Command};
use domain::event::HandOver;
use domain::ids::{ApplicationId, TenantId};
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_kit::authentication::{AnyScope, Authenticated, Authenticator, HasAuthenticator, Read, Write};
use http_kit::conditional::{IfMatch, IfNoneMatch, Tag};
use http_kit::edge::{Trace, edge};
use http_kit::fields::{self, Batch, Body, Fields, FromFields, Nothing, Query, choice};
use http_kit::idempotency::IdempotencyKey;
use http_kit::namespace::Namespace;
use http_kit::owned_application::owned_application;
use http_kit::problem::{Code, Language, Problem};
use http_kit::rate_limit::{Limits, Policy, RateLimiter};
use http_kit::token::Issuers;
use platform::agency_registry::fresh_agencies;
use platform::apply::command_key;
use platform::clock::Clock as _;
use platform::hub::Hub;
use platform::store::Store as _;
use protocol::app::{ApplicationView, ApplicationsPage, EventsPage};
use protocol::coverage::Coverage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::batch;
use crate::commands::command;
use crate::coverage::{Question, coverage};
use crate::creation;
use crate::description;
use crate::problem_pages;
use crate::reading::{self, EventsQuery, ListQuery};

/// The catalogue changes with a deploy only, and is the same for everyone.
const CATALOGUE_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The same to everyone with a token, for as long as an agency is neither added nor suspended.
const REVALIDATED: HeaderValue = HeaderValue::from_static("private, no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the handlers work with.
#[derive(Clone, Debug)]
pub struct Intake<H> {
    hub: H,
    authenticator: Authenticator<H>,
    namespace: Namespace,
    /// The hub's public keys, as they are published.
    keys: Value,
    applications: Option<RateLimiter>,
}

impl<H: Hub> Intake<H> {
    /// Intake on these ports, with bounds on what a tenant may ask.
    #[must_use]
    pub fn new(hub: H, issuers: Issuers, namespace: Namespace, keys: Value, limits: Limits) -> Self {
        let day = |limit| RateLimiter::new(Policy { name: "day", limit, window: 24 * 60 * 60 });
        let authenticator = Authenticator::new(hub.clone(), issuers, limits.requests_per_minute);
        Intake { hub, authenticator, namespace, keys, applications: limits.applications_per_day.map(day) }
    }

    /// Counts an application of a tenant, before it is opened.
    ///
    /// # Errors
    /// 429 where the day's are used up.
    pub(crate) async fn count(&self, tenant: &TenantId) -> Result<(), Problem> {
        let Some(rate_limit) = &self.applications else { return Ok(()) };
        let counted = rate_limit.take(self.hub.settings(), tenant, self.hub.clock().now()).await;
        counted.map(|_| ()).map_err(|standing| standing.refusal())
    }
}

impl<H: Hub> Intake<H> {
    /// Opens an application that was counted. One that was opened before is answered beyond the day's, too, and neither
    /// that one nor one that is refused has counted.
    pub(crate) async fn open(
        &self,
        tenant: &TenantId,
        key: &IdempotencyKey,
        body: &fields::Json,
        counted: Result<(), Problem>,
    ) -> Result<ApplicationView, Problem> {
        let Intake { hub, namespace, applications, .. } = self;
        if let Err(used_up) = counted {
            let known = hub.store().get(namespace.application(tenant, key)).await?;
            known.ok_or(used_up)?;
            return creation::create(hub, namespace, tenant, key, body).await.map(|made| made.view);
        }
        let made = creation::create(hub, namespace, tenant, key, body).await;
        // Where there is no answer it may have been opened.
        let came_to_nothing = match &made {
            Ok(made) => !made.is_new,
            Err(problem) => problem.status().is_client_error(),
        };
        if let Some(rate_limit) = applications.as_ref().filter(|_| came_to_nothing) {
            rate_limit.give_back(tenant, hub.clock().now());
        }
        made.map(|made| made.view)
    }
}

impl<H: Hub> HasAuthenticator for Intake<H> {
    type Hub = H;

    fn authenticator(&self) -> &Authenticator<H> {
        &self.authenticator
    }
}

/// The routes.
pub fn routes<H: Hub>(intake: Intake<H>) -> Router {
    let routes = Router::new()
        .route("/.well-known/jwks.json", get(jwks::<H>))
        .route("/v1/health", get(health))
        .route("/v1/openapi.json", get(description::answer))
        .route("/problems/{code}", get(problem_pages::answer))
        .route("/v1/services", get(services))
        .route("/v1/services/{service}", get(service))
        .route("/v1/coverage", get(covered::<H>))
        .route("/v1/applications", get(list::<H>).post(create::<H>))
        .route("/v1/applications/batch", post(create_many::<H>))
        .route("/v1/applications/{id}", get(read::<H>))
        .route("/v1/applications/{id}/events", get(events::<H>))
        .route("/v1/applications/{id}/submit", plain("submit", Command::Submit))
        .route("/v1/applications/{id}/supplement", plain("supplement", Command::Supplement))
        .route("/v1/applications/{id}/withdraw", plain("withdraw", Command::Withdraw))
        .route("/v1/applications/{id}/confirm", post(confirm::<H>));
    edge(routes).with_state(intake)
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The keys that the hub's messages to agencies are verified with (RFC 7517 section 5).
async fn jwks<H: Hub>(State(intake): State<Intake<H>>) -> impl IntoResponse {
    ([(CACHE_CONTROL, CATALOGUE_CACHE)], Json(intake.keys))
}

#[derive(Serialize)]
struct Services {
    services: &'static [ServiceRow],
    kinds: Vec<TitledKind>,
}

async fn services(_: Authenticated<AnyScope>) -> impl IntoResponse {
    ([(CACHE_CONTROL, CATALOGUE_CACHE)], Json(Services { services: catalogue(), kinds: kinds() }))
}

async fn service(_: Authenticated<AnyScope>, Path(name): Path<String>) -> Result<impl IntoResponse, Problem> {
    let service = Service::named(&name).ok_or_else(Problem::not_found)?;
    Ok(([(CACHE_CONTROL, CATALOGUE_CACHE)], Json(service_row(service))))
}

async fn covered<H: Hub>(
    _: Authenticated<AnyScope>,
    State(intake): State<Intake<H>>,
    Query(question): Query<Question>,
    held: IfNoneMatch,
) -> Result<Response, Problem> {
    // Read at once, and asked for anew by every cache: an agency that was suspended a moment ago is not offered any
    // more. What has not changed is not sent again.
    let agencies = fresh_agencies(&intake.hub).await?;
    let answer: Coverage = coverage(&question, &agencies.agencies, intake.hub.clock().now());
    let body = serde_json::to_vec(&answer).map_err(|_| Problem::new(Code::Internal))?;
    let tag = Tag::content(&body);
    Ok(tag.answer(&held, ([(CACHE_CONTROL, REVALIDATED), (CONTENT_TYPE, JSON)], body)))
}

async fn create<H: Hub>(
    by: Authenticated<Write>,
    State(intake): State<Intake<H>>,
    key: IdempotencyKey,
    body: fields::Json,
) -> Result<Response, Problem> {
    let counted = intake.count(&by.tenant).await;
    let view = intake.open(&by.tenant, &key, &body, counted).await?;
    let location = HeaderValue::try_from(format!("/v1/applications/{}", view.id));
    let location = location.map_err(|_| Problem::new(Code::Internal))?;
    let answer = (StatusCode::CREATED, [(LOCATION, location)], Json(&view));
    Ok(Tag::version(view.version).answer(&IfNoneMatch::default(), answer))
}

async fn create_many<H: Hub>(
    by: Authenticated<Write>,
    State(intake): State<Intake<H>>,
    Extension(Trace(trace)): Extension<Trace>,
    headers: HeaderMap,
    Batch(wanted): Batch<batch::Wanted>,
) -> impl IntoResponse {
    let language = Language::of(&headers);
    let results = batch::open(&intake, &by.tenant, wanted, (language, trace.as_deref())).await;
    ([(CONTENT_LANGUAGE, language.tag())], Json(results))
}

async fn list<H: Hub>(
    by: Authenticated<Read>,
    State(intake): State<Intake<H>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<ApplicationsPage>, Problem> {
    reading::list(&intake.hub, &by.tenant, query).await.map(Json)
}

async fn read<H: Hub>(
    by: Authenticated<Read>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    held: IfNoneMatch,
) -> Result<Response, Problem> {
    let kept = owned_application(&intake.hub, &by.tenant, id.parse()?).await?;
    let view = ApplicationView::from(kept.ledger.head());
    Ok(Tag::version(view.version).answer(&held, Json(view)))
}

async fn events<H: Hub>(
    by: Authenticated<Read>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<EventsPage>, Problem> {
    reading::events(&intake.hub, &by.tenant, id.parse()?, query).await.map(Json)
}

/// A route of a command that takes nothing but its key.
fn plain<H: Hub>(path: &'static str, command: Command) -> MethodRouter<Intake<H>> {
    let answer = move |by: Authenticated<Write>,
                       State(intake): State<Intake<H>>,
                       Path(id): Path<String>,
                       key: IdempotencyKey,
                       at: IfMatch,
                       body: Body<Nothing>| async move {
        let request = Request { tenant: by.tenant, key, at, body: &body.canonical, path };
        request.apply(&intake.hub, &id, command).await
    };
    post(answer)
}

/// What the acceptance place confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Confirmation {
    HandOver(HandOver),
    Settle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Confirm {
    HandOver,
    Settle,
}

impl FromFields for Confirmation {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let confirm = fields.required("confirm", choice::<Confirm>);
        match confirm {
            Some(Confirm::HandOver) => fields.required("how", choice).map(Confirmation::HandOver),
            Some(Confirm::Settle) => {
                if fields.optional("how", choice::<HandOver>).is_some() {
                    fields.refuse("how", "not_expected");
                }
                Some(Confirmation::Settle)
            }
            None => {
                fields.optional("how", choice::<HandOver>);
                None
            }
        }
    }
}

async fn confirm<H: Hub>(
    by: Authenticated<Write>,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    at: IfMatch,
    body: Body<Confirmation>,
) -> Result<Response, Problem> {
    let asked = match body.value {
        Confirmation::HandOver(how) => Command::HandOver { how },
        Confirmation::Settle => Command::Settle,
    };
    let request = Request { tenant: by.tenant, key, at, body: &body.canonical, path: "confirm" };
    request.apply(&intake.hub, &id, asked).await
}

/// What makes a command the same command.
struct Request<'a> {
    tenant: TenantId,
    key: IdempotencyKey,
    at: IfMatch,
    path: &'static str,
    body: &'a [u8],
}

impl Request<'_> {
    async fn apply<H: Hub>(self, hub: &H, id: &str, asked: Command) -> Result<Response, Problem> {
        let id: ApplicationId = id.parse()?;
        let by = Actor::Tenant(self.tenant);
        // The id is that of the item the key is kept in, so it needs no part in the fingerprint.
        let fingerprint = [b"POST ", self.path.as_bytes(), b"\n", self.body].concat();
        let key = command_key(&by, self.key.as_str(), &fingerprint);
        let attempt = Attempt { by, key: Some(key), command: asked, only_at: self.at.version() };
        let view = command(hub, id, &attempt).await?;
        Ok(Tag::version(view.version).answer(&IfNoneMatch::default(), Json(view)))
    }
}
