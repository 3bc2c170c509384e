//! Which messages to agencies and which callbacks to apps a recorded event causes.
//!
//! The functions are pure, so the router and the sweeper cannot disagree about what must be sent.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::application::Application;
use crate::event::Event;
use crate::ids::AgencyCode;
use crate::ledger::Ledger;
use crate::limits;
use crate::stage::{Purpose, Stage, Step, next};

/// Kinds of message to an agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A case for this agency.
    Opened,
    /// The citizen answered; the case with its new documents.
    Supplemented,
    /// The citizen withdrew the application or let it expire: the agency stops work.
    Withdrawn,
    /// The migration certificate lapsed: restore the registration.
    RestoreRequested,
}

/// A message that an agency must receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The agency that receives the message.
    pub agency: AgencyCode,
    /// The kind of message.
    pub kind: NoticeKind,
    /// Version of the event that causes the message. With the application's id it identifies the message.
    pub version: u32,
}

impl Notice {
    /// Whether the dispatch of the message is recorded. The hub sends a message again until its dispatch is recorded.
    /// After a withdrawal nothing can be recorded: an agency that misses the message learns of the withdrawal when its
    /// next report is refused.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        match self.kind {
            NoticeKind::Opened | NoticeKind::RestoreRequested | NoticeKind::Supplemented => true,
            NoticeKind::Withdrawn => false,
        }
    }
}

/// The messages that the entries after version `after` cause, in order. None from the first entry on that this version
/// of the hub cannot read: the version that wrote the entry knows what it causes.
#[must_use]
pub fn notices(ledger: &Ledger, after: u32) -> Vec<Notice> {
    let mut notices = Vec::new();
    for line in ledger.after(after) {
        let version = line.entry.version;
        let Some(then) = ledger.at(version).filter(|then| !then.is_incomplete()) else {
            continue;
        };
        if let Some(kind) = notice(&then, &line.entry.event) {
            notices.push(Notice { agency: then.agency().clone(), kind, version });
        }
    }
    notices
}

fn notice(then: &Application, event: &Event) -> Option<NoticeKind> {
    match event {
        Event::Submitted { .. } | Event::Approved { .. } | Event::MovedOut { .. } => Some(NoticeKind::Opened),
        Event::Lapsed { .. } => Some(NoticeKind::RestoreRequested),
        Event::Supplemented { .. } => Some(NoticeKind::Supplemented),
        Event::Withdrawn | Event::Expired => (then.leg_opened > 0).then_some(NoticeKind::Withdrawn),
        Event::Opened(_)
        | Event::DocumentStored { .. }
        | Event::DocumentRejected { .. }
        | Event::DocumentDiscarded { .. }
        | Event::Corrected(_)
        | Event::Dispatched { .. }
        | Event::Received
        | Event::SupplementRequested { .. }
        | Event::Signed
        | Event::NotIssued { .. }
        | Event::Produced
        | Event::Posted { .. }
        | Event::Ready { .. }
        | Event::Collected { .. }
        | Event::Verified
        | Event::Settled
        | Event::RestoredAtOrigin
        | Event::Issued { .. }
        | Event::Completed { .. }
        | Event::Rejected { .. }
        | Event::Overdue { .. }
        | Event::Unknown { .. } => None,
    }
}

/// The messages of the open leg, sent or not, oldest first: the agency may request each again. Empty when no agency has
/// the case. Of an incomplete record the messages before the first entry that cannot be read.
#[must_use]
pub fn open_notices(ledger: &Ledger) -> Vec<Notice> {
    let state = ledger.state();
    if !state.is_before_agency() {
        return Vec::new();
    }
    let mut open = notices(ledger, state.leg_opened.saturating_sub(1));
    open.retain(Notice::is_recorded);
    open
}

/// Whether the agency's queue has deleted the message by now: the message was sent more than [`limits::QUEUE_DAYS`]
/// ago, and no report followed.
#[must_use]
pub fn lost_in_queue(state: &Application, now: Timestamp) -> bool {
    in_queue_since(state).is_some_and(|since| now.duration_since(since) >= QUEUE_KEEPS)
}

/// Time at which the case was put into the agency's queue, while the agency has not reported.
#[must_use]
pub fn in_queue_since(state: &Application) -> Option<Timestamp> {
    let waits = matches!(state.stage, Stage::Dispatched | Stage::Supplemented);
    state.dispatched_at.filter(|_| waits && !state.is_incomplete() && undelivered(state).is_none())
}

/// How long a queue keeps a message.
pub const QUEUE_KEEPS: SignedDuration = SignedDuration::from_hours(24 * limits::QUEUE_DAYS);

/// The message of the current leg whose dispatch is not recorded. The sweeper sends it when the router did not.
#[must_use]
pub fn undelivered(state: &Application) -> Option<Notice> {
    let possible = !state.is_incomplete() && next(state.stage, state.purpose(), Step::Dispatch).is_some();
    (possible && state.leg_dispatched < state.message_version).then(|| Notice {
        agency: state.agency().clone(),
        kind: if state.stage == Stage::Supplemented {
            NoticeKind::Supplemented
        } else if state.purpose() == Purpose::Restore {
            NoticeKind::RestoreRequested
        } else {
            NoticeKind::Opened
        },
        version: state.message_version,
    })
}

/// Whether the app backend gets a callback about an event. Its own calls and stored documents cause no callback.
#[must_use]
pub fn calls_back(event: &Event) -> bool {
    match event {
        Event::DocumentRejected { .. }
        | Event::Dispatched { .. }
        | Event::Received
        | Event::SupplementRequested { .. }
        | Event::Signed
        | Event::NotIssued { .. }
        | Event::Produced
        | Event::Posted { .. }
        | Event::Ready { .. }
        | Event::Collected { .. }
        | Event::Approved { .. }
        | Event::Verified
        | Event::MovedOut { .. }
        | Event::Settled
        | Event::Lapsed { .. }
        | Event::RestoredAtOrigin
        | Event::Issued { .. }
        | Event::Completed { .. }
        | Event::Withdrawn
        | Event::Rejected { .. }
        | Event::Expired
        | Event::Overdue { .. } => true,
        // `dispatched` follows at once and has a callback.
        Event::Opened(_)
        | Event::DocumentStored { .. }
        | Event::DocumentDiscarded { .. }
        | Event::Corrected(_)
        | Event::Submitted { .. }
        | Event::Supplemented { .. }
        | Event::Unknown { .. } => false,
    }
}
