//! Where an app backend wants to be called back.

pub mod desk;
pub mod keys;
pub mod log;
pub mod once;
pub mod replay;
pub mod state;
mod url;

use domain::endpoint::{DisabledReason, EndpointState};
use domain::ids::{SubscriptionId, TenantId};
use http_kit::fields::{FieldError, Fields, FromFields, list, words};
use http_kit::problem::{Code, Problem};
use platform::clock::Clock as _;
use platform::config::Mode;
use platform::deliveries::Deliveries as _;
use platform::hub::Hub;
use platform::settings::{Changes, Settings as _, Subscription};
use protocol::app::{CALLED_BACK, SubscriptionView};
use protocol::callback::Secret;
use serde::Serialize;

use keys::new_keys;
use once::{Answer, Outcome, Request};
use url::acceptable;

/// Characters of a callback's URL.
const URL_CHARACTERS: usize = 1024;
/// Types one subscription may name.
const TYPES: usize = 32;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    url: String,
    events: Vec<String>,
}

impl FromFields for Wanted {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let url = fields.required("url", words(1..=URL_CHARACTERS));
        let events = events(fields).unwrap_or_default();
        Some(Wanted { url: url?, events })
    }
}

/// The types that are asked for, sorted and each once.
fn events(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let mut events = fields.optional("events", list(0..=TYPES, words(1..=64)))?;
    for (index, event) in events.iter().enumerate() {
        if !CALLED_BACK.contains(&event.as_str()) {
            fields.refuse(&format!("events/{index}"), "unknown");
        }
    }
    events.sort();
    events.dedup();
    Some(events)
}

/// `PATCH /v1/subscriptions/{id}`: what is not named stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    url: Option<String>,
    events: Option<Vec<String>>,
}

impl FromFields for Change {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let change =
            Change { url: fields.optional("url", words(1..=URL_CHARACTERS)), events: events(fields) };
        if !fields.has("url") && !fields.has("events") {
            fields.refuse("url", "required");
        }
        Some(change)
    }
}

/// The subscriptions of a tenant.
#[derive(Clone, Debug, Serialize)]
pub struct SubscriptionsPage {
    /// Oldest first.
    pub subscriptions: Vec<SubscriptionView>,
}

/// Makes a subscription.
///
/// # Errors
/// 422 for a URL that is not acceptable or a key used for another request, 409 where the tenant has enough.
pub async fn subscribe<H: Hub>(
    request: &Request<'_, H>,
    mode: Mode,
    wanted: &Wanted,
) -> Result<Answer, Problem> {
    let decide = || async {
        if !acceptable(&wanted.url, mode) {
            return Err(Problem::invalid(vec![FieldError::new("/url", "url")]));
        }
        let Request { hub, tenant, id, .. } = *request;
        let before = hub.settings().subscriptions(tenant).await?;
        let (keys, secret) = new_keys(hub, id).await?;
        let subscription = Subscription {
            id,
            tenant: tenant.clone(),
            url: wanted.url.clone(),
            events: wanted.events.clone(),
            created: hub.clock().now(),
            secret,
            public_key: keys.public().map(|key| key.reveal()),
            former: None,
            directed_from: None,
            state: EndpointState::default(),
            revision: 0,
        };
        let answer = view(subscription.clone(), Some(keys.secret()));
        let changes = before.with(subscription).ok_or_else(|| Problem::new(Code::TooManySubscriptions))?;
        Ok(Outcome { changes, notice: None, answer })
    };
    request.once(decide).await
}

/// A tenant's subscriptions, without their secrets.
///
/// # Errors
/// 503 where they cannot be read.
pub async fn subscriptions<H: Hub>(hub: &H, tenant: &TenantId) -> Result<SubscriptionsPage, Problem> {
    let found = hub.settings().subscriptions(tenant).await?;
    Ok(SubscriptionsPage { subscriptions: found.all.into_iter().map(|found| view(found, None)).collect() })
}

/// Removes a subscription.
///
/// # Errors
/// 404 where the tenant has none with this id, 422 where the key was used for something else.
pub async fn unsubscribe<H: Hub>(request: &Request<'_, H>) -> Result<Answer, Problem> {
    let decide = || async {
        let found = request.subscription().await?;
        let changes = Changes { removed: Some(found.id), ..Changes::default() };
        Ok(Outcome { changes, notice: None, answer: () })
    };
    request.once(decide).await
}

/// One subscription, with how much is held for it.
///
/// # Errors
/// 404 where the tenant has none with this id.
pub async fn subscription<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: SubscriptionId,
) -> Result<SubscriptionView, Problem> {
    let found = find(hub, tenant, id).await?;
    let held = hub.deliveries().count_held(id).await?;
    Ok(SubscriptionView { held: Some(held), ..view(found, None) })
}

/// Changes where or what for a subscription is called.
///
/// # Errors
/// 404 where the tenant has none with this id, 422 for a URL that is not acceptable or a key used for something else.
pub async fn change<H: Hub>(
    request: &Request<'_, H>,
    mode: Mode,
    change: &Change,
) -> Result<Answer, Problem> {
    let decide = || async {
        let before = request.subscription().await?;
        if change.url.as_ref().is_some_and(|url| !acceptable(url, mode)) {
            return Err(Problem::invalid(vec![FieldError::new("/url", "url")]));
        }
        let after = Subscription {
            url: change.url.clone().unwrap_or_else(|| before.url.clone()),
            events: change.events.clone().unwrap_or_else(|| before.events.clone()),
            revision: before.revision.saturating_add(1),
            ..before
        };
        Ok(Outcome::replaced(after.clone(), view(after, None)))
    };
    request.once(decide).await
}

async fn find<H: Hub>(hub: &H, tenant: &TenantId, id: SubscriptionId) -> Result<Subscription, Problem> {
    hub.settings().subscription(tenant, id).await?.ok_or_else(Problem::not_found)
}

fn view(subscription: Subscription, secret: Option<&Secret>) -> SubscriptionView {
    let state = subscription.state;
    let reason = match state {
        EndpointState::Disabled { reason: DisabledReason::Gone, .. } => Some("gone".to_owned()),
        EndpointState::Disabled { reason: DisabledReason::Exhausted, .. } => Some("exhausted".to_owned()),
        EndpointState::Healthy { .. }
        | EndpointState::Recovering { .. }
        | EndpointState::Failing { .. }
        | EndpointState::Paused { .. } => None,
    };
    SubscriptionView {
        id: subscription.id,
        url: subscription.url,
        events: subscription.events,
        created_at: subscription.created,
        state: state.name().to_owned(),
        reason,
        since: state.since(),
        next_attempt_at: state.due(),
        held: None,
        public_key: subscription.public_key,
        former_keys_until: subscription.former.map(|former| former.until),
        secret: secret.map(Secret::reveal),
    }
}
