//! May this happen? The one place that answers.

use jiff::tz::Offset;
use jiff::{Timestamp, civil::Date};
use thiserror::Error;

use crate::application::{Application, Document};
use crate::calendar::{Calendar, Deadline};
use crate::catalogue::{Provider, service_row};
use crate::command::{Actor, Attempt, Command, Finding, Report};
use crate::effect::undelivered;
use crate::event::{DocumentFault, Event, HandOver, MissingItem, Slot, StoredObject};
use crate::evolve::evolve;
use crate::ids::DocumentId;
use crate::limits;
use crate::stage::{Purpose, Stage, Step, Taker, next, opens_next_leg};

/// Why a command is refused. Adapters turn each into an answer; none carries personal data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Not the caller's application. Answered as "not found".
    #[error("not the caller's application")]
    NotYours,
    /// The step is not possible at this stage.
    #[error("{} is not possible at stage {}", .step.name(), .stage.name())]
    Illegal {
        /// Where the application stands.
        stage: Stage,
        /// What was asked.
        step: Step,
    },
    /// The agency has a part in the application, but this leg is another's.
    #[error("the open leg is another agency's")]
    OtherLeg {
        /// The stage.
        stage: Stage,
    },
    /// The report builds on a version that has been overtaken, or that does not exist.
    #[error("the report builds on version {seen}, the leg is between {from} and {to}")]
    Stale {
        /// What the agency has seen.
        seen: u32,
        /// First version it may have seen.
        from: u32,
        /// Current version.
        to: u32,
    },
    /// The caller set a version as the condition, and it is not the current one.
    #[error("the application is at version {version}")]
    Changed {
        /// The current version.
        version: u32,
    },
    /// The same key was used for another body.
    #[error("the key was used for another request")]
    KeyReused,
    /// Documents are missing, all of them named.
    #[error("{} documents are missing", .0.len())]
    Missing(Vec<DocumentId>),
    /// Fields of the report are wrong, all of them named.
    #[error("{} fields are wrong", .0.len())]
    Invalid(Vec<Fault>),
    /// A bound of [`limits`] is reached.
    #[error("the application has reached its bound: {0}")]
    Bound(&'static str),
}

impl Refusal {
    /// Its stable name, for logs and evidence.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::NotYours => "not_yours",
            Refusal::OtherLeg { .. } => "other_leg",
            Refusal::Illegal { .. } => "illegal_step",
            Refusal::Stale { .. } => "stale_version",
            Refusal::Changed { .. } => "changed",
            Refusal::KeyReused => "key_reused",
            Refusal::Missing(_) => "documents_missing",
            Refusal::Invalid(_) => "invalid_fields",
            Refusal::Bound(_) => "bound_reached",
        }
    }
}

/// One wrong field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer into the report, for example `/items/0/name`.
    pub pointer: String,
    /// Stable code, for example `too_long`.
    pub code: &'static str,
}

/// China's one time zone; deadlines are days there. UTC+8 all year.
pub const CHINA: Offset = Offset::constant(8);

/// The calendar day in China at `now`.
#[must_use]
pub fn today(now: Timestamp) -> Date {
    CHINA.to_datetime(now).date()
}

/// Decides a command. `Ok` with no event means: this was done before, nothing changes.
///
/// # Errors
/// Every reason why it may not happen is a [`Refusal`].
pub fn decide(head: &Application, attempt: &Attempt, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    // A key's id covers its caller, so only the caller itself can repeat it; the repeat is answered even
    // where the caller's part is over.
    if let Some(key) = attempt.key
        && let Some(taken) = head.taken(&key.id)
    {
        return if taken.key.body == key.body { Ok(Vec::new()) } else { Err(Refusal::KeyReused) };
    }
    authorize(head, &attempt.by, attempt.command.step())?;
    if attempt.only_at.is_some_and(|version| version != head.version) {
        return Err(Refusal::Changed { version: head.version });
    }
    match &attempt.command {
        Command::StoreDocument { document, round, object } => {
            store_document(head, *document, *round, object, now)
        }
        Command::RejectDocument { document, round, version, fault } => {
            reject_document(head, *document, *round, version, *fault)
        }
        Command::Submit => {
            possible(head, Step::Submit)?;
            nothing_missing(head)?;
            let first = head.opened.legs.first().map_or(head.purpose(), |leg| leg.purpose);
            Ok(vec![Event::Submitted { due: due(head, first, now) }])
        }
        Command::Dispatch { outbox } => {
            if *outbox < head.outbox || (*outbox == head.outbox && head.leg_dispatched > head.outbox) {
                return Ok(Vec::new());
            }
            possible(head, Step::Dispatch)?;
            Ok(vec![Event::Dispatched { leg: head.leg }])
        }
        Command::Supplement => {
            possible(head, Step::Supplement)?;
            nothing_missing(head)?;
            Ok(vec![Event::Supplemented { due: due(head, head.purpose(), now) }])
        }
        Command::HandOver { how } => {
            possible(head, Step::HandOver)?;
            Ok(vec![handed_over(head.stage, *how)])
        }
        Command::Settle => {
            possible(head, Step::Settle)?;
            Ok(vec![Event::Settled])
        }
        Command::Withdraw => {
            possible(head, Step::Withdraw)?;
            Ok(vec![Event::Withdrawn])
        }
        Command::Report(report) => decide_report(head, report, now),
        Command::Lapse => {
            possible(head, Step::Lapse)?;
            Ok(vec![Event::Lapsed { due: next_due(head, Step::Lapse, now) }])
        }
        Command::Expire => {
            possible(head, Step::Expire)?;
            Ok(vec![Event::Expired])
        }
        Command::MarkOverdue => {
            if head.overdue {
                return Ok(Vec::new());
            }
            possible(head, Step::MarkOverdue)?;
            Ok(vec![Event::Overdue { leg: head.leg }])
        }
    }
}

fn authorize(head: &Application, by: &Actor, step: Step) -> Result<(), Refusal> {
    let taker = step.taken_by();
    let may = match by {
        Actor::Tenant(tenant) => matches!(taker, Taker::App | Taker::AppOrAgency) && tenant == head.tenant(),
        Actor::Agency(agency) => {
            matches!(taker, Taker::Agency | Taker::AppOrAgency)
                && head.leg_opened > 0
                && agency == head.agency()
        }
        Actor::Hub => matches!(taker, Taker::Hub),
    };
    // An agency of an earlier leg knows the case: it is told that its step is past, not that there is none.
    let was_involved = matches!(by, Actor::Agency(agency) if head.involves(agency));
    match (may, was_involved) {
        (true, _) => Ok(()),
        (false, true) => Err(not_now(head, by, step)),
        (false, false) => Err(Refusal::NotYours),
    }
}

/// What an agency that has a part in the application is told when its step may not be taken.
fn not_now(head: &Application, by: &Actor, step: Step) -> Refusal {
    match by {
        Actor::Agency(agency) if agency != head.agency() => Refusal::OtherLeg { stage: head.stage },
        Actor::Agency(_) | Actor::Tenant(_) | Actor::Hub => Refusal::Illegal { stage: head.stage, step },
    }
}

/// The step is in the table, its next leg exists where it opens one, and the event list has room for it.
fn possible(head: &Application, step: Step) -> Result<Stage, Refusal> {
    let stage = next(head.stage, head.purpose(), step)
        .filter(|_| !opens_next_leg(step) || head.next_leg(step).is_some())
        .ok_or(Refusal::Illegal { stage: head.stage, step })?;
    let room = if takes_a_turn(step) { limits::EVENTS_SOFT } else { limits::EVENTS };
    if usize::try_from(head.version).is_ok_and(|version| version >= room) {
        return Err(Refusal::Bound("events"));
    }
    Ok(stage)
}

/// Steps that can be repeated, and so must leave room for those that lead to an end.
fn takes_a_turn(step: Step) -> bool {
    matches!(step, Step::RejectDocument | Step::RequestSupplement)
}

fn nothing_missing(head: &Application) -> Result<(), Refusal> {
    let missing: Vec<DocumentId> = head.missing().map(|document| document.slot.id).collect();
    if missing.is_empty() { Ok(()) } else { Err(Refusal::Missing(missing)) }
}

fn due(head: &Application, purpose: Purpose, now: Timestamp) -> Deadline {
    let days = service_row(head.opened.service).limit(purpose).unwrap_or(20);
    Calendar::official().deadline(today(now), days)
}

/// The limit of the leg that a step opens.
fn next_due(head: &Application, step: Step, now: Timestamp) -> Deadline {
    let next = head.next_leg(step).and_then(|index| head.opened.legs.get(index));
    due(head, next.map_or(head.purpose(), |leg| leg.purpose), now)
}

fn handed_over(stage: Stage, how: HandOver) -> Event {
    if stage == Stage::Issued { Event::Completed { how } } else { Event::Collected { how } }
}

fn slot(head: &Application, document: DocumentId) -> Result<&Document, Refusal> {
    head.document(document).ok_or_else(|| Refusal::Missing(vec![document]))
}

fn store_document(
    head: &Application,
    document: DocumentId,
    round: u8,
    object: &StoredObject,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let found = slot(head, document)?;
    // A repeat, or an older round: what counts is already recorded.
    if found.stored().is_some() || round < found.rejections {
        return Ok(Vec::new());
    }
    possible(head, Step::StoreDocument)?;
    let mut events = vec![Event::DocumentStored { document, object: object.clone() }];
    let last = found.slot.provider == Provider::App && head.missing().all(|other| other.slot.id == document);
    if last && head.stage == Stage::Draft && head.opened.submit_when_complete {
        let first = head.opened.legs.first().map_or(head.purpose(), |leg| leg.purpose);
        events.push(Event::Submitted { due: due(head, first, now) });
    }
    Ok(events)
}

fn reject_document(
    head: &Application,
    document: DocumentId,
    round: u8,
    version: &str,
    fault: DocumentFault,
) -> Result<Vec<Event>, Refusal> {
    let found = slot(head, document)?;
    // A repeat, or an older round: what counts is already recorded.
    if round < found.rejections || found.stored().is_some() {
        return Ok(Vec::new());
    }
    if found.rejections >= limits::REJECTIONS {
        return Err(Refusal::Bound("rejections"));
    }
    possible(head, Step::RejectDocument)?;
    Ok(vec![Event::DocumentRejected { document, version: version.to_owned(), fault }])
}

fn decide_report(head: &Application, report: &Report, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    // The agency holds the case, so it was dispatched, whether or not the router came to record it.
    if undelivered(head).is_some() && report.finding.step() == Step::Receive {
        let dispatched = Event::Dispatched { leg: head.leg };
        let then = evolve(head.clone(), &dispatched, now, None);
        let received = decide_finding(&then, report, now)?;
        return Ok(std::iter::once(dispatched).chain(received).collect());
    }
    decide_finding(head, report, now)
}

fn decide_finding(head: &Application, report: &Report, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let step = report.finding.step();
    if !head.reports().contains(&step) {
        return Err(Refusal::Illegal { stage: head.stage, step });
    }
    possible(head, step)?;
    let from = head.leg_opened;
    if report.seen < from || report.seen > head.version {
        return Err(Refusal::Stale { seen: report.seen, from, to: head.version });
    }
    let faults = faults(head, &report.finding, now);
    if !faults.is_empty() {
        return Err(Refusal::Invalid(faults));
    }
    let event = match &report.finding {
        Finding::Received => Event::Received,
        Finding::SupplementRequested { items } => request_supplement(head, items, now)?,
        Finding::Signed => Event::Signed,
        Finding::NotIssued { reason } => Event::NotIssued { reason: reason.clone() },
        Finding::Produced => Event::Produced,
        Finding::Posted { carrier, tracking } => {
            Event::Posted { carrier: carrier.clone(), tracking: tracking.clone() }
        }
        Finding::Ready { place } => Event::Ready { place: place.clone() },
        Finding::Approved { permit } => {
            Event::Approved { permit: permit.clone(), due: next_due(head, Step::Approve, now) }
        }
        Finding::Verified => Event::Verified,
        Finding::MovedOut { certificate, issued_on: _, valid_until } => Event::MovedOut {
            certificate: certificate.clone(),
            valid_until: *valid_until,
            due: next_due(head, Step::MoveOut, now),
        },
        Finding::Settled => Event::Settled,
        Finding::Restored => Event::RestoredAtOrigin,
        Finding::Issued { document, certificate } => {
            if slot(head, *document)?.stored().is_none() {
                return Err(Refusal::Missing(vec![*document]));
            }
            Event::Issued { document: *document, certificate: certificate.clone() }
        }
        Finding::Rejected { reason } => Event::Rejected { reason: reason.clone() },
    };
    Ok(vec![event])
}

fn request_supplement(head: &Application, items: &[MissingItem], now: Timestamp) -> Result<Event, Refusal> {
    if head.supplement_rounds >= limits::SUPPLEMENT_ROUNDS {
        return Err(Refusal::Bound("supplement_rounds"));
    }
    if head.documents.len() + items.len() > limits::DOCUMENTS {
        return Err(Refusal::Bound("documents"));
    }
    let mut slots = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let number = head.documents.len() + index + 1;
        slots.push(Slot {
            id: DocumentId::numbered(number).ok_or(Refusal::Bound("documents"))?,
            requirement: item.name.clone(),
            accepts: item.accepts.clone(),
            provider: Provider::App,
        });
    }
    let until = today(now)
        .checked_add(jiff::Span::new().days(limits::SUPPLEMENT_DAYS))
        .map_err(|_| Refusal::Bound("calendar"))?;
    Ok(Event::SupplementRequested { items: items.to_vec(), slots, until })
}

/// Every wrong field of a finding, not only the first.
fn faults(head: &Application, finding: &Finding, now: Timestamp) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut check = |pointer: String, value: &str, bound: usize, required: bool| {
        let length = value.chars().count();
        if required && value.trim().is_empty() {
            faults.push(Fault { pointer: pointer.clone(), code: "required" });
        }
        if length > bound {
            faults.push(Fault { pointer: pointer.clone(), code: "too_long" });
        }
        if value.chars().any(char::is_control) {
            faults.push(Fault { pointer, code: "control_character" });
        }
    };
    match finding {
        Finding::Received
        | Finding::Signed
        | Finding::Produced
        | Finding::Verified
        | Finding::Settled
        | Finding::Restored => {}
        Finding::NotIssued { reason } | Finding::Rejected { reason } => {
            check("/reason".into(), reason, limits::TEXT, true);
        }
        Finding::Posted { carrier, tracking } => {
            check("/carrier".into(), carrier, limits::NUMBER, true);
            check("/tracking".into(), tracking, limits::NUMBER, true);
        }
        Finding::Ready { place } => check("/place".into(), place, limits::TEXT, true),
        Finding::Approved { permit } => check("/permit".into(), permit, limits::NUMBER, true),
        Finding::MovedOut { certificate, issued_on, valid_until } => {
            check("/certificate".into(), certificate, limits::NUMBER, true);
            if *issued_on > today(now) {
                faults.push(Fault { pointer: "/issued_on".into(), code: "in_the_future" });
            }
            let days = issued_on.until(*valid_until).map_or(i32::MAX, |span| span.get_days());
            if !(0..=limits::MIGRATION_CERTIFICATE_DAYS).contains(&days) {
                faults.push(Fault { pointer: "/valid_until".into(), code: "out_of_range" });
            }
        }
        Finding::Issued { document, certificate } => {
            check("/certificate".into(), certificate, limits::NUMBER, true);
            let is_agencys =
                head.document(*document).is_some_and(|found| found.slot.provider == Provider::Agency);
            if !is_agencys {
                faults.push(Fault { pointer: "/document".into(), code: "unknown" });
            }
        }
        Finding::SupplementRequested { items } => {
            for (index, item) in items.iter().enumerate() {
                check(format!("/items/{index}/name"), &item.name, limits::NUMBER, true);
                check(format!("/items/{index}/note"), &item.note, limits::TEXT, false);
            }
            faults.extend(item_faults(items));
        }
    }
    faults
}

fn item_faults(items: &[MissingItem]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if items.is_empty() {
        faults.push(Fault { pointer: "/items".into(), code: "required" });
    }
    if items.len() > limits::SUPPLEMENT_ITEMS {
        faults.push(Fault { pointer: "/items".into(), code: "too_many" });
    }
    for (index, item) in items.iter().enumerate() {
        if item.accepts.is_empty() || item.accepts.iter().any(|kind| kind.provider() != Provider::App) {
            faults.push(Fault { pointer: format!("/items/{index}/accepts"), code: "invalid" });
        }
        if items[..index].iter().any(|earlier| earlier.name == item.name) {
            faults.push(Fault { pointer: format!("/items/{index}/name"), code: "duplicate" });
        }
    }
    faults
}
