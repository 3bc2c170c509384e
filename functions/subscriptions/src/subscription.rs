//! Creating, reading, changing and deleting subscriptions.

use domain::endpoint::{EndpointEvent, EndpointState, next};
use domain::ids::{SubscriptionId, TenantId};
use http_kit::fields::{FieldError, Fields, free_text, list, read_with};
use http_kit::problem::{Code, Problem};
use platform::clock::Clock as _;
use platform::config::Mode;
use platform::deliveries::Deliveries as _;
use platform::hub::Hub;
use platform::subscriptions::{Changes, Subscription, Subscriptions as _};
use protocol::app::{CALLED_BACK, SubscriptionView};
use serde::Serialize;
use serde_json::Value;

use crate::callback_url::callback_url;
use crate::idempotent_request::{IdempotentRequest, Outcome, StoredAnswer};
use crate::keys::new_keys;
use crate::lookup::find;
use crate::pause::wake_drainer;
use crate::view::view;

/// Maximum number of event types that a subscription names.
const EVENT_TYPES: usize = 32;

/// Body of `POST /v1/subscriptions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSubscription {
    url: String,
    events: Vec<String>,
}

impl NewSubscription {
    /// Reads and checks the body. `mode` decides which URLs are accepted.
    ///
    /// # Errors
    /// 422 with every wrong field.
    pub fn parse(body: &Value, mode: Mode) -> Result<Self, Problem> {
        read_with(body, |fields| NewSubscription::read(fields, mode)).map_err(Problem::invalid)
    }

    fn read(fields: &mut Fields<'_>, mode: Mode) -> Option<Self> {
        if !fields.has("url") {
            fields.refuse("url", "required");
        }
        let url = callback_url(fields, mode);
        let events = event_types(fields).unwrap_or_default();
        Some(NewSubscription { url: url?, events })
    }
}

/// The event types of the field `events`, sorted and without duplicates. An empty list is refused: it could mean all or
/// none.
fn event_types(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let mut events = fields.optional("events", list(1..=EVENT_TYPES, free_text(1..=64)))?;
    for (index, event) in events.iter().enumerate() {
        if !CALLED_BACK.contains(&event.as_str()) {
            let fault = FieldError::new("", "not_one_of").accepting(CALLED_BACK.to_vec());
            fields.refuse_as(&format!("events/{index}"), fault);
        }
    }
    events.sort();
    events.dedup();
    Some(events)
}

/// Body of `PATCH /v1/subscriptions/{id}`. A field that is absent keeps its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionChange {
    url: Option<String>,
    events: Option<Vec<String>>,
}

impl SubscriptionChange {
    /// Reads and checks the body. `mode` decides which URLs are accepted.
    ///
    /// # Errors
    /// 422 with every wrong field.
    pub fn parse(body: &Value, mode: Mode) -> Result<Self, Problem> {
        read_with(body, |fields| Some(SubscriptionChange::read(fields, mode))).map_err(Problem::invalid)
    }

    fn read(fields: &mut Fields<'_>, mode: Mode) -> Self {
        let change = SubscriptionChange { url: callback_url(fields, mode), events: event_types(fields) };
        if !fields.has("url") && !fields.has("events") {
            fields.refuse_without("one_needed", vec!["url", "events"]);
        }
        change
    }
}

/// Answer of `GET /v1/subscriptions`.
#[derive(Clone, Debug, Serialize)]
pub struct SubscriptionsPage {
    /// The tenant's subscriptions, the oldest first, without their secrets.
    pub subscriptions: Vec<SubscriptionView>,
}

/// Creates a subscription.
///
/// # Errors
/// 422 for a key that was used for another request, 409 when the tenant has reached its maximum number of
/// subscriptions.
pub async fn subscribe<H: Hub>(
    request: &IdempotentRequest<'_, H>,
    new: &NewSubscription,
) -> Result<StoredAnswer, Problem> {
    let decide = || async {
        let IdempotentRequest { hub, tenant, id, .. } = *request;
        let before = hub.subscriptions().of(tenant).await?;
        let (keys, secret) = new_keys(hub, id).await?;
        let subscription = Subscription {
            id,
            tenant: tenant.clone(),
            url: new.url.clone(),
            events: new.events.clone(),
            created: hub.clock().now(),
            secret,
            public_key: keys.public().map(|key| key.reveal()),
            former: None,
            own_messages_from: None,
            state: EndpointState::default(),
            revision: 0,
        };
        let answer = view(subscription.clone(), Some(keys.secret()));
        let changes = before.with(subscription).ok_or_else(|| Problem::new(Code::TooManySubscriptions))?;
        Ok(Outcome { changes, notice: None, answer })
    };
    request.answer_once(decide).await
}

/// All subscriptions of a tenant.
///
/// # Errors
/// 503 when the table cannot be read.
pub async fn subscriptions<H: Hub>(hub: &H, tenant: &TenantId) -> Result<SubscriptionsPage, Problem> {
    let found = hub.subscriptions().of(tenant).await?;
    Ok(SubscriptionsPage { subscriptions: found.all.into_iter().map(|found| view(found, None)).collect() })
}

/// Deletes a subscription.
///
/// # Errors
/// 404 when the tenant has no subscription with this id, 422 when the key was used for another request.
pub async fn unsubscribe<H: Hub>(request: &IdempotentRequest<'_, H>) -> Result<StoredAnswer, Problem> {
    let decide = || async {
        let found = request.subscription().await?;
        let changes = Changes { removed: Some(found.id), ..Changes::default() };
        Ok(Outcome { changes, notice: None, answer: () })
    };
    request.answer_once(decide).await
}

/// One subscription, with the number of callbacks stored for it.
///
/// # Errors
/// 404 when the tenant has no subscription with this id.
pub async fn subscription<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: SubscriptionId,
) -> Result<SubscriptionView, Problem> {
    let found = find(hub, tenant, id).await?;
    let stored = hub.deliveries().count_stored_callbacks(id).await?;
    Ok(SubscriptionView { stored_callbacks: Some(stored), ..view(found, None) })
}

/// Changes the URL or the event types of a subscription. Another URL ends the state `failing`, and stored callbacks are
/// sent to it at once.
///
/// # Errors
/// 404 when the tenant has no subscription with this id, 422 for a key that was used for another request.
pub async fn change<H: Hub>(
    request: &IdempotentRequest<'_, H>,
    change: &SubscriptionChange,
) -> Result<StoredAnswer, Problem> {
    let decide = || async {
        let before = request.subscription().await?;
        let url = change.url.clone().unwrap_or_else(|| before.url.clone());
        let state = if url == before.url {
            before.state
        } else {
            next(before.state, EndpointEvent::UrlChanged, request.hub.clock().now()).0
        };
        let after = Subscription {
            url,
            state,
            events: change.events.clone().unwrap_or_else(|| before.events.clone()),
            revision: before.revision.saturating_add(1),
            ..before
        };
        Ok(Outcome::replaced(after.clone(), view(after, None)))
    };
    let answer = request.answer_once(decide).await?;
    if change.url.is_some() {
        // A repeat wakes the drainer, too: the first request may have crashed between the commit and the wake.
        wake_drainer(request).await;
    }
    Ok(answer)
}
