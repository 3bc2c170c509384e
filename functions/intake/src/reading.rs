//! Reads for apps: the events of an application, and the list of applications.

use std::time::Duration;

use domain::application::Application;
use domain::catalogue::Service;
use domain::ids::{AgencyCode, ApplicationId, TenantId};
use domain::stage::Stage;
use http_kit::fields::{Fields, FromFields, choice, flag, moment, page_limit, text, whole};
use http_kit::owned_application::owned_application;
use http_kit::problem::Problem;
use jiff::Timestamp;
use platform::hub::Hub;
use platform::store::{Cursor, PAGE as STORE_PAGE, Store as _, StoredApplication};
use protocol::app::{ApplicationView, ApplicationsPage, EventView, EventsPage};
use tokio::time::{Instant, sleep};

/// Most applications that one page of a list examines. When few of them pass the filter the page is short, and its cursor
/// continues after the last one examined.
const EXAMINED: usize = 500;
/// Longest wait for an event, in seconds. API Gateway ends a request after 30.
const LONGEST_WAIT: u64 = 20;
/// Pauses between two reads while a request waits for an event. They grow, because each read costs.
const LOOKS: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1_000),
    Duration::from_millis(2_000),
];

/// `GET /v1/applications?limit=&cursor=&stage=&service=&agency=&updated_since=&overdue=`.
#[derive(Clone, Debug)]
pub struct ListQuery {
    limit: usize,
    cursor: Option<Cursor>,
    filter: Filter,
}

/// Conditions on the applications of a list. An absent condition holds for every application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    stage: Option<Stage>,
    service: Option<Service>,
    agency: Option<AgencyCode>,
    updated_since: Option<Timestamp>,
    overdue: Option<bool>,
}

impl Filter {
    fn takes(&self, head: &Application) -> bool {
        // The agency that acts, or acted last; a draft is before none.
        let agency = (head.leg_opened > 0).then(|| head.agency());
        self.stage.is_none_or(|stage| head.stage == stage)
            && self.service.is_none_or(|service| head.opened.service == service)
            && self.agency.as_ref().is_none_or(|wanted| agency == Some(wanted))
            && self.updated_since.is_none_or(|since| head.changed_at >= since)
            && self.overdue.is_none_or(|overdue| head.overdue == overdue)
    }
}

impl FromFields for ListQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let limit = page_limit(fields);
        let cursor = fields.optional("cursor", text);
        let filter = Filter {
            stage: fields.optional("stage", choice),
            service: fields.optional("service", choice),
            agency: fields.optional("agency", text),
            updated_since: fields.optional("updated_since", moment),
            overdue: fields.optional("overdue", flag),
        };
        Some(ListQuery { limit, cursor, filter })
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
        let after = fields.optional("after", whole(0..=u64::from(u32::MAX))).unwrap_or(0);
        let wait = fields.optional("wait", whole(0..=LONGEST_WAIT)).unwrap_or(0);
        let (limit, wait) = (page_limit(fields), Duration::from_secs(wait));
        Some(EventsQuery { limit, after: u32::try_from(after).ok()?, wait })
    }
}

/// A page of the tenant's applications, newest first. Where a filter is given, up to [`EXAMINED`] are looked at: a page
/// may be short, or empty, and still have a next one.
///
/// # Errors
/// 503 where they cannot be read.
pub async fn list<H: Hub>(hub: &H, tenant: &TenantId, query: ListQuery) -> Result<ApplicationsPage, Problem> {
    let ListQuery { limit, mut cursor, filter } = query;
    // Without a filter no more is read than fits.
    let at_once = if filter == Filter::default() { limit } else { STORE_PAGE };
    let (mut applications, mut examined) = (Vec::new(), 0);
    loop {
        let page = hub.store().list(tenant, at_once, cursor).await?;
        cursor = page.next;
        examined += at_once;
        let mut items = page.items.iter().peekable();
        while let Some(stored) = items.next() {
            if filter.takes(stored.ledger.state()) {
                applications.push(ApplicationView::from(stored.ledger.state()));
            }
            if applications.len() == limit && items.peek().is_some() {
                cursor = Some(Cursor::behind(stored));
                break;
            }
        }
        if cursor.is_none() || applications.len() == limit || examined >= EXAMINED {
            break;
        }
    }
    Ok(ApplicationsPage { applications, next: cursor.map(|cursor| cursor.to_string()) })
}

/// A page of an application's events, in version order. Where there is none yet it is waited for, as long as was
/// asked, unless none can come any more.
///
/// # Errors
/// 404 as [`owned_application`]; 503 where it cannot be read.
pub async fn events<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: ApplicationId,
    query: EventsQuery,
) -> Result<EventsPage, Problem> {
    let end = Instant::now() + query.wait;
    let mut looks = LOOKS.into_iter();
    let mut pause = LOOKS[LOOKS.len() - 1];
    loop {
        let stored = owned_application(hub, tenant, id).await?;
        let head = stored.ledger.state();
        let left = end.saturating_duration_since(Instant::now());
        if head.version > query.after || head.is_final() || left.is_zero() {
            return Ok(page(&stored, query));
        }
        pause = looks.next().unwrap_or(pause);
        sleep(pause.min(left)).await;
    }
}

fn page(stored: &StoredApplication, query: EventsQuery) -> EventsPage {
    let rest = stored.ledger.after(query.after);
    let page = &rest[..rest.len().min(query.limit)];
    EventsPage {
        events: page.iter().map(|line| EventView::from(&line.entry)).collect(),
        after: page.last().map_or(query.after, |line| line.entry.version),
        more: rest.len() > page.len(),
        hash: stored.ledger.hash(),
    }
}
