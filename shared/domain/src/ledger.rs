//! The record of an application: a list of entries, each with the hash of the entry before it.
//!
//! The record stores the exact bytes of each entry. The hash is the SHA-256 of these bytes, so a reader needs no
//! canonical form and the chain covers the fields of newer writers. The first entry carries the hash of the
//! application's id, so a chain cannot be moved to another application.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::application::{Application, CommandKey, Unread};
use crate::command::Actor;
pub use crate::entry::Entry;
use crate::event::{Event, Opened};
use crate::evolve::{evolve, open};
use crate::ids::{ApplicationId, ReportId};

/// Why a record cannot be trusted or read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// The record is empty, or its first entry is not `opened`.
    #[error("the record does not begin with an `opened` entry")]
    NoOpening,
    /// Not even the frame of an entry can be read: its version, its time and the hash of the entry before it.
    #[error("entry {0} of the record cannot be read")]
    Unreadable(u32),
    /// An entry has the wrong version or hash.
    #[error("entry {0} of the record does not follow the entry before it: its version or hash is wrong")]
    Broken(u32),
    /// An entry could not be written as JSON.
    #[error("an entry of the record cannot be written as JSON")]
    Unwritable,
}

/// One entry with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// The parsed entry.
    pub entry: Entry,
    /// Whether this version of the hub can read all of the entry.
    pub is_complete: bool,
    /// The stored bytes.
    pub bytes: Vec<u8>,
}

/// A verified record with the state that follows from its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    entries: Vec<StoredEntry>,
    state: Application,
}

/// Evidence of a change by an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The signed report, a compact JWS.
    Jws(String),
    /// A signed report that the bucket has: the SHA-256 of the compact JWS in hexadecimal, and the report's id.
    InBucket(String, ReportId),
}

/// Cause of a change: party, time, key and evidence.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Party that acts.
    pub by: Actor,
    /// Time of the change.
    pub at: Timestamp,
    /// Key of the command; `None` for the hub's own steps.
    pub key: Option<CommandKey>,
    /// The agency's signed report.
    pub proof: Option<Proof>,
}

impl Cause {
    /// Rounds the time to milliseconds, as the record stores it, so that the state in memory equals the state read
    /// back.
    fn rounded(&self) -> Cause {
        let at = Timestamp::from_millisecond(self.at.as_millisecond()).unwrap_or(self.at);
        Cause { at, ..self.clone() }
    }
}

impl Ledger {
    /// Opens a record with its first entry.
    ///
    /// # Errors
    /// [`LedgerError::Unwritable`] when the entry cannot be written as JSON.
    pub fn open(id: ApplicationId, opened: Opened, cause: &Cause) -> Result<Ledger, LedgerError> {
        let cause = &cause.rounded();
        if opened.legs.is_empty() {
            return Err(LedgerError::NoOpening);
        }
        let stored = write(id, None, 1, Event::Opened(Box::new(opened.clone())), cause)?;
        Ok(Ledger { entries: vec![stored], state: open(id, opened, cause.at) })
    }

    /// Reads a record back and verifies its chain. An entry that a newer version of the hub wrote is kept as it is, and
    /// the state says that it is known in part ([`Application::is_incomplete`]).
    ///
    /// # Errors
    /// [`LedgerError`] when the record is empty, unreadable or broken.
    pub fn read(
        id: ApplicationId,
        entries: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<Ledger, LedgerError> {
        let mut ledger: Option<Ledger> = None;
        for (version, bytes) in (1_u32..).zip(entries) {
            let (entry, is_complete) = Entry::read(&bytes).ok_or(LedgerError::Unreadable(version))?;
            let expected = link(id, ledger.as_ref().and_then(|ledger| ledger.entries.last()));
            if entry.version != version || entry.prev != expected {
                return Err(LedgerError::Broken(version));
            }
            ledger = Some(match (ledger, &entry.event) {
                (None, Event::Opened(opened)) if !opened.legs.is_empty() => {
                    let stored = StoredEntry { entry: entry.clone(), is_complete, bytes };
                    let state = begun(id, opened, &stored);
                    Ledger { entries: vec![stored], state }
                }
                (None, _) => return Err(LedgerError::NoOpening),
                (Some(_), Event::Opened(_)) => return Err(LedgerError::Broken(version)),
                (Some(Ledger { mut entries, state }), _) => {
                    let stored = StoredEntry { entry, is_complete, bytes };
                    let state = continued(state, &stored);
                    entries.push(stored);
                    Ledger { entries, state }
                }
            });
        }
        ledger.ok_or(LedgerError::NoOpening)
    }

    /// Appends events to the record.
    ///
    /// # Errors
    /// [`LedgerError::Unwritable`] when an entry cannot be written as JSON.
    pub fn append(mut self, events: Vec<Event>, cause: &Cause) -> Result<Ledger, LedgerError> {
        let cause = &cause.rounded();
        for event in events {
            let version = self.state.version.saturating_add(1);
            let stored = write(self.state.id, self.entries.last(), version, event, cause)?;
            self.state = evolve(self.state, &stored.entry.event, cause.at, cause.key);
            self.entries.push(stored);
        }
        Ok(self)
    }

    /// The current state of the application.
    #[must_use]
    pub fn state(&self) -> &Application {
        &self.state
    }

    /// The entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[StoredEntry] {
        &self.entries
    }

    /// The entries after a version.
    #[must_use]
    pub fn after(&self, version: u32) -> &[StoredEntry] {
        let from = usize::try_from(version).unwrap_or(usize::MAX);
        self.entries.get(from..).unwrap_or_default()
    }

    /// The state at a version, 1 to the current one; `None` for any other version.
    #[must_use]
    pub fn at(&self, version: u32) -> Option<Application> {
        let end = usize::try_from(version).ok()?;
        let (first, rest) = self.entries.get(..end)?.split_first()?;
        let Event::Opened(opened) = &first.entry.event else {
            return None;
        };
        Some(rest.iter().fold(begun(self.state.id, opened, first), continued))
    }

    /// Bytes of all entries.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(|line| line.bytes.len()).sum()
    }

    /// SHA-256 of the last entry in base64url. The entries are chained, so this hash proves the complete record.
    #[must_use]
    pub fn hash(&self) -> String {
        link(self.state.id, self.entries.last())
    }
}

/// The state after the opening entry.
fn begun(id: ApplicationId, opened: &Opened, first: &StoredEntry) -> Application {
    let mut state = open(id, opened.clone(), first.entry.at);
    state.unread = (!first.is_complete).then_some(Unread::Opening);
    state
}

/// The state after one more entry.
fn continued(state: Application, stored: &StoredEntry) -> Application {
    let StoredEntry { entry, is_complete, bytes: _ } = stored;
    let mut state = evolve(state, &entry.event, entry.at, entry.command_key());
    if !is_complete {
        state.unread = state.unread.or(Some(Unread::Event));
    }
    state
}

fn link(id: ApplicationId, before: Option<&StoredEntry>) -> String {
    let hash = match before {
        Some(stored) => Sha256::digest(&stored.bytes),
        None => Sha256::digest(id.to_string().as_bytes()),
    };
    URL_SAFE_NO_PAD.encode(hash)
}

fn write(
    id: ApplicationId,
    before: Option<&StoredEntry>,
    version: u32,
    event: Event,
    cause: &Cause,
) -> Result<StoredEntry, LedgerError> {
    let key = cause.key.map(|key| URL_SAFE_NO_PAD.encode([&key.id[..], &key.body[..]].concat()));
    let (proof, proof_sha256, report_id) = match cause.proof.clone() {
        Some(Proof::Jws(jws)) => (Some(jws), None, None),
        Some(Proof::InBucket(hash, report_id)) => (None, Some(hash), Some(report_id)),
        None => (None, None, None),
    };
    let entry = Entry {
        version,
        at: cause.at,
        by: cause.by.clone(),
        key,
        event,
        proof,
        proof_sha256,
        report_id,
        prev: link(id, before),
    };
    let bytes = serde_json::to_vec(&entry).map_err(|_| LedgerError::Unwritable)?;
    Ok(StoredEntry { entry, is_complete: true, bytes })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::catalogue::{Service, When};
    use crate::event::{Leg, Places};
    use crate::stage::Purpose;

    fn id() -> ApplicationId {
        "0190f4c0-0000-8000-8000-000000000001".parse().expect("an id")
    }

    fn opened() -> Opened {
        Opened {
            tenant: "an-app".parse().expect("a tenant"),
            service: Service::named("first_identity_card").expect("a service"),
            when: When::named("adult").expect("a case"),
            places: Places {
                accepted_at: "150102".parse().expect("a code"),
                registered_at: "370102".parse().expect("a code"),
                move_in: None,
            },
            legs: vec![Leg { purpose: Purpose::Decide, agency: "37".parse().expect("a code") }],
            slots: Vec::new(),
            submit_when_complete: false,
            capabilities: Vec::new(),
        }
    }

    fn report_id() -> crate::ids::ReportId {
        "6ba7b810-9dad-41d1-80b4-00c04fd430c8".parse().expect("a report id")
    }

    fn cause(proof: Option<Proof>) -> Cause {
        let key = CommandKey { id: [1; 16], body: [2; 8] };
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_nanos(1_234_567);
        Cause { by: Actor::Hub, at, key: Some(key), proof }
    }

    fn record() -> Ledger {
        let ledger = Ledger::open(id(), opened(), &cause(None)).expect("a record");
        let ledger = ledger
            .append(vec![Event::Withdrawn], &cause(Some(Proof::Jws("a.b.c".into()))))
            .expect("a record");
        ledger
            .append(vec![Event::Expired], &cause(Some(Proof::InBucket("00ff".into(), report_id()))))
            .expect("a record")
    }

    fn bytes(ledger: &Ledger) -> Vec<Vec<u8>> {
        ledger.entries().iter().map(|line| line.bytes.clone()).collect()
    }

    /// The entry of the record with one member replaced.
    fn changed(index: usize, member: &str, value: serde_json::Value) -> Result<Ledger, LedgerError> {
        let mut all = bytes(&record());
        let mut entry: serde_json::Value = serde_json::from_slice(&all[index]).expect("JSON");
        entry[member] = value;
        all[index] = entry.to_string().into_bytes();
        Ledger::read(id(), all)
    }

    #[test]
    fn an_entry_has_its_evidence_its_key_and_a_time_in_milliseconds() {
        let ledger = record();
        let [first, second, third] = ledger.entries() else { panic!("three entries") };
        assert_eq!((first.entry.proof.as_deref(), first.entry.proof_sha256.as_deref()), (None, None));
        assert_eq!(
            (second.entry.proof.as_deref(), second.entry.proof_sha256.as_deref()),
            (Some("a.b.c"), None)
        );
        assert_eq!((third.entry.proof.as_deref(), third.entry.proof_sha256.as_deref()), (None, Some("00ff")));
        assert_eq!(first.entry.command_key(), cause(None).key);
        assert_eq!(first.entry.at.as_nanosecond(), 1_000_000);
        let without = Entry { key: None, ..first.entry.clone() };
        let odd = Entry { key: Some("AAAA".into()), ..first.entry.clone() };
        assert_eq!((without.command_key(), odd.command_key()), (None, None));
        assert_eq!(Ledger::read(id(), bytes(&ledger)), Ok(ledger));
    }

    #[test]
    fn each_entry_carries_the_hash_of_the_one_before() {
        let ledger = record();
        let hash = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(Sha256::digest(bytes));
        let mut before = hash(id().to_string().as_bytes());
        for line in ledger.entries() {
            assert_eq!(line.entry.prev, before);
            before = hash(&line.bytes);
        }
        assert_eq!(ledger.hash(), before);
        assert_eq!(ledger.bytes(), ledger.entries().iter().map(|line| line.bytes.len()).sum::<usize>());
    }

    #[test]
    fn a_record_shows_its_entries_and_states_by_version() {
        let ledger = record();
        let versions = |after| ledger.after(after).iter().map(|line| line.entry.version).collect::<Vec<_>>();
        assert_eq!(
            (versions(0), versions(2), versions(3), versions(9)),
            (vec![1, 2, 3], vec![3], vec![], vec![])
        );
        let at = |version| ledger.at(version).map(|state| state.version);
        assert_eq!([0, 1, 2, 3, 4].map(at), [None, Some(1), Some(2), Some(3), None]);
        assert_eq!(ledger.at(3).as_ref(), Some(ledger.state()));
    }

    #[test]
    fn a_record_that_was_changed_is_not_read() {
        let read = |entries: Vec<Vec<u8>>| Ledger::read(id(), entries).map(|ledger| ledger.state().version);
        assert_eq!(read(Vec::new()), Err(LedgerError::NoOpening));
        assert_eq!(changed(1, "prev", "x".into()), Err(LedgerError::Broken(2)));
        assert_eq!(changed(2, "n", 9.into()), Err(LedgerError::Broken(3)));
        assert_eq!(changed(0, "n", 2.into()), Err(LedgerError::Broken(1)));
        assert_eq!(changed(2, "at", "x".into()), Err(LedgerError::Unreadable(3)));
        let opening = serde_json::to_value(&record().entries()[0].entry.event).expect("JSON");
        assert_eq!(changed(1, "e", opening.clone()), Err(LedgerError::Broken(2)), "a second opening");
        assert_eq!(changed(0, "e", serde_json::json!({ "t": "withdrawn" })), Err(LedgerError::NoOpening));
        let mut without_legs = opening;
        without_legs["lg"] = serde_json::json!([]);
        assert_eq!(changed(0, "e", without_legs), Err(LedgerError::NoOpening));
        let no_leg = Opened { legs: Vec::new(), ..opened() };
        assert_eq!(Ledger::open(id(), no_leg, &cause(None)), Err(LedgerError::NoOpening));
        let other: ApplicationId = "0190f4c0-0000-8000-8000-000000000002".parse().expect("an id");
        assert_eq!(
            Ledger::read(other, bytes(&record())),
            Err(LedgerError::Broken(1)),
            "a chain is not moved"
        );
    }
}
