//! The routes for app backends. Each handler translates; what is said is decided elsewhere.

use axum::extract::{FromRequestParts, Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use domain::catalogue::{Service, ServiceRow, TitledKind, catalogue, kinds, service_row};
use domain::command::{Actor, Attempt, Command};
use domain::event::HandOver;
use domain::ids::{ApplicationId, TenantId};
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_kit::authentication::{Authenticated, Authenticator, HasAuthenticator};
use http_kit::conditional::{IfMatch, IfNoneMatch, Tag};
use http_kit::edge::{Trace, edge};
use http_kit::fields::{self, Batch, Body, Fields, FromFields, Nothing, Query, choice};
use http_kit::idempotency::IdempotencyKey;
use http_kit::namespace::Namespace;
use http_kit::operations::OperationRouter as _;
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
use protocol::operations::agencies::READ_KEYS;
use protocol::operations::applications::{
    CONFIRM_RESULT, CREATE_APPLICATION, CREATE_APPLICATIONS, LIST_APPLICATIONS, LIST_EVENTS,
    READ_APPLICATION, SUBMIT_APPLICATION, SUPPLEMENT_APPLICATION, WITHDRAW_APPLICATION,
};
use protocol::operations::catalogue::{
    LIST_SERVICES, READ_COVERAGE, READ_DESCRIPTION, READ_HEALTH, READ_PROBLEM, READ_SERVICE,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::batch;
use crate::commands;
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
        let counted = rate_limit.take(self.hub.rate_limits(), tenant, self.hub.clock().now()).await;
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
        .operation(&READ_KEYS, jwks::<H>)
        .operation(&READ_HEALTH, health)
        .operation(&READ_DESCRIPTION, description::answer)
        .operation(&READ_PROBLEM, problem_pages::answer)
        .operation(&LIST_SERVICES, services)
        .operation(&READ_SERVICE, service)
        .operation(&READ_COVERAGE, covered::<H>)
        .operation(&LIST_APPLICATIONS, list::<H>)
        .operation(&CREATE_APPLICATION, create::<H>)
        .operation(&CREATE_APPLICATIONS, create_many::<H>)
        .operation(&READ_APPLICATION, read::<H>)
        .operation(&LIST_EVENTS, events::<H>)
        .operation(&SUBMIT_APPLICATION, submit::<H>)
        .operation(&SUPPLEMENT_APPLICATION, supplement::<H>)
        .operation(&WITHDRAW_APPLICATION, withdraw::<H>)
        .operation(&CONFIRM_RESULT, confirm::<H>);
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

async fn services(_: Authenticated) -> impl IntoResponse {
    ([(CACHE_CONTROL, CATALOGUE_CACHE)], Json(Services { services: catalogue(), kinds: kinds() }))
}

async fn service(_: Authenticated, Path(name): Path<String>) -> Result<impl IntoResponse, Problem> {
    let service = Service::named(&name).ok_or_else(Problem::not_found)?;
    Ok(([(CACHE_CONTROL, CATALOGUE_CACHE)], Json(service_row(service))))
}

async fn covered<H: Hub>(
    _: Authenticated,
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
    by: Authenticated,
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
    by: Authenticated,
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
    by: Authenticated,
    State(intake): State<Intake<H>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<ApplicationsPage>, Problem> {
    reading::list(&intake.hub, &by.tenant, query).await.map(Json)
}

async fn read<H: Hub>(
    by: Authenticated,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    held: IfNoneMatch,
) -> Result<Response, Problem> {
    let kept = owned_application(&intake.hub, &by.tenant, id.parse()?).await?;
    let view = ApplicationView::from(kept.ledger.head());
    Ok(Tag::version(view.version).answer(&held, Json(view)))
}

async fn events<H: Hub>(
    by: Authenticated,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<EventsPage>, Problem> {
    reading::events(&intake.hub, &by.tenant, id.parse()?, query).await.map(Json)
}

type Answer = Result<Response, Problem>;

async fn submit<H: Hub>(request: CommandRequest<H>, body: Body<Nothing>) -> Answer {
    request.apply("submit", &body.canonical, Command::Submit).await
}

async fn supplement<H: Hub>(request: CommandRequest<H>, body: Body<Nothing>) -> Answer {
    request.apply("supplement", &body.canonical, Command::Supplement).await
}

async fn withdraw<H: Hub>(request: CommandRequest<H>, body: Body<Nothing>) -> Answer {
    request.apply("withdraw", &body.canonical, Command::Withdraw).await
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

async fn confirm<H: Hub>(request: CommandRequest<H>, body: Body<Confirmation>) -> Answer {
    let command = match body.value {
        Confirmation::HandOver(how) => Command::HandOver { how },
        Confirmation::Settle => Command::Settle,
    };
    request.apply("confirm", &body.canonical, command).await
}

/// What every command on an application carries, apart from its body.
struct CommandRequest<H> {
    hub: H,
    tenant: TenantId,
    /// The id as the path has it: a malformed id is answered 404, after the rest of the request is checked.
    id: String,
    key: IdempotencyKey,
    at: IfMatch,
}

impl<H: Hub> FromRequestParts<Intake<H>> for CommandRequest<H> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, intake: &Intake<H>) -> Result<Self, Problem> {
        let caller = Authenticated::from_request_parts(parts, intake).await?;
        let id = Path::<String>::from_request_parts(parts, intake).await;
        let Path(id) = id.map_err(|_| Problem::new(Code::BadRequest))?;
        let key = IdempotencyKey::from_request_parts(parts, intake).await?;
        let at = IfMatch::from_request_parts(parts, intake).await?;
        Ok(CommandRequest { hub: intake.hub.clone(), tenant: caller.tenant, id, key, at })
    }
}

impl<H: Hub> CommandRequest<H> {
    /// Applies the command once: a repeat with the same key, name and body receives the first answer.
    async fn apply(self, name: &str, body: &[u8], command: Command) -> Answer {
        let id: ApplicationId = self.id.parse()?;
        let by = Actor::Tenant(self.tenant);
        // The key is stored in the application's item, so the application's id needs no part in the fingerprint.
        let fingerprint = [b"POST ", name.as_bytes(), b"\n", body].concat();
        let key = command_key(&by, self.key.as_str(), &fingerprint);
        let attempt = Attempt { by, key: Some(key), command, only_at: self.at.version() };
        let view = commands::command(&self.hub, id, &attempt).await?;
        Ok(Tag::version(view.version).answer(&IfNoneMatch::default(), Json(view)))
    }
}
