//! Decides whether a command may happen, and which events it causes.

mod faults;

use jiff::Timestamp;
use thiserror::Error;

pub use faults::Fault;
use faults::{faults, written};

use crate::application::{Application, Document};
use crate::calendar::{Calendar, Deadline};
use crate::catalogue::Provider;
use crate::command::{Actor, AgencyReport, Attempt, Command, ReportedResult};
use crate::effect::undelivered;
use crate::event::{Correction, DocumentFault, Event, HandOver, MissingItem, Slot, StoredObject};
use crate::evolve::evolve;
use crate::ids::DocumentId;
use crate::limits;
use crate::stage::{Purpose, Stage, Step, Taker, next, opens_next_leg};
use crate::time::today;

/// Why a command is refused. No refusal carries personal data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A newer version of the hub recorded something that this version cannot read, as after a rollback. The newer
    /// version can take the command.
    #[error("a newer version of the hub changed the application, so this version changes nothing")]
    IncompleteRead,
    /// The application belongs to another tenant, or the agency has no leg of it. Callers respond "not found".
    #[error("the application belongs to another tenant, or the agency has no part in it")]
    NotYours,
    /// The step is not possible at this stage.
    #[error("the step {} is not possible at stage {}", .step.name(), .stage.name())]
    Illegal {
        /// The current stage.
        stage: Stage,
        /// The step that the command takes.
        step: Step,
    },
    /// The agency has another leg of the application, but not the open one.
    #[error("the open leg belongs to another agency")]
    OtherLeg {
        /// The current stage.
        stage: Stage,
    },
    /// The report builds on an outdated version, or on a version that does not exist.
    #[error("the report builds on version {seen}, but the open leg accepts versions {from} to {to}")]
    Stale {
        /// Version that the report builds on.
        seen: u32,
        /// First version that the report may build on.
        from: u32,
        /// Current version.
        to: u32,
    },
    /// The caller required a version that is not the current one.
    #[error("the application is at version {version}, not at the version that the caller requires")]
    Changed {
        /// The current version.
        version: u32,
    },
    /// The key was used for another request body.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Required documents are missing; the list is complete.
    #[error("{} required documents are missing", .0.len())]
    Missing(Vec<DocumentId>),
    /// The agency reports a document whose last upload was rejected.
    #[error("the document {document} was uploaded and rejected")]
    DocumentRejected {
        /// Id of the document.
        document: DocumentId,
        /// Reason for the rejection.
        fault: DocumentFault,
    },
    /// The application's record has reached [`limits::ITEM_BYTES_SOFT`], or the table refuses a larger item.
    #[error("the record of the application has no room for this step")]
    Full,
    /// Fields of the report are wrong; the list is complete.
    #[error("{} fields of the report are wrong", .0.len())]
    Invalid(Vec<Fault>),
    /// The application has reached a limit of [`limits`].
    #[error("the application has reached its limit of {0}")]
    Bound(&'static str),
}

impl Refusal {
    /// Stable name for logs and evidence.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::IncompleteRead => "incomplete_read",
            Refusal::NotYours => "not_yours",
            Refusal::OtherLeg { .. } => "other_leg",
            Refusal::Illegal { .. } => "illegal_step",
            Refusal::Stale { .. } => "stale_version",
            Refusal::Changed { .. } => "changed",
            Refusal::KeyReused => "key_reused",
            Refusal::Missing(_) => "documents_missing",
            Refusal::DocumentRejected { .. } => "document_rejected",
            Refusal::Full => "application_full",
            Refusal::Invalid(_) => "invalid_fields",
            Refusal::Bound(_) => "bound_reached",
        }
    }
}

/// Decides a command. `Ok` without events means that the command was done before and nothing changes.
///
/// # Errors
/// A [`Refusal`] says why the command may not happen.
pub fn decide(state: &Application, attempt: &Attempt, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    // The id of a key is derived from its caller, so only the same caller can repeat a command. A repeat succeeds even
    // when the caller may no longer act.
    if let Some(key) = attempt.key
        && let Some(taken) = state.applied_command(&key.id)
    {
        return if taken.key.body == key.body { Ok(Vec::new()) } else { Err(Refusal::KeyReused) };
    }
    if state.is_incomplete() && is_party(state, &attempt.by) {
        return Err(Refusal::IncompleteRead);
    }
    authorize(state, &attempt.by, attempt.command.step())?;
    if attempt.expected_version.is_some_and(|version| version != state.version) {
        return Err(Refusal::Changed { version: state.version });
    }
    match &attempt.command {
        Command::StoreDocument { document, round, object } => {
            store_document(state, *document, *round, object, now)
        }
        Command::RejectDocument { document, round, version, fault } => {
            reject_document(state, *document, *round, version, *fault)
        }
        Command::DiscardDocument { document, round } => discard_document(state, *document, *round),
        Command::Correct(correction) => correct(state, correction, now),
        Command::Submit => {
            possible(state, Step::Submit)?;
            nothing_missing(state)?;
            Ok(vec![submitted(state, now)])
        }
        Command::Dispatch { message_version } => {
            if *message_version < state.message_version
                || (*message_version == state.message_version && state.leg_dispatched > state.message_version)
            {
                return Ok(Vec::new());
            }
            possible(state, Step::Dispatch)?;
            Ok(vec![Event::Dispatched { leg: state.leg }])
        }
        Command::Supplement => {
            possible(state, Step::Supplement)?;
            nothing_missing(state)?;
            Ok(vec![Event::Supplemented { due: due(state, state.purpose(), now) }])
        }
        Command::HandOver { how } => {
            possible(state, Step::HandOver)?;
            Ok(vec![handed_over(state.stage, *how)])
        }
        Command::Settle => {
            possible(state, Step::Settle)?;
            Ok(vec![Event::Settled])
        }
        Command::Withdraw => {
            possible(state, Step::Withdraw)?;
            Ok(vec![Event::Withdrawn])
        }
        Command::Report(report) => decide_report(state, report, now),
        Command::Lapse => {
            possible(state, Step::Lapse)?;
            Ok(vec![Event::Lapsed { due: next_due(state, Step::Lapse, now) }])
        }
        Command::Expire => {
            possible(state, Step::Expire)?;
            Ok(vec![Event::Expired])
        }
        Command::MarkOverdue => {
            if state.overdue {
                return Ok(Vec::new());
            }
            possible(state, Step::MarkOverdue)?;
            Ok(vec![Event::Overdue { leg: state.leg }])
        }
    }
}

/// Whether the party may know that the application exists.
fn is_party(state: &Application, by: &Actor) -> bool {
    match by {
        Actor::Tenant(tenant) => tenant == state.tenant(),
        Actor::Agency(agency) => state.involves(agency),
        Actor::Hub => true,
        Actor::Unknown => false,
    }
}

fn authorize(state: &Application, by: &Actor, step: Step) -> Result<(), Refusal> {
    let taker = step.taken_by();
    let may = match by {
        Actor::Tenant(tenant) => matches!(taker, Taker::App | Taker::AppOrAgency) && tenant == state.tenant(),
        Actor::Agency(agency) => {
            matches!(taker, Taker::Agency | Taker::AppOrAgency)
                && state.leg_opened > 0
                && agency == state.agency()
        }
        Actor::Hub => matches!(taker, Taker::Hub),
        Actor::Unknown => false,
    };
    // An agency of an earlier leg knows the case, so its refusal may reveal the stage.
    let was_involved = matches!(by, Actor::Agency(agency) if state.involves(agency));
    match (may, was_involved) {
        (true, _) => Ok(()),
        (false, true) => Err(not_now(state, by, step)),
        (false, false) => Err(Refusal::NotYours),
    }
}

/// The refusal for an agency of the application whose step is not possible now.
fn not_now(state: &Application, by: &Actor, step: Step) -> Refusal {
    match by {
        Actor::Agency(agency) if agency != state.agency() => Refusal::OtherLeg { stage: state.stage },
        Actor::Agency(_) | Actor::Tenant(_) | Actor::Hub | Actor::Unknown => {
            Refusal::Illegal { stage: state.stage, step }
        }
    }
}

/// Checks that the stage table has the step, that the leg which it opens exists, and that the event list has room.
fn possible(state: &Application, step: Step) -> Result<Stage, Refusal> {
    let stage = next(state.stage, state.purpose(), step)
        .filter(|_| !opens_next_leg(step) || state.next_leg(step).is_some())
        .ok_or(Refusal::Illegal { stage: state.stage, step })?;
    let room = match (is_repeatable(step), state.stage) {
        (true, Stage::Draft) => limits::EVENTS_DRAFT,
        (true, _) => limits::EVENTS_SOFT,
        (false, _) => limits::EVENTS,
    };
    let has_room = usize::try_from(state.version).is_ok_and(|version| version < room);
    // An end is always possible, whatever the number of events.
    if has_room || stage.is_final() { Ok(stage) } else { Err(Refusal::Bound("events")) }
}

/// Steps that can occur many times. They stop at [`limits::EVENTS_SOFT`], those of a draft at [`limits::EVENTS_DRAFT`], all
/// at [`limits::ITEM_BYTES_SOFT`], and leave room for the steps that end an application.
#[must_use]
pub fn is_repeatable(step: Step) -> bool {
    matches!(step, Step::RejectDocument | Step::DiscardDocument | Step::Correct | Step::RequestSupplement)
}

fn nothing_missing(state: &Application) -> Result<(), Refusal> {
    let missing: Vec<DocumentId> = state.missing().map(|document| document.slot.id).collect();
    if missing.is_empty() { Ok(()) } else { Err(Refusal::Missing(missing)) }
}

/// The submission to the agency of the first leg.
fn submitted(state: &Application, now: Timestamp) -> Event {
    let first = state.opened.legs.first().map_or(state.purpose(), |leg| leg.purpose);
    Event::Submitted { due: due(state, first, now) }
}

fn due(state: &Application, purpose: Purpose, now: Timestamp) -> Deadline {
    state.limit_from(purpose, now)
}

/// Deadline of the leg that a step opens.
fn next_due(state: &Application, step: Step, now: Timestamp) -> Deadline {
    let next = state.next_leg(step).and_then(|index| state.opened.legs.get(index));
    due(state, next.map_or(state.purpose(), |leg| leg.purpose), now)
}

fn handed_over(stage: Stage, how: HandOver) -> Event {
    if stage == Stage::Issued { Event::Completed { how } } else { Event::Collected { how } }
}

fn slot(state: &Application, document: DocumentId) -> Result<&Document, Refusal> {
    state.document(document).ok_or_else(|| Refusal::Missing(vec![document]))
}

fn store_document(
    state: &Application,
    document: DocumentId,
    round: u8,
    object: &StoredObject,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let found = slot(state, document)?;
    // A repeat, or an older round: the current upload is already recorded.
    if found.stored().is_some() || round != found.round {
        return Ok(Vec::new());
    }
    possible(state, Step::StoreDocument)?;
    let mut events = vec![Event::DocumentStored { document, object: object.clone() }];
    let last = found.slot.provider == Provider::App && state.missing().all(|other| other.slot.id == document);
    if last && state.stage == Stage::Draft && state.opened.submit_when_complete {
        events.push(submitted(state, now));
    }
    Ok(events)
}

fn discard_document(state: &Application, document: DocumentId, round: u8) -> Result<Vec<Event>, Refusal> {
    let found = slot(state, document)?;
    // A repeat: the file of this round is discarded already, and a later one stays.
    if found.stored().is_none() || round != found.round {
        return Ok(Vec::new());
    }
    possible(state, Step::DiscardDocument)?;
    if found.sent || found.slot.provider != Provider::App {
        return Err(Refusal::Illegal { stage: state.stage, step: Step::DiscardDocument });
    }
    if state.replacements >= limits::REPLACEMENTS {
        return Err(Refusal::Bound("replacements"));
    }
    Ok(vec![Event::DocumentDiscarded { document }])
}

fn correct(state: &Application, correction: &Correction, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    possible(state, Step::Correct)?;
    if correction.legs.is_empty() {
        return Err(Refusal::Illegal { stage: state.stage, step: Step::Correct });
    }
    if state.corrections >= limits::CORRECTIONS {
        return Err(Refusal::Bound("corrections"));
    }
    if correction.slots.len() > limits::DOCUMENTS {
        return Err(Refusal::Bound("documents"));
    }
    let corrected = Event::Corrected(Box::new(correction.clone()));
    let then = evolve(state.clone(), &corrected, now, None);
    let mut events = vec![corrected];
    // The corrected draft may need no further document.
    if then.opened.submit_when_complete && then.missing().next().is_none() {
        events.push(submitted(&then, now));
    }
    Ok(events)
}

fn reject_document(
    state: &Application,
    document: DocumentId,
    round: u8,
    version: &str,
    fault: DocumentFault,
) -> Result<Vec<Event>, Refusal> {
    let found = slot(state, document)?;
    // A repeat, or an older round: the current upload is already recorded.
    if round != found.round || found.stored().is_some() {
        return Ok(Vec::new());
    }
    if found.rejections >= limits::REJECTIONS {
        return Err(Refusal::Bound("rejections"));
    }
    possible(state, Step::RejectDocument)?;
    Ok(vec![Event::DocumentRejected { document, version: version.to_owned(), fault }])
}

fn decide_report(state: &Application, report: &AgencyReport, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    // The agency has the case, so its message was dispatched, even if the router has not recorded the dispatch.
    if undelivered(state).is_some() && report.result.step() == Step::Receive {
        let dispatched = Event::Dispatched { leg: state.leg };
        let then = evolve(state.clone(), &dispatched, now, None);
        let received = decide_result(&then, report, now)?;
        return Ok(std::iter::once(dispatched).chain(received).collect());
    }
    decide_result(state, report, now)
}

fn decide_result(state: &Application, report: &AgencyReport, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let step = report.result.step();
    if !state.reports().contains(&step) {
        return Err(Refusal::Illegal { stage: state.stage, step });
    }
    possible(state, step)?;
    let from = state.leg_opened;
    if report.seen < from || report.seen > state.version {
        return Err(Refusal::Stale { seen: report.seen, from, to: state.version });
    }
    let faults = faults(state, &report.result, now);
    if !faults.is_empty() {
        return Err(Refusal::Invalid(faults));
    }
    let event = match &report.result {
        ReportedResult::Received => Event::Received,
        ReportedResult::SupplementRequested { items } => request_supplement(state, items, now)?,
        ReportedResult::Signed => Event::Signed,
        ReportedResult::NotIssued { reason } => Event::NotIssued { reason: written(reason) },
        ReportedResult::Produced => Event::Produced,
        ReportedResult::Posted { carrier, tracking } => {
            Event::Posted { carrier: written(carrier), tracking: written(tracking) }
        }
        ReportedResult::Ready { place } => Event::Ready { place: written(place) },
        ReportedResult::Approved { permit } => {
            Event::Approved { permit: written(permit), due: next_due(state, Step::Approve, now) }
        }
        ReportedResult::Verified => Event::Verified,
        ReportedResult::MovedOut { certificate, issued_on: _, valid_until } => Event::MovedOut {
            certificate: written(certificate),
            valid_until: *valid_until,
            due: next_due(state, Step::MoveOut, now),
        },
        ReportedResult::Settled => Event::Settled,
        ReportedResult::Restored => Event::RestoredAtOrigin,
        ReportedResult::Issued { document, certificate } => {
            let found = slot(state, *document)?;
            match (found.stored(), found.fault) {
                (Some(_), _) => {}
                (None, Some(fault)) => {
                    return Err(Refusal::DocumentRejected { document: *document, fault });
                }
                (None, None) => return Err(Refusal::Missing(vec![*document])),
            }
            Event::Issued { document: *document, certificate: written(certificate) }
        }
        ReportedResult::Rejected { reason } => Event::Rejected { reason: written(reason) },
    };
    Ok(vec![event])
}

fn request_supplement(state: &Application, items: &[MissingItem], now: Timestamp) -> Result<Event, Refusal> {
    if state.supplement_rounds >= limits::SUPPLEMENT_ROUNDS {
        return Err(Refusal::Bound("supplement_rounds"));
    }
    if state.documents.len().saturating_add(items.len()) > limits::DOCUMENTS {
        return Err(Refusal::Bound("documents"));
    }
    let mut slots = Vec::with_capacity(items.len());
    let first = usize::from(state.last_document).saturating_add(1);
    for (number, item) in (first..).zip(items) {
        slots.push(Slot {
            id: DocumentId::numbered(number).ok_or(Refusal::Bound("documents"))?,
            requirement: written(&item.name),
            accepts: item.accepts.clone(),
            provider: Provider::App,
        });
    }
    let until = Calendar::official().period(today(now), limits::SUPPLEMENT_DAYS).date;
    let items = items.iter().map(|item| MissingItem {
        name: written(&item.name),
        accepts: item.accepts.clone(),
        note: written(&item.note),
    });
    Ok(Event::SupplementRequested { items: items.collect(), slots, until })
}
