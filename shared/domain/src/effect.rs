//! What a recorded change must cause outside: a message to an agency, a callback to the app.
//!
//! Pure, so the router and the sweeper cannot disagree about what is owed.

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
    /// The citizen took it back, or ran out of time: stop work.
    Withdrawn,
    /// The migration certificate lapsed: restore the registration.
    RestoreRequested,
}

/// A message owed to an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// To whom.
    pub agency: AgencyCode,
    /// What.
    pub kind: NoticeKind,
    /// Version of the event that causes it; with the application's id it is the message's identity.
    pub version: u32,
}

impl Notice {
    /// Whether its dispatch is recorded, so that it is sent again until it is. After a withdrawal nothing can be
    /// recorded any more; an agency that never hears of one is told by the refusal of its next report.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        match self.kind {
            NoticeKind::Opened | NoticeKind::RestoreRequested | NoticeKind::Supplemented => true,
            NoticeKind::Withdrawn => false,
        }
    }
}

/// The messages that the entries after `seen` owe to agencies, in order.
#[must_use]
pub fn notices(ledger: &Ledger, seen: u32) -> Vec<Notice> {
    let mut outbox = Vec::new();
    for line in ledger.after(seen) {
        let version = line.entry.version;
        let Some(then) = ledger.at(version) else {
            continue;
        };
        if let Some(kind) = notice(&then, &line.entry.event) {
            outbox.push(Notice { agency: then.agency().clone(), kind, version });
        }
    }
    outbox
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
        | Event::Overdue { .. } => None,
    }
}

/// The cases the open leg's agency was sent, or is owed, oldest first: what it may ask for again. Empty where the case
/// is not before an agency.
#[must_use]
pub fn open_notices(ledger: &Ledger) -> Vec<Notice> {
    let head = ledger.head();
    if !head.is_before_agency() {
        return Vec::new();
    }
    let mut open = notices(ledger, head.leg_opened - 1);
    open.retain(Notice::is_recorded);
    open
}

/// Whether the agency's queue has lost the case by now: it was put there longer ago than a queue keeps anything
/// ([`limits::QUEUE_DAYS`]), and nothing has come of it since.
#[must_use]
pub fn lost_in_queue(head: &Application, now: Timestamp) -> bool {
    in_queue_since(head).is_some_and(|since| now.duration_since(since) >= QUEUE_KEEPS)
}

/// When the case was put into the agency's queue, while that is all that is known.
#[must_use]
pub fn in_queue_since(head: &Application) -> Option<Timestamp> {
    let waits = matches!(head.stage, Stage::Dispatched | Stage::Supplemented);
    head.dispatched_at.filter(|_| waits && undelivered(head).is_none())
}

/// How long a queue keeps a message.
pub const QUEUE_KEEPS: SignedDuration = SignedDuration::from_hours(24 * limits::QUEUE_DAYS);

/// The message that the current leg's agency is owed, while its dispatch is not recorded: what the sweeper
/// sends when the router did not.
#[must_use]
pub fn undelivered(head: &Application) -> Option<Notice> {
    let possible = next(head.stage, head.purpose(), Step::Dispatch).is_some();
    (possible && head.leg_dispatched < head.outbox).then(|| Notice {
        agency: head.agency().clone(),
        kind: if head.stage == Stage::Supplemented {
            NoticeKind::Supplemented
        } else if head.purpose() == Purpose::Restore {
            NoticeKind::RestoreRequested
        } else {
            NoticeKind::Opened
        },
        version: head.outbox,
    })
}

/// Whether the app backend is called back about an event. It is not told what it did itself in the
/// same call, and not about documents that simply arrived.
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
        // `dispatched` follows at once and says that it reached the agency.
        Event::Opened(_)
        | Event::DocumentStored { .. }
        | Event::Submitted { .. }
        | Event::Supplemented { .. } => false,
    }
}
