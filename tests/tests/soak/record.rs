//! Reads the records of all applications from the table.

use std::collections::BTreeSet;
use std::fmt;

use aws_sdk_dynamodb::Client;
use domain::event::Event;
use domain::ids::{AgencyCode, ApplicationId};
use domain::ledger::Ledger;
use domain::stage::{Purpose, Stage};
use tongban::local::LocalStack;

use crate::filer::Filed;

/// Number of cases by progress.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    /// Decided, with no further step of an agency.
    pub(crate) decided: usize,
    /// In the queue of the absent agency.
    pub(crate) waiting: usize,
    /// In progress at another agency.
    pub(crate) under_way: usize,
    refused: usize,
    supplements: usize,
}

impl Stats {
    /// Whether only the absent agency's cases are undecided.
    pub(crate) fn only_absent_agency_waits(&self) -> bool {
        self.under_way == 0
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stats { decided, waiting, under_way, refused, supplements } = self;
        write!(
            f,
            "{decided} decided ({refused} refused, {supplements} supplements), {waiting} waiting, {under_way} in progress"
        )
    }
}

/// Reads every record, verifies its chain, and counts.
///
/// # Panics
/// A case was decided twice, or a record does not verify.
pub(crate) async fn stats(stack: &LocalStack, filed: &Filed, absent: Option<&AgencyCode>) -> Stats {
    let mut stats = Stats::default();
    for ledger in records(stack, filed).await {
        let state = ledger.state();
        let mut legs = BTreeSet::new();
        for line in ledger.entries() {
            let decision = match line.entry.event {
                Event::Signed | Event::NotIssued { .. } => Some(Purpose::Decide),
                Event::Approved { .. } => Some(Purpose::Approve),
                Event::MovedOut { .. } => Some(Purpose::MoveOut),
                Event::Settled | Event::RestoredAtOrigin => Some(Purpose::Settle),
                Event::Issued { .. } => Some(Purpose::Certify),
                _ => None,
            };
            if let Some(leg) = decision {
                assert!(legs.insert(leg), "{}: {leg:?} was decided twice", state.id);
            }
            stats.supplements += usize::from(matches!(line.entry.event, Event::Supplemented { .. }));
        }
        if state.is_before_agency() {
            let away = Some(state.agency()) == absent && state.stage == Stage::Dispatched;
            stats.waiting += usize::from(away);
            stats.under_way += usize::from(!away);
        } else if state.leg_opened == 0 {
            stats.under_way += 1;
        } else {
            stats.decided += 1;
            stats.refused += usize::from(matches!(state.stage, Stage::NotIssued | Stage::Rejected));
        }
    }
    stats.under_way += filed.len() - (stats.decided + stats.waiting + stats.under_way);
    stats
}

/// The applications that wait for a supplement, and those whose citizen may settle.
pub(crate) async fn before_citizens(
    stack: &LocalStack,
    filed: &Filed,
) -> (Vec<ApplicationId>, Vec<ApplicationId>) {
    let (mut waiting, mut moved) = (Vec::new(), Vec::new());
    for ledger in records(stack, filed).await {
        let state = ledger.state();
        if state.stage == Stage::SupplementRequested {
            waiting.push(state.id);
        } else if state.purpose() == Purpose::Settle && state.is_before_agency() {
            moved.push(state.id);
        }
    }
    (waiting, moved)
}

/// The records of these applications; of one that is not written yet there is none.
pub(crate) async fn records(stack: &LocalStack, filed: &Filed) -> Vec<Ledger> {
    let client = Client::new(stack.aws());
    let table = stack.outputs().get("TableName").expect("an output");
    let mut pages = client.scan().table_name(table).consistent_read(true).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        for item in page.expect("a page of the table").items() {
            let id: ApplicationId = item["id"].as_s().expect("an id").parse().expect("an id");
            if filed.contains_key(&id) {
                let entries = item["ev"].as_l().expect("a list of entries").iter();
                let entries = entries.map(|entry| entry.as_b().expect("bytes").as_ref().to_vec());
                found.push(Ledger::read(id, entries).expect("a chain that verifies"));
            }
        }
    }
    found
}
