//! Replays of callbacks and test events. Replays go through the callback queue, like every callback; test events
//! through the drain queue, whose messages delay no callback.

use domain::ids::{ApplicationId, TenantId};
use domain::stage::Stage;
use http_kit::cursor::{BoundCursor, ListTag};
use http_kit::fields::{FieldError, Fields, FromFields, boolean, integer, text, timestamp};
use http_kit::owned_application::owned_application;
use http_kit::problem::Problem;
use jiff::Timestamp;
use platform::clock::Clock as _;
use platform::deliveries::{Deliveries as _, LogCursor, Which};
use platform::hub::Hub;
use platform::internal_queue::proven;
use platform::outbox::callbacks;
use platform::queues::{Outgoing, Queue, Queues as _};
use platform::store::{Cursor, Store as _};
use platform::subscriptions::Subscription;
use protocol::callback::{Callback, CallbackMessage, SubscriptionCallback, TEST};
use serde::Serialize;

use crate::idempotent_request::{IdempotentRequest, Outcome, StoredAnswer};

/// Maximum number of applications that one replay request reads.
const APPLICATIONS: usize = 25;
/// Maximum number of failed callbacks that one replay request sends.
const FAILED: usize = 100;

/// Body of `POST /v1/subscriptions/{id}/replay`: exactly one of three selections.
#[derive(Clone, Debug)]
pub enum Replay {
    /// The callback of one event.
    One {
        application: ApplicationId,
        /// Version of the application that the event made.
        version: u32,
    },
    /// All callbacks since a time, one page of applications a request.
    Since {
        /// Earliest time of an event.
        since: Timestamp,
        /// Cursor of the page; `None` for the first.
        cursor: Option<BoundCursor>,
    },
    /// Callbacks whose last attempt of the last 7 days failed, one page a request.
    Failed {
        /// Cursor of the page; `None` for the first.
        cursor: Option<BoundCursor>,
    },
}

impl FromFields for Replay {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let one = fields.has("application") || fields.has("version");
        let (since, failed) = (fields.has("since"), fields.has("failed"));
        for name in ["application", "version", "since", "failed"] {
            if !fields.has(name) {
                // `null` counts as absent, so the field must not be reported as unknown.
                fields.optional(name, |_| Some(()));
            }
        }
        match (one, since, failed) {
            (true, false, false) => {
                let application = fields.required("application", text);
                let version = fields.required("version", integer(1..=u64::from(u32::MAX)));
                let version = version.and_then(|version| u32::try_from(version).ok());
                Some(Replay::One { application: application?, version: version? })
            }
            (false, true, false) => {
                let since = fields.required("since", timestamp);
                let cursor = fields.optional("cursor", text);
                Some(Replay::Since { since: since?, cursor })
            }
            (false, false, true) => {
                if fields.required("failed", boolean) == Some(false) {
                    fields.refuse_as("failed", FieldError::new("", "not_one_of").accepting(vec!["true"]));
                }
                Some(Replay::Failed { cursor: fields.optional("cursor", text) })
            }
            (false, false, false) => {
                fields.optional("cursor", |_| Some(()));
                fields.refuse_without("one_selection", vec!["application", "since", "failed"]);
                None
            }
            _ => {
                for name in ["application", "version", "since", "failed", "cursor"] {
                    if fields.optional(name, |_| Some(())).is_some() {
                        fields.refuse(name, "not_expected");
                    }
                }
                None
            }
        }
    }
}

/// Answer of a replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Number of callbacks that were enqueued.
    pub queued: usize,
    /// Pass as `cursor` to replay the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Answer of a test event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SentTestEvent {
    /// The header `webhook-id` of the test event.
    pub webhook_id: String,
}

/// Enqueues a test event, which is sent at once, whatever the state of the endpoint. Its application id is derived from
/// the request and belongs to no application.
///
/// # Errors
/// 404 when the tenant has no subscription with this id, 422 when the key was used for another request.
pub async fn send_test_event<H: Hub>(request: &IdempotentRequest<'_, H>) -> Result<StoredAnswer, Problem> {
    let decide = || async {
        request.subscription().await?;
        let callback = Callback {
            tenant: request.tenant.clone(),
            application: ApplicationId::from_bytes16(request.fingerprint),
            version: 1,
            kind: TEST.to_owned(),
            at: request.hub.clock().now(),
            stage: Stage::Draft,
        };
        let webhook_id = callback.id();
        // Not through the callback queue, where a test of an endpoint that hangs would delay the callbacks of others.
        send(request, Queue::Drains, vec![callback], false).await?;
        Ok(Outcome::unchanged(SentTestEvent { webhook_id }))
    };
    request.answer_once(decide).await
}

/// Enqueues callbacks again, each with its original `webhook-id`.
///
/// # Errors
/// 404 when the tenant has no subscription or no application with this id, 422 when a version has no callback or the
/// key was used for another request.
pub async fn replay<H: Hub>(
    request: &IdempotentRequest<'_, H>,
    replay: &Replay,
) -> Result<StoredAnswer, Problem> {
    let decide = || async {
        let IdempotentRequest { hub, tenant, id, .. } = *request;
        let subscription = request.subscription().await?;
        let (callbacks, next) = match replay {
            Replay::One { application, version } => {
                (vec![one(hub, tenant, *application, *version).await?], None)
            }
            Replay::Since { since, cursor } => all_since(hub, &subscription, *since, cursor.as_ref()).await?,
            Replay::Failed { cursor } => {
                let tag = ListTag::new("replay of failed callbacks", tenant, id);
                let after: Option<LogCursor> = tag.open(cursor.as_ref(), "/cursor")?;
                let page = hub.deliveries().attempts(id, Which::Failed, after, FAILED).await?;
                let failed = page.items.into_iter().map(|attempt| attempt.callback).collect();
                (failed, page.next.map(|next| tag.bind(next)))
            }
        };
        let queued = callbacks.len();
        send(request, Queue::Callbacks, callbacks, true).await?;
        Ok(Outcome::unchanged(Replayed { queued, next }))
    };
    request.answer_once(decide).await
}

async fn one<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    application: ApplicationId,
    version: u32,
) -> Result<Callback, Problem> {
    let stored = owned_application(hub, tenant, application).await?;
    let found = callbacks(&stored.ledger, version.saturating_sub(1)).into_iter().next();
    found
        .filter(|callback| callback.version == version)
        .ok_or_else(|| Problem::invalid(vec![FieldError::new("/version", "unknown")]))
}

async fn all_since<H: Hub>(
    hub: &H,
    subscription: &Subscription,
    since: Timestamp,
    cursor: Option<&BoundCursor>,
) -> Result<(Vec<Callback>, Option<String>), Problem> {
    let tag = ListTag::new("replay since", &subscription.tenant, format_args!("{} {since}", subscription.id));
    let cursor: Option<Cursor> = tag.open(cursor, "/cursor")?;
    let page = hub.store().list(&subscription.tenant, APPLICATIONS, cursor).await?;
    let matches = |callback: &Callback| callback.at >= since && subscription.wants(&callback.kind);
    let all = page.items.iter().flat_map(|stored| callbacks(&stored.ledger, 0)).filter(matches).collect();
    Ok((all, page.next.map(|next| tag.bind(next))))
}

/// Enqueues callbacks to the request's subscription.
///
/// The deduplication id contains the request's fingerprint, and the answer is stored after the messages are sent. When
/// a request crashes between the two steps, its repeat sends the messages again. SQS drops a duplicate within five
/// minutes; a later one is delivered with the same `webhook-id`.
async fn send<H: Hub>(
    request: &IdempotentRequest<'_, H>,
    queue: Queue,
    callbacks: Vec<Callback>,
    replay: bool,
) -> Result<(), Problem> {
    let fingerprint = request.fingerprint_text();
    let mut messages = Vec::new();
    for callback in callbacks {
        let id = callback.id();
        let addressed = SubscriptionCallback { subscription: request.id, callback, replay };
        let group = addressed.group();
        let body = proven(request.hub, &CallbackMessage::V2(addressed)).await?;
        messages.push(Outgoing { dedup: format!("{fingerprint}:{id}"), id, group, body });
    }
    for (_, result) in request.hub.queues().send(queue, messages).await? {
        result?;
    }
    Ok(())
}
