//! The HTTP operations of intake. A handler reads the request, calls the module with the logic and writes the answer.

use axum::extract::{FromRequestParts, Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use domain::application::CommandKey;
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
use http_kit::fields::{self, Batch, Body, Fields, FromFields, Nothing, Query, Words, choice, choice_among};
use http_kit::idempotency::IdempotencyKey;
use http_kit::namespace::Namespace;
use http_kit::operations::OperationRouter as _;
use http_kit::owned_application::owned_application;
use http_kit::problem::{Code, Language, Problem};
use http_kit::rate_limit::Limits;
use http_kit::token::Issuers;
use platform::agency_registry::fresh_agencies;
use platform::apply::command_key;
use platform::clock::Clock as _;
use platform::hub::Hub;
use platform::person_index::PersonIndex;
use protocol::app::{ApplicationView, ApplicationsPage, EventsPage};
use protocol::coverage::Coverage;
use protocol::operations::agencies::READ_KEYS;
use protocol::operations::applications::{
    CONFIRM_RESULT, CORRECT_APPLICATION, CREATE_APPLICATION, CREATE_APPLICATIONS, LIST_APPLICATIONS,
    LIST_EVENTS, READ_APPLICATION, SUBMIT_APPLICATION, SUPPLEMENT_APPLICATION, WITHDRAW_APPLICATION,
};
use protocol::operations::catalogue::{
    LIST_PROBLEMS, LIST_SERVICES, READ_COVERAGE, READ_DESCRIPTION, READ_HEALTH, READ_PROBLEM, READ_REFERENCE,
    READ_REFERENCE_FILE, READ_SERVICE,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::batch;
use crate::commands;
use crate::correction;
use crate::coverage::{Question, coverage};
use crate::creator::Creator;
use crate::daily_quota::DailyQuota;
use crate::description;
use crate::problem_pages;
use crate::reading::{self, EventsQuery, ListQuery};
use crate::reference::Reference;

/// `Cache-Control` of the catalogue and the hub's keys: they change with a deploy only and are the same for every
/// caller.
const CATALOGUE_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// `Cache-Control` of coverage: the answer changes when an agency is added, changed or suspended.
const REVALIDATED: HeaderValue = HeaderValue::from_static("private, no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// State of the handlers.
#[derive(Clone, Debug)]
pub struct Intake<H> {
    hub: H,
    authenticator: Authenticator<H>,
    namespace: Namespace,
    /// Without it no application is found by its person.
    persons: Option<PersonIndex>,
    /// The hub's public keys as a JWKS.
    keys: Value,
    quota: DailyQuota,
    reference: Reference,
}

impl<H: Hub> Intake<H> {
    /// State on these ports. `keys` is the hub's public JWKS; `limits` apply to each tenant.
    #[must_use]
    pub fn new(hub: H, issuers: Issuers, namespace: Namespace, keys: Value, limits: Limits) -> Self {
        let authenticator = Authenticator::new(hub.clone(), issuers, limits.requests_per_minute);
        let quota = DailyQuota::new(limits.applications_per_day);
        Intake { hub, authenticator, namespace, persons: None, keys, quota, reference: Reference::default() }
    }

    /// New applications are found by their person with this index.
    #[must_use]
    pub fn with_person_index(self, persons: PersonIndex) -> Self {
        Intake { persons: Some(persons), ..self }
    }

    /// The same state with these reference pages.
    #[must_use]
    pub fn with_reference(self, reference: Reference) -> Self {
        Intake { reference, ..self }
    }

    fn creator(&self, tenant: TenantId) -> Creator<H> {
        let Intake { hub, namespace, persons, quota, .. } = self.clone();
        Creator { hub, namespace, persons, quota, tenant }
    }
}

impl<H: Hub> HasAuthenticator for Intake<H> {
    type Hub = H;

    fn authenticator(&self) -> &Authenticator<H> {
        &self.authenticator
    }
}

/// Routes of the function, with the middleware of [`http_kit::edge`].
pub fn routes<H: Hub>(intake: Intake<H>) -> Router {
    let routes = Router::new()
        .operation(&READ_KEYS, jwks::<H>)
        .operation(&READ_HEALTH, health)
        .operation(&READ_DESCRIPTION, description::answer)
        .operation(&READ_REFERENCE, reference_page::<H>)
        .operation(&READ_REFERENCE_FILE, reference_file::<H>)
        .operation(&LIST_PROBLEMS, problem_pages::table)
        .operation(&READ_PROBLEM, problem_pages::answer)
        .operation(&LIST_SERVICES, services)
        .operation(&READ_SERVICE, service)
        .operation(&READ_COVERAGE, covered::<H>)
        .operation(&LIST_APPLICATIONS, list::<H>)
        .operation(&CREATE_APPLICATION, create::<H>)
        .operation(&CREATE_APPLICATIONS, create_many::<H>)
        .operation(&READ_APPLICATION, read::<H>)
        .operation(&CORRECT_APPLICATION, correct::<H>)
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

/// The public keys with which agencies verify the hub's messages, as a JWKS (RFC 7517, section 5).
async fn jwks<H: Hub>(State(intake): State<Intake<H>>) -> impl IntoResponse {
    ([(CACHE_CONTROL, CATALOGUE_CACHE)], Json(intake.keys))
}

async fn reference_page<H: Hub>(
    State(intake): State<Intake<H>>,
    headers: HeaderMap,
    if_none_match: IfNoneMatch,
) -> Answer {
    intake.reference.page(&headers, &if_none_match)
}

async fn reference_file<H: Hub>(
    State(intake): State<Intake<H>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    if_none_match: IfNoneMatch,
) -> Answer {
    intake.reference.file(&name, &headers, &if_none_match)
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
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    // The agencies are read without a cache and callers must revalidate, so that a suspended agency is not offered any
    // more.
    let agencies = fresh_agencies(&intake.hub).await?;
    let answer: Coverage = coverage(&question, &agencies.agencies, intake.hub.clock().now());
    let body = serde_json::to_vec(&answer).map_err(|_| Problem::new(Code::Internal))?;
    let tag = Tag::content(&body);
    Ok(tag.answer(&if_none_match, ([(CACHE_CONTROL, REVALIDATED), (CONTENT_TYPE, JSON)], body)))
}

async fn create<H: Hub>(
    caller: Authenticated,
    State(intake): State<Intake<H>>,
    key: IdempotencyKey,
    body: fields::Json,
) -> Result<Response, Problem> {
    let creator = intake.creator(caller.tenant);
    let reservation = creator.reserve().await;
    let view = creator.create(&key, &body, reservation).await?;
    let location = HeaderValue::try_from(format!("/v1/applications/{}", view.id));
    let location = location.map_err(|_| Problem::new(Code::Internal))?;
    let answer = (StatusCode::CREATED, [(LOCATION, location)], Json(&view));
    Ok(Tag::version(view.version).answer(&IfNoneMatch::default(), answer))
}

async fn create_many<H: Hub>(
    caller: Authenticated,
    State(intake): State<Intake<H>>,
    Extension(Trace(trace)): Extension<Trace>,
    headers: HeaderMap,
    Batch(batch): Batch<batch::NewApplications>,
) -> impl IntoResponse {
    let language = Language::of(&headers);
    let results =
        batch::create_all(&intake.creator(caller.tenant), batch, (language, trace.as_deref())).await;
    ([(CONTENT_LANGUAGE, language.tag())], Json(results))
}

async fn list<H: Hub>(
    caller: Authenticated,
    State(intake): State<Intake<H>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<ApplicationsPage>, Problem> {
    reading::list(&intake.hub, &caller.tenant, query).await.map(Json)
}

async fn read<H: Hub>(
    caller: Authenticated,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let stored = owned_application(&intake.hub, &caller.tenant, id.parse()?).await?;
    let view = ApplicationView::from(stored.ledger.state());
    Ok(Tag::version(view.version).answer(&if_none_match, Json(view)))
}

async fn events<H: Hub>(
    caller: Authenticated,
    State(intake): State<Intake<H>>,
    Path(id): Path<String>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<EventsPage>, Problem> {
    reading::events(&intake.hub, &caller.tenant, id.parse()?, query).await.map(Json)
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

async fn correct<H: Hub>(request: CommandRequest<H>, body: fields::Json) -> Answer {
    let id: ApplicationId = request.id.parse()?;
    let key = request.key("PATCH", "", &body.canonical);
    let at = request.at.version();
    let (persons, tenant) = (request.persons.as_ref(), &request.tenant);
    let view = correction::correct(&request.hub, persons, tenant, id, (key, at), &body.value).await?;
    Ok(Tag::version(view.version).answer(&IfNoneMatch::default(), Json(view)))
}

/// Body of `confirm`: the acceptance place reports the hand-over of a result, or the registration of a move.
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

/// The words of [`HandOver`].
const HAND_OVERS: [&str; 4] = ["fingerprint", "delegate", "post", "window"];

impl Words for Confirm {
    fn words() -> Vec<&'static str> {
        vec!["hand_over", "settle"]
    }
}

impl FromFields for Confirmation {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let confirm = fields.required("confirm", choice::<Confirm>);
        match confirm {
            Some(Confirm::HandOver) => {
                fields.required("how", choice_among(HAND_OVERS.to_vec())).map(Confirmation::HandOver)
            }
            Some(Confirm::Settle) => {
                if fields.optional("how", choice_among::<HandOver>(HAND_OVERS.to_vec())).is_some() {
                    fields.refuse("how", "not_expected");
                }
                Some(Confirmation::Settle)
            }
            None => {
                fields.optional("how", choice_among::<HandOver>(HAND_OVERS.to_vec()));
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

/// The parts that every command on an application has, apart from its body.
struct CommandRequest<H> {
    hub: H,
    persons: Option<PersonIndex>,
    tenant: TenantId,
    /// The unparsed id of the path. A malformed id is answered 404, after the rest of the request is checked.
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
        let Intake { hub, persons, .. } = intake.clone();
        Ok(CommandRequest { hub, persons, tenant: caller.tenant, id, key, at })
    }
}

impl<H: Hub> CommandRequest<H> {
    /// The key of the command. It is stored in the application's item, so the fingerprint need not contain the
    /// application's id.
    fn key(&self, method: &str, name: &str, body: &[u8]) -> CommandKey {
        let fingerprint = [method.as_bytes(), b" ", name.as_bytes(), b"\n", body].concat();
        command_key(&Actor::Tenant(self.tenant.clone()), self.key.as_str(), &fingerprint)
    }

    /// Applies the command once: a repeat with the same key, name and body receives the first answer.
    async fn apply(self, name: &str, body: &[u8], command: Command) -> Answer {
        let id: ApplicationId = self.id.parse()?;
        let key = self.key("POST", name, body);
        let by = Actor::Tenant(self.tenant);
        let attempt = Attempt { by, key: Some(key), command, expected_version: self.at.version() };
        let view =
            commands::command(&self.hub, id, &attempt).await.map_err(|problem| self.at.explain(problem))?;
        Ok(Tag::version(view.version).answer(&IfNoneMatch::default(), Json(view)))
    }
}
