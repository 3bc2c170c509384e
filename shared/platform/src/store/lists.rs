//! The lists of a tenant: the index that serves each, and the merge of an index's key ranges into one list.

use std::collections::VecDeque;

use domain::application::Application;
use domain::catalogue::Service;
use domain::ids::{AgencyCode, TenantId};
use domain::stage::Stage;

use super::keys::{LAST_AGENCY, OPEN, OVERDUE, PHASE, SERVICE, phases};
use super::model::{StoredApplication, TENANT_SHARDS};
use super::page::{Cursor, Page};
use super::row;

/// Fewest entries that one query reads when a list is merged from several key ranges.
const CHUNK: usize = 8;

/// What a list of a tenant is restricted to. Each restriction has an index, so that a list reads little more than it
/// returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListBy {
    /// Nothing: every application.
    All,
    /// Applications whose running time limit was marked as passed.
    Overdue,
    /// Applications whose open or last leg is this agency's.
    Agency(AgencyCode),
    /// Applications at this stage. The index tells drafts, open cases and each stage of rest apart; see
    /// [`ListBy::is_exact`].
    Stage(Stage),
    /// Applications for this service.
    Service(Service),
}

impl ListBy {
    /// Whether an application belongs to the list.
    #[must_use]
    pub fn matches(&self, head: &Application) -> bool {
        match self {
            ListBy::All => true,
            ListBy::Overdue => head.overdue,
            // A draft has no leg yet.
            ListBy::Agency(agency) => head.leg_opened > 0 && head.agency() == agency,
            ListBy::Stage(stage) => head.stage == *stage,
            ListBy::Service(service) => head.opened.service == *service,
        }
    }

    /// Whether the index has the applications of the list alone. An open case passes through stages in days, and an
    /// index entry that moves with each would cost two write units a stage, so all open cases of a tenant share one
    /// key.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        match self {
            ListBy::Stage(stage) => !phases(*stage).contains(&OPEN),
            ListBy::All | ListBy::Overdue | ListBy::Agency(_) | ListBy::Service(_) => true,
        }
    }

    /// The index of the list and its hash keys.
    pub(super) fn keys(&self, tenant: &TenantId) -> (&'static Index, Vec<String>) {
        match self {
            ListBy::All => {
                let keys = (0..TENANT_SHARDS).map(|number| row::tenant_key(tenant.as_str(), number));
                (&Index::TENANT, keys.collect())
            }
            ListBy::Overdue => (&Index::OVERDUE, vec![tenant.to_string()]),
            ListBy::Agency(agency) => (&Index::LAST_AGENCY, vec![format!("{tenant}#{agency}")]),
            ListBy::Stage(stage) => {
                let keys = phases(*stage).into_iter().map(|phase| format!("{tenant}#{phase}"));
                (&Index::PHASE, keys.collect())
            }
            ListBy::Service(service) => (&Index::SERVICE, vec![format!("{tenant}#{service}")]),
        }
    }

    /// The applications of a page that belong to the list by their own record. The index lags behind the table, and a
    /// key that somebody changed must not show one tenant's application to another.
    pub(super) fn check(&self, tenant: &TenantId, items: &mut Vec<StoredApplication>) {
        items.retain(|stored| {
            let head = stored.ledger.state();
            if head.tenant() != tenant {
                tracing::error!(application = %head.id, "an application is left out of a list: its index key names another tenant than its record");
                return false;
            }
            self.matches(head)
        });
    }
}

/// An index of the table whose range key is the time of creation.
#[derive(Debug)]
pub struct Index {
    pub(super) name: &'static str,
    /// Attribute of the hash key.
    pub(super) key: &'static str,
    pub(super) newest_first: bool,
}

impl Index {
    pub(super) const TENANT: Index = Index { name: "tenant", key: row::TENANT, newest_first: true };
    pub(super) const OVERDUE: Index = Index { name: "overdue", key: OVERDUE, newest_first: true };
    pub(super) const LAST_AGENCY: Index = Index { name: "last-agency", key: LAST_AGENCY, newest_first: true };
    pub(super) const PHASE: Index = Index { name: "phase", key: PHASE, newest_first: true };
    pub(super) const SERVICE: Index = Index { name: "service", key: SERVICE, newest_first: true };
    pub(super) const AGENCY: Index = Index { name: "agency", key: row::AGENCY, newest_first: false };
}

/// A query that the merge needs next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Number of the key range.
    pub(super) stream: usize,
    /// Range key after which the query begins.
    pub(super) after: Option<String>,
    /// Number of entries.
    pub(super) limit: usize,
}

/// Merges the entries of several key ranges, each sorted, into the first entries of all. It reads small parts of each
/// range as it needs them: at most [`CHUNK`] entries of a range, or its share of the page, are read in vain.
#[derive(Debug)]
pub(super) struct Merge {
    streams: Vec<Stream>,
    limit: usize,
    chunk: usize,
    newest_first: bool,
    found: Vec<(String, String)>,
}

#[derive(Debug)]
struct Stream {
    after: Option<String>,
    entries: VecDeque<(String, String)>,
    is_read: bool,
}

impl Merge {
    /// A merge of `streams` key ranges for a page of `limit` entries. It looks for one entry more, to know whether there is
    /// a next page.
    pub(super) fn new(streams: usize, limit: usize, after: Option<Cursor>, newest_first: bool) -> Merge {
        let (limit, after) = (limit.saturating_add(1), after.map(|cursor| cursor.0));
        let share = limit.div_ceil(streams.max(1));
        let chunk = if streams == 1 { limit } else { share.max(CHUNK) };
        let stream = |_| Stream { after: after.clone(), entries: VecDeque::new(), is_read: false };
        Merge { streams: (0..streams).map(stream).collect(), limit, chunk, newest_first, found: Vec::new() }
    }

    /// Merges as far as the entries suffice. Returns the queries that the merge needs; none at the end.
    pub(super) fn wanted(&mut self) -> Vec<Wanted> {
        while self.found.len() < self.limit {
            let empty = self
                .streams
                .iter()
                .enumerate()
                .filter(|(_, stream)| stream.entries.is_empty() && !stream.is_read);
            let wanted: Vec<Wanted> = empty
                .map(|(number, stream)| Wanted {
                    stream: number,
                    after: stream.after.clone(),
                    limit: self.chunk,
                })
                .collect();
            if !wanted.is_empty() {
                return wanted;
            }
            let newest_first = self.newest_first;
            let fronts = self.streams.iter_mut().filter(|stream| !stream.entries.is_empty());
            let next = fronts.reduce(|best, other| {
                let is_newer = other.entries.front() > best.entries.front();
                if is_newer == newest_first { other } else { best }
            });
            let Some(entry) = next.and_then(|stream| stream.entries.pop_front()) else { break };
            self.found.push(entry);
        }
        Vec::new()
    }

    /// Adds the answer to a query: range keys with the ids of their applications, in order.
    pub(super) fn add(&mut self, wanted: &Wanted, entries: Vec<(String, String)>) {
        if let Some(stream) = self.streams.get_mut(wanted.stream) {
            stream.is_read = entries.len() < wanted.limit;
            stream.after = entries.last().map(|(key, _)| key.clone()).or(stream.after.take());
            stream.entries.extend(entries);
        }
    }

    /// The page of ids.
    pub(super) fn page(mut self) -> Page<String> {
        let more = self.found.len() == self.limit;
        self.found.truncate(self.limit.saturating_sub(1));
        let next = if more { self.found.last().map(|(created, _)| Cursor(created.clone())) } else { None };
        Page { items: self.found.into_iter().map(|(_, id)| id).collect(), next }
    }
}
