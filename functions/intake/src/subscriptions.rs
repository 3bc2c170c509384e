//! Where an app backend wants to be called back.

pub mod desk;
pub mod keys;
pub mod log;
pub mod replay;
pub mod state;
mod url;

use domain::ids::{SubscriptionId, TenantId};
use platform::clock::Clock as _;
use platform::config::Mode;
use platform::deliveries::Deliveries as _;
use platform::fields::{FieldError, Fields, FromFields, list, words};
use platform::hub::Hub;
use platform::problem::{Code, Problem};
use platform::settings::{EndpointState, REQUESTS, Reason, Settings as _, Subscribed, Subscription};
use protocol::app::{CALLED_BACK, SubscriptionView};
use protocol::callback::Secret;
use serde::Serialize;

use keys::{new_keys, opened};
use url::acceptable;

/// Characters of a callback's URL.
const URL_CHARACTERS: usize = 1024;
/// Attempts at a change that others are faster with.
const CHANGES: usize = 5;
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

/// Makes a subscription; a repeat answers as the first did, its secret included.
///
/// # Errors
/// 422 for a URL that is not acceptable or a key used for another request, 409 where the tenant has enough.
pub async fn subscribe<H: Hub>(
    hub: &H,
    mode: Mode,
    id: SubscriptionId,
    tenant: &TenantId,
    wanted: Wanted,
) -> Result<SubscriptionView, Problem> {
    if !acceptable(&wanted.url, mode) {
        return Err(Problem::invalid(vec![FieldError::new("/url", "url")]));
    }
    let (keys, sealed) = new_keys(hub, id).await?;
    let subscription = Subscription {
        id,
        tenant: tenant.clone(),
        url: wanted.url,
        events: wanted.events,
        created: hub.clock().now(),
        secret: sealed,
        public_key: keys.public().map(|key| key.reveal()),
        former: None,
        rotations: Vec::new(),
        requests: Vec::new(),
        state: EndpointState::default(),
        revision: 0,
    };
    match hub.settings().put_subscription(&subscription).await? {
        Subscribed::New => Ok(view(subscription, Some(keys.secret()))),
        Subscribed::Full => Err(Problem::new(Code::TooManySubscriptions)),
        Subscribed::Existing(known) => {
            if known.url != subscription.url || known.events != subscription.events {
                return Err(Problem::new(Code::KeyReused));
            }
            let keys = opened(hub, id, &known.secret).await?;
            // As it was made, whatever has become of it.
            let made = Subscription { state: EndpointState::default(), former: None, ..*known };
            Ok(view(made, Some(keys.secret())))
        }
    }
}

/// A tenant's subscriptions, without their secrets.
///
/// # Errors
/// 503 where they cannot be read.
pub async fn subscriptions<H: Hub>(hub: &H, tenant: &TenantId) -> Result<SubscriptionsPage, Problem> {
    let found = hub.settings().subscriptions(tenant).await?;
    Ok(SubscriptionsPage { subscriptions: found.into_iter().map(|found| view(found, None)).collect() })
}

/// Removes a subscription.
///
/// # Errors
/// 404 where the tenant has none with this id.
pub async fn unsubscribe<H: Hub>(hub: &H, tenant: &TenantId, id: SubscriptionId) -> Result<(), Problem> {
    if hub.settings().delete_subscription(tenant, id).await? { Ok(()) } else { Err(Problem::not_found()) }
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

/// Changes where or what for a subscription is called. A repeat changes nothing, whatever has been changed since.
///
/// # Errors
/// 404 where the tenant has none with this id, 422 for a URL that is not acceptable or a key used for another change.
pub async fn change<H: Hub>(
    hub: &H,
    mode: Mode,
    tenant: &TenantId,
    id: SubscriptionId,
    change: Change,
    asked: &Asked,
) -> Result<SubscriptionView, Problem> {
    if change.url.as_ref().is_some_and(|url| !acceptable(url, mode)) {
        return Err(Problem::invalid(vec![FieldError::new("/url", "url")]));
    }
    let changed = replace_once(hub, tenant, id, asked, |before| Subscription {
        url: change.url.clone().unwrap_or_else(|| before.url.clone()),
        events: change.events.clone().unwrap_or_else(|| before.events.clone()),
        ..before.clone()
    });
    Ok(view(changed.await?.1, None))
}

async fn find<H: Hub>(hub: &H, tenant: &TenantId, id: SubscriptionId) -> Result<Subscription, Problem> {
    hub.settings().subscription(tenant, id).await?.ok_or_else(Problem::not_found)
}

/// What a request for a change is known by: its key, and what it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    key: String,
    whole: [u8; 16],
}

impl Asked {
    /// A request, by what its key and its whole came to.
    #[must_use]
    pub fn new(key: [u8; 16], whole: [u8; 16]) -> Self {
        Asked { key: keys::hex(key), whole }
    }

    /// What the whole request came to, as text.
    fn mark(&self) -> String {
        keys::hex(self.whole)
    }

    /// The changed subscription with this request remembered, the oldest forgotten; `None` where it was before.
    ///
    /// # Errors
    /// 422 where the key was used for another change.
    fn remember(
        &self,
        before: &Subscription,
        mut after: Subscription,
    ) -> Result<Option<Subscription>, Problem> {
        let known = before.requests.iter().find_map(|known| known.strip_prefix(&self.key)?.strip_prefix(':'));
        match known {
            Some(body) if body == self.mark() => Ok(None),
            Some(_) => Err(Problem::new(Code::KeyReused)),
            None => {
                after.requests.push(format!("{}:{}", self.key, self.mark()));
                let beyond = after.requests.len().saturating_sub(REQUESTS);
                after.requests.drain(..beyond);
                Ok(Some(after))
            }
        }
    }
}

/// Changes a subscription, however many others do, and once for each request that is remembered: it before and after.
async fn replace_once<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: SubscriptionId,
    asked: &Asked,
    change: impl Fn(&Subscription) -> Subscription + Send + Sync,
) -> Result<(Subscription, Subscription), Problem> {
    for _ in 0..CHANGES {
        let before = find(hub, tenant, id).await?;
        let Some(mut after) = asked.remember(&before, change(&before))? else {
            return Ok((before.clone(), before));
        };
        after.revision = before.revision + 1;
        if hub.settings().replace_subscription(&after).await? {
            return Ok((before, after));
        }
    }
    Err(Problem::new(Code::Throttled))
}

fn view(subscription: Subscription, secret: Option<&Secret>) -> SubscriptionView {
    let state = subscription.state;
    let reason = match state {
        EndpointState::Disabled { reason: Reason::Gone, .. } => Some("gone".to_owned()),
        EndpointState::Disabled { reason: Reason::Exhausted, .. } => Some("exhausted".to_owned()),
        EndpointState::Healthy { .. }
        | EndpointState::Recovering { .. }
        | EndpointState::Troubled { .. }
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
