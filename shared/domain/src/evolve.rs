//! How an event changes the head. Total: whatever was recorded can be folded.

use jiff::{Timestamp, civil::Date};

use crate::application::{Application, CommandKey, Consignment, Content, Document, Results, Taken};
use crate::calendar::Deadline;
use crate::event::{Event, Opened};
use crate::ids::ApplicationId;
use crate::stage::{Stage, Step, next};

/// The head after the first event.
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
        outbox: 0,
        leg_dispatched: 0,
        dispatched_at: None,
        due: None,
        overdue: false,
        documents: opened.slots.iter().cloned().map(Document::waiting).collect(),
        supplement_rounds: 0,
        supplement_until: None,
        certificate_until: None,
        results: Results::default(),
        taken: Vec::new(),
        opened,
    }
}

/// The head after one more event. `key` names the command that caused it.
#[must_use]
pub fn evolve(mut head: Application, event: &Event, at: Timestamp, key: Option<CommandKey>) -> Application {
    head.version += 1;
    head.changed_at = at;
    if let Some(key) = key {
        // A command may cause several events; the last one is where it ended.
        head.taken.retain(|taken| taken.key.id != key.id);
        head.taken.push(Taken { key, version: head.version });
    }
    match event {
        // A second `opened` cannot be recorded; folding it changes nothing.
        Event::Opened(_) => {}
        Event::DocumentStored { document, object } => {
            if let Some(found) = find(&mut head, *document) {
                found.content = Content::Stored(object.clone());
                found.fault = None;
            }
        }
        Event::DocumentRejected { document, version: _, fault } => {
            if let Some(found) = find(&mut head, *document) {
                found.content = Content::Waiting;
                found.rejections = found.rejections.saturating_add(1);
                found.fault = Some(*fault);
            }
        }
        Event::Submitted { due } => open_leg(&mut head, 0, Stage::Submitted, *due),
        Event::Dispatched { leg: _ } => {
            head.leg_dispatched = head.version;
            head.dispatched_at = Some(at);
            head.stage = next(head.stage, head.purpose(), Step::Dispatch).unwrap_or(Stage::Dispatched);
        }
        Event::Received => head.stage = Stage::Received,
        Event::SupplementRequested { items, slots, until } => {
            head.stage = Stage::SupplementRequested;
            // A slot for each item.
            let asked = slots.iter().zip(items).map(|(slot, item)| Document {
                note: Some(item.note.clone()),
                ..Document::waiting(slot.clone())
            });
            head.documents.extend(asked);
            head.supplement_rounds = head.supplement_rounds.saturating_add(1);
            head.supplement_until = Some(*until);
            // The agency's clock stands while the citizen's runs.
            limit(&mut head, None);
        }
        Event::Supplemented { due } => {
            head.stage = Stage::Supplemented;
            head.outbox = head.version;
            head.supplement_until = None;
            limit(&mut head, Some(*due));
        }
        Event::Signed => head.stage = Stage::Signed,
        Event::NotIssued { reason } => {
            head.results.reason = Some(reason.clone());
            close(&mut head, Stage::NotIssued);
        }
        Event::Produced => head.stage = Stage::Produced,
        Event::Posted { carrier, tracking } => {
            let consignment = Consignment { carrier: carrier.clone(), tracking: tracking.clone() };
            head.results.posted = Some(consignment);
            done(&mut head, Stage::Posted);
        }
        Event::Ready { place } => {
            head.results.place = Some(place.clone());
            done(&mut head, Stage::Ready);
        }
        Event::Collected { how: _ } => close(&mut head, Stage::Collected),
        Event::Approved { permit, due } => {
            head.results.permit = Some(permit.clone());
            open_next_leg(&mut head, Step::Approve, Stage::Approved, *due);
        }
        Event::Verified => head.stage = Stage::Verified,
        Event::MovedOut { certificate, valid_until, due } => {
            head.results.migration_certificate = Some(certificate.clone());
            head.certificate_until = Some(*valid_until);
            open_next_leg(&mut head, Step::MoveOut, Stage::MovedOut, *due);
        }
        Event::Settled => close(&mut head, Stage::Settled),
        Event::Lapsed { due } => {
            head.certificate_until = None::<Date>;
            open_next_leg(&mut head, Step::Lapse, Stage::Lapsed, *due);
        }
        Event::RestoredAtOrigin => close(&mut head, Stage::RestoredAtOrigin),
        Event::Issued { document: _, certificate } => {
            head.results.certificate = Some(certificate.clone());
            done(&mut head, Stage::Issued);
        }
        Event::Completed { how: _ } => close(&mut head, Stage::Completed),
        Event::Withdrawn => close(&mut head, Stage::Withdrawn),
        Event::Rejected { reason } => {
            head.results.reason = Some(reason.clone());
            close(&mut head, Stage::Rejected);
        }
        Event::Expired => close(&mut head, Stage::Expired),
        Event::Overdue { leg: _ } => head.overdue = true,
    }
    head
}

fn find(head: &mut Application, id: crate::ids::DocumentId) -> Option<&mut Document> {
    head.documents.iter_mut().find(|document| document.slot.id == id)
}

fn open_leg(head: &mut Application, leg: u8, stage: Stage, due: Deadline) {
    head.leg = leg;
    head.leg_opened = head.version;
    head.outbox = head.version;
    head.leg_dispatched = 0;
    head.dispatched_at = None;
    limit(head, Some(due));
    head.stage = stage;
}

/// Another limit runs, or none. That the one before it had passed says nothing of this one.
fn limit(head: &mut Application, due: Option<Deadline>) {
    head.due = due;
    head.overdue = false;
}

fn open_next_leg(head: &mut Application, step: Step, stage: Stage, due: Deadline) {
    let leg = head.next_leg(step).and_then(|index| u8::try_from(index).ok()).unwrap_or(head.leg);
    open_leg(head, leg, stage, due);
}

/// The agency has done its part: no limit runs any more, the citizen's last step is open.
fn done(head: &mut Application, stage: Stage) {
    limit(head, None);
    head.stage = stage;
}

fn close(head: &mut Application, stage: Stage) {
    head.supplement_until = None;
    head.certificate_until = None;
    done(head, stage);
}
