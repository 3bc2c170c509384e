//! Callbacks that are sent again, and test events. Both go the way of every callback to this subscription.

use domain::ids::{ApplicationId, TenantId};
use domain::stage::Stage;
use http_kit::fields::{FieldError, Fields, FromFields, flag, moment, text, whole};
use http_kit::problem::{Code, Problem};
use jiff::Timestamp;
use platform::clock::Clock as _;
use platform::deliveries::{Deliveries as _, LogCursor, Which};
use platform::hub::Hub;
use platform::outbox::callbacks;
use platform::queues::{Outgoing, Queue, Queues as _};
use platform::settings::Subscription;
use platform::store::{Cursor, Store as _};
use protocol::callback::{Callback, CallbackMessage, Directed, TEST};
use serde::Serialize;

use super::once::{Answer, Outcome, Request};
use crate::reading::owned;

/// Applications that one request looks through.
const APPLICATIONS: usize = 25;
/// Failed callbacks that one request sends again.
const FAILED: usize = 100;

/// `POST /v1/subscriptions/{id}/replay`: exactly one of the three.
#[derive(Clone, Debug)]
pub enum Replay {
    /// One callback.
    One {
        /// Of which application.
        application: ApplicationId,
        /// Which of its versions.
        version: u32,
    },
    /// All since a time, a page of applications a request.
    Since {
        /// Since when.
        since: Timestamp,
        /// Where to go on.
        cursor: Option<Cursor>,
    },
    /// Those whose last attempt of the last 7 days failed, a page a request.
    Failed {
        /// Where to go on.
        cursor: Option<LogCursor>,
    },
}

impl FromFields for Replay {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let one = fields.has("application") || fields.has("version");
        let (since, failed) = (fields.has("since"), fields.has("failed"));
        for name in ["application", "version", "since", "failed"] {
            if !fields.has(name) {
                // `null` is absent, and no unknown field.
                fields.optional(name, |_| Some(()));
            }
        }
        match (one, since, failed) {
            (true, false, false) => {
                let application = fields.required("application", text);
                let version = fields.required("version", whole(1..=u64::from(u32::MAX)));
                let version = version.and_then(|version| u32::try_from(version).ok());
                Some(Replay::One { application: application?, version: version? })
            }
            (false, true, false) => {
                let since = fields.required("since", moment);
                let cursor = fields.optional("cursor", text);
                Some(Replay::Since { since: since?, cursor })
            }
            (false, false, true) => {
                if fields.required("failed", flag) == Some(false) {
                    fields.refuse("failed", "invalid");
                }
                Some(Replay::Failed { cursor: fields.optional("cursor", text) })
            }
            (false, false, false) => {
                fields.refuse("application", "required");
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

/// What is on its way again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// How many callbacks.
    pub queued: usize,
    /// Pass as `cursor` to go on; none at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A test event that is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tested {
    /// Its `webhook-id`.
    pub webhook_id: String,
}

/// Sends a test event. Its application follows from the request and exists nowhere.
///
/// # Errors
/// 404 where the tenant has no subscription with this id, 422 where the key was used for something else.
pub async fn test<H: Hub>(request: &Request<'_, H>) -> Result<Answer, Problem> {
    let decide = || async {
        request.subscription().await?;
        let callback = Callback {
            tenant: request.tenant.clone(),
            application: ApplicationId::from_bytes16(request.whole),
            version: 1,
            kind: TEST.to_owned(),
            at: request.hub.clock().now(),
            stage: Stage::Draft,
        };
        let webhook_id = callback.id();
        send(request, vec![callback], false).await?;
        Ok(Outcome::unchanged(Tested { webhook_id }))
    };
    request.once(decide).await
}

/// Sends callbacks again, under the same `webhook-id` as before.
///
/// # Errors
/// 404 where the tenant has no subscription or application with this id, 422 where a version calls nobody back or the key
/// was used for something else.
pub async fn replay<H: Hub>(request: &Request<'_, H>, replay: &Replay) -> Result<Answer, Problem> {
    let decide = || async {
        let Request { hub, tenant, id, .. } = *request;
        let subscription = request.subscription().await?;
        let (again, next) = match replay {
            Replay::One { application, version } => {
                (vec![one(hub, tenant, *application, *version).await?], None)
            }
            Replay::Since { since, cursor } => all_since(hub, &subscription, *since, cursor.clone()).await?,
            Replay::Failed { cursor } => {
                let page = hub.deliveries().attempts(id, Which::Failed, cursor.clone(), FAILED).await?;
                let callbacks = page.items.into_iter().map(|attempt| attempt.callback).collect();
                (callbacks, page.next.map(|next| next.to_string()))
            }
        };
        let queued = again.len();
        send(request, again, true).await?;
        Ok(Outcome::unchanged(Replayed { queued, next }))
    };
    request.once(decide).await
}

async fn one<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    application: ApplicationId,
    version: u32,
) -> Result<Callback, Problem> {
    let kept = owned(hub, tenant, application).await?;
    let found = callbacks(&kept.ledger, version.saturating_sub(1)).into_iter().next();
    found
        .filter(|callback| callback.version == version)
        .ok_or_else(|| Problem::invalid(vec![FieldError::new("/version", "unknown")]))
}

async fn all_since<H: Hub>(
    hub: &H,
    subscription: &Subscription,
    since: Timestamp,
    cursor: Option<Cursor>,
) -> Result<(Vec<Callback>, Option<String>), Problem> {
    let page = hub.store().list(&subscription.tenant, APPLICATIONS, cursor).await?;
    let wanted = |callback: &Callback| callback.at >= since && subscription.wants(&callback.kind);
    let all = page.items.iter().flat_map(|kept| callbacks(&kept.ledger, 0)).filter(wanted).collect();
    Ok((all, page.next.map(|next| next.to_string())))
}

/// Sends what a request asks for. The request is part of what the queue tells repeats by for five minutes, and is
/// answered after it was sent: whoever dies between the two is repeated within them, or sends again under the same
/// `webhook-id`.
async fn send<H: Hub>(
    request: &Request<'_, H>,
    callbacks: Vec<Callback>,
    again: bool,
) -> Result<(), Problem> {
    let mark = request.mark();
    let mut messages = Vec::new();
    for callback in callbacks {
        let id = callback.id();
        let directed = Directed { subscription: request.id, callback, again };
        let group = directed.group();
        let body = serde_json::to_string(&CallbackMessage::V2(directed))
            .map_err(|_| Problem::new(Code::Internal))?;
        messages.push(Outgoing { dedup: format!("{mark}:{id}"), id, group, body });
    }
    for (_, result) in request.hub.queues().send(Queue::Callbacks, messages).await? {
        result?;
    }
    Ok(())
}
