//! The lists of a tenant: the index that serves each, and the merge of an index's key ranges into one list.

use std::collections::VecDeque;

use domain::application::Application;
use domain::catalogue::Service;
use domain::ids::{AgencyCode, ApplicationId, TenantId};
use domain::stage::Stage;

use super::keys::{
    LAST_AGENCY, OPEN, OVERDUE, PERSON, PHASE, SERVICE, TENANT, agency_key, key_before_services, phase_key,
    phases, service_key, tenant_key,
};
use super::model::{StoredApplication, TENANT_SHARDS};
use super::page::{Cursor, Page};
use super::row;
use crate::log_fault;

/// Fewest entries that one query reads when a list is merged from several key ranges.
const CHUNK: usize = 8;

/// What a list of a tenant is restricted to. An absent condition holds for every application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    pub stage: Option<Stage>,
    pub service: Option<Service>,
    /// The agency of the open leg, or of the last one. A draft has none yet.
    pub agency: Option<AgencyCode>,
    /// Whether the running time limit was marked as passed.
    pub overdue: Option<bool>,
}

/// The entries of an index under one hash key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    pub(super) index: &'static Index,
    pub(super) key: String,
}

impl ListFilter {
    /// Whether an application belongs to the list.
    #[must_use]
    pub fn matches(&self, head: &Application) -> bool {
        let ListFilter { stage, service, agency, overdue } = self;
        let own = (head.leg_opened > 0).then(|| head.agency());
        stage.is_none_or(|stage| head.stage == stage)
            && service.is_none_or(|service| head.opened.service == service)
            && agency.as_ref().is_none_or(|agency| own == Some(agency))
            && overdue.is_none_or(|overdue| head.overdue == overdue)
    }

    /// Whether the key ranges of the list have its applications alone, so that the list reads what it returns. Two
    /// conditions have no such range, because an entry would have to move with every stage: a stage of an open case, and
    /// a stage together with an agency.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        match self.stage {
            None => true,
            Some(stage) => {
                self.is_impossible(stage) || (self.agency.is_none() && !phases(stage).contains(&OPEN))
            }
        }
    }

    /// Whether no application at this stage meets the other conditions: a draft has no agency, and only a case before an
    /// agency can be overdue.
    fn is_impossible(&self, stage: Stage) -> bool {
        (stage == Stage::Draft && self.agency.is_some())
            || (self.overdue == Some(true) && !phases(stage).contains(&OPEN))
    }

    /// The key ranges of the list. No application is in two of them, unless an index lags behind.
    pub(super) fn ranges(&self, tenant: &TenantId) -> Vec<KeyRange> {
        let services = self.service.map_or_else(Service::all, |service| vec![service]);
        let lateness = match self.overdue {
            Some(overdue) => vec![overdue],
            None => vec![false, true],
        };
        let range = |index, key| KeyRange { index, key };
        // Overdue records from before the other keys named it.
        let overdue_before = || range(&Index::OVERDUE, tenant.to_string());
        match (self.stage, &self.agency) {
            (Some(stage), _) if self.is_impossible(stage) => Vec::new(),
            // An agency's share of a tenant is smaller than most stages of rest; the open cases are fewer than both.
            (Some(stage), agency) if agency.is_none() || phases(stage).contains(&OPEN) => {
                let mut keys = Vec::new();
                for phase in phases(stage) {
                    for overdue in &lateness {
                        let possible = phase == OPEN || !overdue;
                        let one = |service| phase_key(tenant, phase, service, *overdue);
                        keys.extend(services.iter().copied().map(one).filter(|_| possible));
                    }
                    keys.push(key_before_services(tenant, phase));
                }
                keys.into_iter().map(|key| range(&Index::PHASE, key)).collect()
            }
            (_, Some(agency)) => {
                let mut keys = Vec::new();
                for overdue in lateness {
                    keys.extend(services.iter().map(|service| agency_key(tenant, agency, *service, overdue)));
                }
                keys.push(key_before_services(tenant, &agency.to_string()));
                keys.into_iter().map(|key| range(&Index::LAST_AGENCY, key)).collect()
            }
            (_, None) => match self.service {
                Some(service) => {
                    let key = |overdue| range(&Index::SERVICE, service_key(tenant, service, overdue));
                    let before = (self.overdue == Some(true)).then(overdue_before);
                    lateness.into_iter().map(key).chain(before).collect()
                }
                None if self.overdue == Some(true) => {
                    vec![range(&Index::OVERDUE, tenant_key(tenant, 0, true)), overdue_before()]
                }
                None => {
                    let shards = (0..TENANT_SHARDS).map(|shard| tenant_key(tenant, shard, false));
                    let late = self.overdue.is_none().then(|| tenant_key(tenant, 0, true));
                    shards.chain(late).map(|key| range(&Index::TENANT, key)).collect()
                }
            },
        }
    }

    /// The applications of a page that belong to the list by their own record. The index lags behind the table, and a
    /// key that somebody changed must not show one tenant's application to another.
    pub(super) fn check(&self, tenant: &TenantId, items: &mut Vec<StoredApplication>) {
        items.retain(|stored| {
            let head = stored.ledger.state();
            if head.tenant() != tenant {
                log_fault!(true, &format!("tenant of {}", head.id), application = %head.id, "an application is left out of a list: its index key names another tenant than its record");
                return false;
            }
            self.matches(head)
        });
    }
}

/// An index of the table whose range key is the time of creation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) name: &'static str,
    /// Attribute of the hash key.
    pub(super) key: &'static str,
    pub(super) newest_first: bool,
}

impl Index {
    pub(super) const TENANT: Index = Index { name: "tenant", key: TENANT, newest_first: true };
    pub(super) const OVERDUE: Index = Index { name: "overdue", key: OVERDUE, newest_first: true };
    pub(super) const LAST_AGENCY: Index = Index { name: "last-agency", key: LAST_AGENCY, newest_first: true };
    pub(super) const PHASE: Index = Index { name: "phase", key: PHASE, newest_first: true };
    pub(super) const SERVICE: Index = Index { name: "service", key: SERVICE, newest_first: true };
    pub(super) const PERSON: Index = Index { name: "person", key: PERSON, newest_first: true };
    pub(super) const AGENCY: Index = Index { name: "agency", key: row::AGENCY, newest_first: false };
}

/// The key ranges of these values in the person index.
pub(super) fn person_ranges(values: &[String]) -> Vec<KeyRange> {
    values.iter().map(|value| KeyRange { index: &Index::PERSON, key: value.clone() }).collect()
}

/// The ids of the newest entries, but the id `except`.
pub(super) fn newest(
    mut entries: Vec<(String, String)>,
    except: Option<ApplicationId>,
    limit: usize,
) -> Vec<String> {
    let except = except.map(|id| id.to_string());
    entries.retain(|(_, id)| Some(id) != except.as_ref());
    entries.sort_unstable_by(|one, other| other.cmp(one));
    entries.dedup();
    entries.into_iter().take(limit).map(|(_, id)| id).collect()
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
/// range as it needs them: at most [`CHUNK`] entries of a range, or its share of the page, are read and not shown.
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
    /// A merge of key ranges of one order for a page of `limit` entries. It looks for one entry more, to know whether there
    /// is a next page.
    pub(super) fn new(ranges: &[KeyRange], limit: usize, after: Option<Cursor>) -> Merge {
        let (limit, after) = (limit.saturating_add(1), after.map(|cursor| cursor.0));
        let (streams, newest_first) = (ranges.len(), ranges.iter().all(|range| range.index.newest_first));
        let share = limit.div_ceil(streams.max(1));
        let chunk = if streams == 1 { limit } else { share.max(CHUNK) };
        let stream = |_| Stream { after: after.clone(), entries: VecDeque::new(), is_read: false };
        Merge { streams: (0..streams).map(stream).collect(), limit, chunk, newest_first, found: Vec::new() }
    }

    /// Merges as far as the entries suffice. Returns the queries that the merge needs; none at the end.
    pub(super) fn wanted(&mut self) -> Vec<Wanted> {
        while self.found.len() < self.limit {
            // The last range that has entries is read in one query.
            let is_last = self.streams.iter().filter(|stream| !stream.is_read).count() == 1;
            let missing = self.limit.saturating_sub(self.found.len());
            let limit = if is_last { missing } else { self.chunk };
            let empty = self
                .streams
                .iter()
                .enumerate()
                .filter(|(_, stream)| stream.entries.is_empty() && !stream.is_read);
            let wanted: Vec<Wanted> = empty
                .map(|(number, stream)| Wanted { stream: number, after: stream.after.clone(), limit })
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
            // An index that lags behind may have the former and the present entry of an application.
            if self.found.last() != Some(&entry) {
                self.found.push(entry);
            }
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
