//! Rows of the deliveries table: `pk`, `sk`, `bo` = the JSON body, `ttl` = time after which DynamoDB may remove the
//! row.
//!
//! | `pk` | `sk` | row |
//! |---|---|---|
//! | `stored#<subscription>` | `<application>#<version>` | a stored callback |
//! | `log#<subscription>` | `<milliseconds>#<webhook-id>#<attempt>` | an attempt |
//! | `failed#<subscription>` | `<application>#<version>` | the last attempt of an undelivered callback |
//! | `notices#<tenant>` | `<milliseconds>#<subscription>#<type>` | a notice |

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::{ApplicationId, SubscriptionId, TenantId};
use jiff::Timestamp;
use protocol::callback::Callback;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Attempt, Cause, DeliveryWrite, LOG_DAYS, NOTICE_DAYS, Notice, STORED_DAYS, Which};
use crate::store::{CursorError, StoreError};

/// Characters of the longest sort key.
const KEY_CHARACTERS: usize = 128;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub(super) pk: String,
    pub(super) sk: String,
    pub(super) body: String,
    /// Seconds since 1970.
    pub(super) ttl: i64,
}

/// A change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Put the row; replaces an existing one.
    Put(Row),
    /// Delete the row with these keys, if it exists.
    Delete {
        /// Partition key.
        pk: String,
        /// Sort key.
        sk: String,
    },
}

impl Change {
    pub(super) fn key(&self) -> (String, String) {
        match self {
            Change::Put(row) => (row.pk.clone(), row.sk.clone()),
            Change::Delete { pk, sk } => (pk.clone(), sk.clone()),
        }
    }
}

/// A position in a list of attempts or notices. Opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCursor(pub(super) String);

impl LogCursor {
    /// The position after a notice, where the next page of the feed begins.
    #[must_use]
    pub fn behind(notice: &Notice) -> LogCursor {
        LogCursor(notice_sk(notice))
    }
}

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl FromStr for LogCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let key = String::from_utf8(bytes).map_err(|_| CursorError)?;
        let plain = |sign: char| sign.is_ascii_alphanumeric() || "#:-._".contains(sign);
        let fits = (1..=KEY_CHARACTERS).contains(&key.len()) && key.chars().all(plain);
        if fits { Ok(LogCursor(key)) } else { Err(CursorError) }
    }
}

/// The body of an attempt.
#[derive(Serialize, Deserialize)]
struct AttemptBody {
    callback: Callback,
    number: u32,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    latency_ms: u32,
}

impl Row {
    fn new<T: Serialize>(
        pk: String,
        sk: String,
        body: &T,
        from: Timestamp,
        days: i64,
    ) -> Result<Row, StoreError> {
        let body = serde_json::to_string(body).map_err(|_| StoreError::Unreadable("bo"))?;
        Ok(Row { pk, sk, body, ttl: from.as_second().saturating_add(days.saturating_mul(86_400)) })
    }

    pub(super) fn stored_callback(
        subscription: SubscriptionId,
        callback: &Callback,
        now: Timestamp,
    ) -> Result<Row, StoreError> {
        let sk = stored_sk(callback.application, callback.version);
        Row::new(stored_pk(subscription), sk, callback, now, STORED_DAYS)
    }

    pub(super) fn notice(tenant: &TenantId, notice: &Notice) -> Result<Row, StoreError> {
        Row::new(notices_pk(tenant), notice_sk(notice), notice, notice.at, NOTICE_DAYS)
    }

    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_str(&self.body).map_err(|_| StoreError::Unreadable("bo"))
    }

    pub(super) fn callback(&self) -> Result<Callback, StoreError> {
        self.read()
    }

    pub(super) fn attempt(&self, subscription: SubscriptionId) -> Result<Attempt, StoreError> {
        let logged: AttemptBody = self.read()?;
        let result = match (logged.status, logged.cause) {
            (Some(status), _) => Ok(status),
            (None, Some(cause)) => Err(cause),
            (None, None) => return Err(StoreError::Unreadable("bo")),
        };
        Ok(Attempt {
            subscription,
            callback: logged.callback,
            number: logged.number,
            at: logged.at,
            result,
            latency_ms: logged.latency_ms,
        })
    }
}

pub(super) fn stored_pk(subscription: SubscriptionId) -> String {
    format!("stored#{subscription}")
}

/// Ten digits hold any version, so the keys are in the order of versions.
pub(super) fn stored_sk(application: ApplicationId, version: u32) -> String {
    format!("{application}#{version:010}")
}

pub(super) fn log_pk(subscription: SubscriptionId, which: Which) -> String {
    match which {
        Which::All => format!("log#{subscription}"),
        Which::Failed => format!("failed#{subscription}"),
    }
}

fn notice_sk(notice: &Notice) -> String {
    format!("{:013}#{}#{}", notice.at.as_millisecond(), notice.subscription, notice.kind.name())
}

pub(super) fn notices_pk(tenant: &TenantId) -> String {
    format!("notices#{tenant}")
}

/// The row changes of these lines. Of two changes with one key the last counts.
pub(super) fn changes(lines: &[DeliveryWrite]) -> Result<Vec<Change>, StoreError> {
    let mut changes = BTreeMap::new();
    let mut add = |change: Change| {
        changes.insert(change.key(), change);
    };
    for line in lines {
        match line {
            DeliveryWrite::Released(subscription, callback) => add(Change::Delete {
                pk: stored_pk(*subscription),
                sk: stored_sk(callback.application, callback.version),
            }),
            DeliveryWrite::Attempted(attempt) => {
                let (all, failed) =
                    (log_pk(attempt.subscription, Which::All), log_pk(attempt.subscription, Which::Failed));
                let (millis, id) = (attempt.at.as_millisecond(), attempt.callback.id());
                let logged = AttemptBody {
                    callback: attempt.callback.clone(),
                    number: attempt.number,
                    at: attempt.at,
                    status: attempt.result.ok(),
                    cause: attempt.result.err(),
                    latency_ms: attempt.latency_ms,
                };
                let sk = format!("{millis:013}#{id}#{}", attempt.number);
                add(Change::Put(Row::new(all, sk, &logged, attempt.at, LOG_DAYS)?));
                let sk = stored_sk(attempt.callback.application, attempt.callback.version);
                if !attempt.is_delivered() {
                    add(Change::Put(Row::new(failed, sk, &logged, attempt.at, LOG_DAYS)?));
                } else if attempt.number > 1 {
                    add(Change::Delete { pk: failed, sk });
                }
            }
        }
    }
    Ok(changes.into_values().collect())
}
