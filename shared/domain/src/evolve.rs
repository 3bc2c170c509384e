//! Applies events to the state of an application. Every recorded event can be applied, so there is no error.

use jiff::{Timestamp, civil::Date};

use crate::application::{
    Application, AppliedCommand, CommandKey, Consignment, Content, Document, Results, Unread,
};
use crate::calendar::{Calendar, Deadline};
use crate::event::{Correction, Event, Opened, Slot};
use crate::ids::ApplicationId;
use crate::stage::{Stage, Step, next};

/// The state after the opening event.
#[must_use]
pub fn open(id: ApplicationId, opened: Opened, at: Timestamp) -> Application {
    Application {
        id,
        version: 1,
        opened_at: at,
        changed_at: at,
        stage: Stage::Draft,
        leg: 0,
        leg_opened: 0,
        message_version: 0,
        leg_dispatched: 0,
        dispatched_at: None,
        due: None,
        overdue: false,
        documents: opened.slots.iter().cloned().map(Document::waiting).collect(),
        last_document: highest(&opened.slots),
        replacements: 0,
        corrections: 0,
        leftovers_since: None,
        supplement_rounds: 0,
        supplement_until: None,
        certificate_until: None,
        results: Results::default(),
        applied_commands: Vec::new(),
        unread: None,
        opened,
    }
}

/// The state after one more event. `key` belongs to the command that caused the event.
#[must_use]
pub fn evolve(mut state: Application, event: &Event, at: Timestamp, key: Option<CommandKey>) -> Application {
    state.version = state.version.saturating_add(1);
    state.changed_at = at;
    if let Some(key) = key {
        // A command may cause several events; its key refers to the version of the last one.
        state.applied_commands.retain(|taken| taken.key.id != key.id);
        state.applied_commands.push(AppliedCommand { key, version: state.version });
    }
    match event {
        // `Ledger` refuses a second `opened`, so this arm is never reached.
        Event::Opened(_) => {}
        Event::DocumentStored { document, object } => {
            if let Some(found) = find(&mut state, *document) {
                found.content = Content::Stored(object.clone());
                found.fault = None;
            }
        }
        Event::DocumentRejected { document, version: _, fault } => {
            if let Some(found) = find(&mut state, *document) {
                found.content = Content::Waiting;
                found.round = found.round.saturating_add(1);
                found.rejections = found.rejections.saturating_add(1);
                found.fault = Some(*fault);
            }
            state.leftovers_since = Some(at);
        }
        Event::DocumentDiscarded { document } => {
            if let Some(found) = find(&mut state, *document) {
                found.content = Content::Waiting;
                found.round = found.round.saturating_add(1);
                found.fault = None;
            }
            state.replacements = state.replacements.saturating_add(1);
            state.leftovers_since = Some(at);
        }
        Event::Corrected(correction) => correct(&mut state, correction),
        Event::Submitted { due } => {
            send(&mut state);
            open_leg(&mut state, 0, Stage::Submitted, *due, at);
        }
        Event::Dispatched { leg: _ } => {
            state.leg_dispatched = state.version;
            state.dispatched_at = Some(at);
            state.stage = next(state.stage, state.purpose(), Step::Dispatch).unwrap_or(Stage::Dispatched);
        }
        Event::Received => state.stage = Stage::Received,
        Event::SupplementRequested { items, slots, until } => {
            state.stage = Stage::SupplementRequested;
            // `decide` makes one slot for each item.
            let requested = slots.iter().zip(items).map(|(slot, item)| Document {
                note: Some(item.note.clone()),
                ..Document::waiting(slot.clone())
            });
            state.documents.extend(requested);
            state.last_document = state.last_document.max(highest(slots));
            state.supplement_rounds = state.supplement_rounds.saturating_add(1);
            // The period may have been recorded before the calendar of the year in which it ends was known.
            state.supplement_until = Some(Calendar::official().working_day_from(*until).date);
            // The agency's clock stops while the citizen's runs.
            stop_clock(&mut state);
        }
        Event::Supplemented { due } => {
            state.stage = Stage::Supplemented;
            state.message_version = state.version;
            state.supplement_until = None;
            send(&mut state);
            limit(&mut state, *due, at);
        }
        Event::Signed => state.stage = Stage::Signed,
        Event::NotIssued { reason } => {
            state.results.reason = Some(reason.clone());
            close(&mut state, Stage::NotIssued);
        }
        Event::Produced => state.stage = Stage::Produced,
        Event::Posted { carrier, tracking } => {
            let consignment = Consignment { carrier: carrier.clone(), tracking: tracking.clone() };
            state.results.posted = Some(consignment);
            done(&mut state, Stage::Posted);
        }
        Event::Ready { place } => {
            state.results.place = Some(place.clone());
            done(&mut state, Stage::Ready);
        }
        Event::Collected { how: _ } => close(&mut state, Stage::Collected),
        Event::Approved { permit, due } => {
            state.results.permit = Some(permit.clone());
            open_next_leg(&mut state, Step::Approve, Stage::Approved, *due, at);
        }
        Event::Verified => state.stage = Stage::Verified,
        Event::MovedOut { certificate, valid_until, due } => {
            state.results.migration_certificate = Some(certificate.clone());
            state.certificate_until = Some(*valid_until);
            open_next_leg(&mut state, Step::MoveOut, Stage::MovedOut, *due, at);
        }
        Event::Settled => close(&mut state, Stage::Settled),
        Event::Lapsed { due } => {
            state.certificate_until = None::<Date>;
            open_next_leg(&mut state, Step::Lapse, Stage::Lapsed, *due, at);
        }
        Event::RestoredAtOrigin => close(&mut state, Stage::RestoredAtOrigin),
        Event::Issued { document: _, certificate } => {
            state.results.certificate = Some(certificate.clone());
            done(&mut state, Stage::Issued);
        }
        Event::Completed { how: _ } => close(&mut state, Stage::Completed),
        Event::Withdrawn => close(&mut state, Stage::Withdrawn),
        Event::Rejected { reason } => {
            state.results.reason = Some(reason.clone());
            close(&mut state, Stage::Rejected);
        }
        Event::Expired => close(&mut state, Stage::Expired),
        Event::Overdue { leg: _ } => state.overdue = true,
        Event::Unknown { name: _ } => state.unread = state.unread.or(Some(Unread::Event)),
    }
    state
}

fn find(state: &mut Application, id: crate::ids::DocumentId) -> Option<&mut Document> {
    state.documents.iter_mut().find(|document| document.slot.id == id)
}

/// The highest number of a slot's id.
fn highest(slots: &[Slot]) -> u8 {
    slots.iter().map(|slot| slot.id.number()).max().unwrap_or(0)
}

/// Replaces the draft's data. A document whose slot is gone leaves its files behind.
fn correct(state: &mut Application, correction: &Correction) {
    state.corrections = state.corrections.saturating_add(1);
    // `decide` refuses a correction without legs: an application always has one.
    if correction.legs.is_empty() {
        return;
    }
    let Correction { service, when, places, legs, slots, submit_when_complete, capabilities } =
        correction.clone();
    let mut before = std::mem::take(&mut state.documents);
    state.documents = slots
        .iter()
        .map(|slot| match before.iter().position(|document| document.slot.id == slot.id) {
            Some(index) => Document { slot: slot.clone(), ..before.swap_remove(index) },
            None => Document::waiting(slot.clone()),
        })
        .collect();
    if !before.is_empty() {
        state.leftovers_since = Some(state.changed_at);
    }
    state.last_document = state.last_document.max(highest(&slots));
    let tenant = state.opened.tenant.clone();
    state.opened = Opened { tenant, service, when, places, legs, slots, submit_when_complete, capabilities };
}

/// The agency gets the documents.
fn send(state: &mut Application) {
    for document in state.documents.iter_mut().filter(|document| document.stored().is_some()) {
        document.sent = true;
    }
}

fn open_leg(state: &mut Application, leg: u8, stage: Stage, due: Deadline, at: Timestamp) {
    state.leg = leg;
    state.leg_opened = state.version;
    state.message_version = state.version;
    state.leg_dispatched = 0;
    state.dispatched_at = None;
    limit(state, due, at);
    state.stage = stage;
}

/// Starts the time limit that was recorded at the time `at`. `overdue` refers to the running limit, so it is reset to
/// false.
///
/// A provisional limit is counted again: with the calendar of its year it is right, and without that calendar it is the
/// same.
fn limit(state: &mut Application, due: Deadline, at: Timestamp) {
    state.due = Some(if due.provisional { state.limit_from(state.purpose(), at) } else { due });
    state.overdue = false;
}

/// Stops the agency's clock.
fn stop_clock(state: &mut Application) {
    state.due = None;
    state.overdue = false;
}

fn open_next_leg(state: &mut Application, step: Step, stage: Stage, due: Deadline, at: Timestamp) {
    let leg = state.next_leg(step).and_then(|index| u8::try_from(index).ok()).unwrap_or(state.leg);
    open_leg(state, leg, stage, due, at);
}

/// The agency has finished: its clock stops, and the hand-over to the citizen remains.
fn done(state: &mut Application, stage: Stage) {
    stop_clock(state);
    state.stage = stage;
}

fn close(state: &mut Application, stage: Stage) {
    state.supplement_until = None;
    state.certificate_until = None;
    done(state, stage);
    if state.is_abandoned() || state.documents.iter().any(|document| document.stored().is_none()) {
        state.leftovers_since = Some(state.changed_at);
    }
}
