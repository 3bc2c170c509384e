//! Slots of a corrected draft.

use crate::application::Application;
use crate::event::Slot;
use crate::ids::DocumentId;

/// The slots of a corrected draft. Of the documents that the draft has, each keeps its id when a wanted slot is like
/// its own; the ids of the wanted slots do not count. `None` when no id is left.
#[must_use]
pub fn corrected_slots(state: &Application, wanted: &[Slot]) -> Option<Vec<Slot>> {
    let mut left: Vec<&Slot> = state.documents.iter().map(|document| &document.slot).collect();
    let mut last = usize::from(state.last_document);
    let mut slots = Vec::with_capacity(wanted.len());
    for slot in wanted {
        let like = |other: &&Slot| {
            (&other.requirement, &other.accepts, other.provider)
                == (&slot.requirement, &slot.accepts, slot.provider)
        };
        let id = match left.iter().position(like) {
            Some(index) => left.remove(index).id,
            None => {
                last = last.saturating_add(1);
                DocumentId::numbered(last)?
            }
        };
        slots.push(Slot { id, ..slot.clone() });
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::catalogue::{Provider, Service, When, service_row};
    use crate::command::{Actor, Attempt, Command};
    use crate::decide::{Refusal, decide};
    use crate::event::{Correction, DocumentFault, Leg, Opened, Places, StoredObject};
    use crate::ids::ApplicationId;
    use crate::ledger::{Cause, Ledger};
    use crate::limits;
    use crate::stage::Purpose;
    use crate::wake::next_wake;

    fn start() -> Timestamp {
        "2026-03-02T08:00:00Z".parse().unwrap()
    }

    fn id() -> ApplicationId {
        "0190f4c0-0000-8000-8000-000000000001".parse().unwrap()
    }

    fn tenant() -> Actor {
        Actor::Tenant("hohhot-app".parse().unwrap())
    }

    fn cause(by: Actor, at: Timestamp) -> Cause {
        Cause { by, at, key: None, proof: None }
    }

    fn object(slot: &Slot) -> StoredObject {
        StoredObject {
            version: "v1".into(),
            size: 10,
            sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".into(),
            kind: slot.accepts[0],
            media_type: "application/pdf".into(),
        }
    }

    /// A draft of a first card with two documents.
    fn a_card() -> Ledger {
        let service = Service::named("first_identity_card").unwrap();
        let when = When::named("adult").unwrap();
        let slots =
            service_row(service).case(when).unwrap().documents.iter().enumerate().map(|(index, row)| Slot {
                id: DocumentId::numbered(index + 1).unwrap(),
                requirement: row.name.clone(),
                accepts: row.accepts.clone(),
                provider: Provider::App,
            });
        let opened = Opened {
            tenant: "hohhot-app".parse().unwrap(),
            service,
            when,
            places: Places {
                accepted_at: "150102".parse().unwrap(),
                registered_at: "370102".parse().unwrap(),
                move_in: None,
            },
            legs: vec![Leg { purpose: Purpose::Decide, agency: "37".parse().unwrap() }],
            slots: slots.collect(),
            submit_when_complete: false,
            capabilities: Vec::new(),
        };
        Ledger::open(id(), opened, &cause(tenant(), start())).unwrap()
    }

    fn taken(ledger: Ledger, by: Actor, command: Command, now: Timestamp) -> Ledger {
        let attempt = Attempt { by, key: None, command, expected_version: None };
        let events = decide(ledger.state(), &attempt, now).unwrap();
        ledger.append(events, &cause(attempt.by, now)).unwrap()
    }

    fn stored(ledger: Ledger, number: usize, now: Timestamp) -> Ledger {
        let document = DocumentId::numbered(number).unwrap();
        let found = ledger.state().document(document).unwrap().clone();
        let object = object(&found.slot);
        taken(ledger, Actor::Hub, Command::StoreDocument { document, round: found.round, object }, now)
    }

    #[test]
    fn d2_a_stored_document_is_replaced_until_it_goes_to_an_agency() {
        let document = DocumentId::numbered(1).unwrap();
        let discard = |round| Command::DiscardDocument { document, round };
        let now = start();
        let ledger = taken(stored(a_card(), 1, now), tenant(), discard(0), now);
        let found = ledger.state().document(document).unwrap();
        assert_eq!((found.stored(), found.round, found.rejections), (None, 1, 0));
        assert!(found.object_key(id()).ends_with("/d1/1"), "the new file has a key of its own");
        // A repeat of the replacement, and the late event of the discarded file, change nothing.
        let late = Command::StoreDocument { document, round: 0, object: object(&found.slot) };
        let ledger = taken(taken(ledger, tenant(), discard(0), now), Actor::Hub, late, now);
        assert_eq!(ledger.state().version, 3);
        let ledger = stored(ledger, 1, now);
        // A repeat that comes after the new file must not discard it.
        let ledger = taken(ledger, tenant(), discard(0), now);
        assert!(ledger.state().document(document).unwrap().stored().is_some());
        let submitted = taken(stored(ledger, 2, now), tenant(), Command::Submit, now);
        let attempt = Attempt { by: tenant(), key: None, command: discard(1), expected_version: None };
        let refused = decide(submitted.state(), &attempt, now).unwrap_err();
        assert_eq!(refused.name(), "illegal_step");
    }

    #[test]
    fn d2_replacements_and_corrections_are_bounded_and_leave_room_for_the_case() {
        let (document, now) = (DocumentId::numbered(1).unwrap(), start());
        let mut ledger = stored(a_card(), 1, now);
        let refused = loop {
            let round = ledger.state().document(document).unwrap().round;
            let command = Command::DiscardDocument { document, round };
            let attempt = Attempt { by: tenant(), key: None, command, expected_version: None };
            match decide(ledger.state(), &attempt, now) {
                Ok(events) => ledger = ledger.append(events, &cause(tenant(), now)).unwrap(),
                Err(refused) => break refused,
            }
            ledger = stored(ledger, 1, now);
        };
        assert_eq!(refused, Refusal::Bound("replacements"));
        assert!(ledger.entries().len() <= limits::EVENTS_DRAFT);
    }

    #[test]
    fn d2_a_correction_keeps_the_documents_that_the_draft_still_needs() {
        let now = start();
        let ledger = stored(stored(a_card(), 1, now), 2, now);
        let state = ledger.state().clone();
        let mut wanted = state.opened.slots.clone();
        wanted.remove(0);
        wanted.push(Slot { requirement: "another".into(), ..state.opened.slots[0].clone() });
        let slots = corrected_slots(&state, &wanted).unwrap();
        let correction = Correction::from(Opened { slots, ..state.opened.clone() });
        let ledger = taken(ledger, tenant(), Command::Correct(Box::new(correction)), now);
        let state = ledger.state();
        let shown: Vec<_> =
            state.documents.iter().map(|found| (found.slot.id.number(), found.stored().is_some())).collect();
        assert_eq!(shown, [(2, true), (3, false)], "the id of the dropped document is not used again");
        let dropped = DocumentId::numbered(1).unwrap();
        assert!(
            !state.needs_file(dropped, 0, "v1")
                && state.needs_file(DocumentId::numbered(2).unwrap(), 0, "v1")
        );
        assert!(
            next_wake(state, now).is_some_and(|at| at < now + SignedDuration::from_mins(1)),
            "the sweeper erases it"
        );
    }

    #[test]
    fn d4_the_files_of_a_withdrawn_application_are_erased_at_once_and_when_the_links_have_ended() {
        let now = start();
        let ledger = taken(stored(a_card(), 1, now), tenant(), Command::Withdraw, now);
        let state = ledger.state();
        for (document, round) in [(1, 0), (1, 1), (2, 0), (9, 0)] {
            assert!(!state.needs_file(DocumentId::numbered(document).unwrap(), round, "v1"));
        }
        let first = next_wake(state, now).unwrap();
        let second = next_wake(state, first).unwrap();
        assert!(first < now + SignedDuration::from_secs(1));
        assert!(second >= now + SignedDuration::from_mins(limits::UPLOAD_LINK_MINUTES));
        assert_eq!(next_wake(state, second), None);
    }

    #[test]
    fn d5_the_files_of_an_open_or_decided_case_stay_but_for_those_that_nobody_needs() {
        let now = start();
        let one = DocumentId::numbered(1).unwrap();
        let two = DocumentId::numbered(2).unwrap();
        let rejected = Command::RejectDocument {
            document: two,
            round: 0,
            version: "r".into(),
            fault: DocumentFault::Empty,
        };
        let ledger = taken(stored(a_card(), 1, now), Actor::Hub, rejected, now);
        let state = ledger.state();
        assert!(state.needs_file(one, 0, "v1") && !state.needs_file(one, 0, "v2"), "the pinned version");
        assert!(
            !state.needs_file(two, 0, "r") && state.needs_file(two, 1, "v1"),
            "the next upload may be on its way"
        );
        assert!(state.needs_file(two, 2, "v1"), "a later state may have this round");
        assert!(next_wake(state, now).is_some());
        let expired = taken(ledger, Actor::Hub, Command::Expire, now);
        assert!(!expired.state().needs_file(one, 0, "v1"));
    }
}
