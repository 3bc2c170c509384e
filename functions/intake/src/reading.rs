//! Reads for apps: the events of an application, and the list of applications.

use std::fmt;
use std::time::Duration;

use domain::application::Application;
use domain::ids::{ApplicationId, TenantId};
use http_kit::cursor::{BoundCursor, ListTag};
use http_kit::fields::{Fields, FromFields, boolean, choice, integer, page_limit, text, timestamp};
use http_kit::owned_application::owned_application;
use http_kit::problem::Problem;
use jiff::Timestamp;
use platform::hub::Hub;
use platform::store::{Cursor, ListFilter, PAGE as STORE_PAGE, Store as _, StoredApplication};
use protocol::app::{ApplicationView, ApplicationsPage, EventView, EventsPage};
use tokio::time::{Instant, sleep};

/// Number of applications that a page examines when no index has the matching ones alone. A page that finds few of them
/// is short, and its cursor continues after the last examined application.
const EXAMINED: usize = STORE_PAGE;
/// Maximum wait for an event, in seconds. API Gateway ends a request after 30 seconds.
const LONGEST_WAIT: u64 = 20;
/// Pauses between two reads while a request waits for an event. They grow to save reads.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1_000),
    Duration::from_millis(2_000),
];

/// `GET /v1/applications?limit=&cursor=&stage=&service=&agency=&updated_since=&overdue=`.
#[derive(Clone, Debug)]
pub struct ListQuery {
    limit: usize,
    cursor: Option<BoundCursor>,
    filter: Filter,
}

/// Conditions on the applications of a list. An absent condition holds for every application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    /// Conditions that indexes serve.
    indexed: ListFilter,
    updated_since: Option<Timestamp>,
}

impl Filter {
    fn matches(&self, state: &Application) -> bool {
        self.updated_since.is_none_or(|since| state.changed_at >= since) && self.indexed.matches(state)
    }

    /// How many applications a page of `limit` examines.
    fn examined(&self, limit: usize) -> usize {
        if self.updated_since.is_none() && self.indexed.is_exact() { limit } else { EXAMINED }
    }
}

impl fmt::Display for Filter {
    /// The text that binds a cursor to the filter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Filter { indexed: ListFilter { stage, service, agency, overdue }, updated_since } = self;
        if let Some(stage) = stage {
            write!(f, "stage={};", stage.name())?;
        }
        if let Some(service) = service {
            write!(f, "service={service};")?;
        }
        if let Some(agency) = agency {
            write!(f, "agency={agency};")?;
        }
        if let Some(since) = updated_since {
            write!(f, "updated_since={since};")?;
        }
        if let Some(overdue) = overdue {
            write!(f, "overdue={overdue};")?;
        }
        Ok(())
    }
}

impl FromFields for ListQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let limit = page_limit(fields);
        let cursor = fields.optional("cursor", text);
        let indexed = ListFilter {
            stage: fields.optional("stage", choice),
            service: fields.optional("service", choice),
            agency: fields.optional("agency", text),
            overdue: fields.optional("overdue", boolean),
        };
        let updated_since = fields.optional("updated_since", timestamp);
        Some(ListQuery { limit, cursor, filter: Filter { indexed, updated_since } })
    }
}

/// `GET /v1/applications/{id}/events?after=&limit=&wait=`.
#[derive(Clone, Copy, Debug)]
pub struct EventsQuery {
    after: u32,
    limit: usize,
    wait: Duration,
}

impl FromFields for EventsQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let after = fields.optional("after", integer(0..=u64::from(u32::MAX))).unwrap_or(0);
        let wait = fields.optional("wait", integer(0..=LONGEST_WAIT)).unwrap_or(0);
        let (limit, wait) = (page_limit(fields), Duration::from_secs(wait));
        Some(EventsQuery { limit, after: u32::try_from(after).ok()?, wait })
    }
}

/// A page of the tenant's applications, newest first. It examines `limit` applications, or [`EXAMINED`], so it may be
/// short or empty and still have a next page.
///
/// # Errors
/// 503 when the store cannot be read.
pub async fn list<H: Hub>(hub: &H, tenant: &TenantId, query: ListQuery) -> Result<ApplicationsPage, Problem> {
    let ListQuery { limit, cursor, filter } = query;
    let tag = ListTag::new("applications, newest first", tenant, &filter);
    let cursor: Option<Cursor> = tag.open(cursor.as_ref(), "/cursor")?;
    let page = hub.store().list_by(tenant, &filter.indexed, filter.examined(limit), cursor).await?;
    let (mut applications, mut next) = (Vec::new(), page.next);
    let mut items = page.items.iter().peekable();
    while let Some(stored) = items.next() {
        if filter.matches(stored.ledger.state()) {
            applications.push(ApplicationView::from(stored.ledger.state()));
        }
        if applications.len() == limit && items.peek().is_some() {
            next = Some(Cursor::behind(stored));
            break;
        }
    }
    Ok(ApplicationsPage { applications, next: next.map(|cursor| tag.bind(cursor)) })
}

/// A page of an application's events, in version order. Without events after `after`, the request waits for one up to
/// `wait`, unless the application is final.
///
/// # Errors
/// 404 as [`owned_application`]; 503 when the store cannot be read.
pub async fn events<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: ApplicationId,
    query: EventsQuery,
) -> Result<EventsPage, Problem> {
    let begun = Instant::now();
    let mut pauses = PAUSES.into_iter();
    let [.., mut pause] = PAUSES;
    loop {
        let stored = owned_application(hub, tenant, id).await?;
        let state = stored.ledger.state();
        let left = query.wait.saturating_sub(begun.elapsed());
        if state.version > query.after || state.is_final() || left.is_zero() {
            return Ok(page(&stored, query));
        }
        pause = pauses.next().unwrap_or(pause);
        sleep(pause.min(left)).await;
    }
}

fn page(stored: &StoredApplication, query: EventsQuery) -> EventsPage {
    let rest = stored.ledger.after(query.after);
    let page = rest.get(..query.limit).unwrap_or(rest);
    EventsPage {
        events: page.iter().map(|line| EventView::from(&line.entry)).collect(),
        after: page.last().map_or(query.after, |line| line.entry.version),
        more: rest.len() > page.len(),
        hash: stored.ledger.hash(),
    }
}
