//! What an app reads: one application, its events, its list.

use domain::ids::{ApplicationId, TenantId};
use platform::fields::{Fields, FromFields, text, whole};
use platform::hub::Hub;
use platform::problem::Problem;
use platform::store::{Cursor, Kept, Store as _};
use protocol::app::{ApplicationView, ApplicationsPage, EventView, EventsPage};

/// Most entries of a page.
const PAGE: u64 = 100;
/// Entries of a page where nothing else is asked.
const USUAL_PAGE: u64 = 50;

/// `GET /v1/applications?limit=&cursor=`.
#[derive(Clone, Debug)]
pub struct ListQuery {
    limit: usize,
    cursor: Option<Cursor>,
}

impl FromFields for ListQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let limit = limit(fields);
        let cursor = fields.optional("cursor", text);
        Some(ListQuery { limit, cursor })
    }
}

/// `GET /v1/applications/{id}/events?after=&limit=`.
#[derive(Clone, Copy, Debug)]
pub struct EventsQuery {
    after: u32,
    limit: usize,
}

impl FromFields for EventsQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let after = fields.optional("after", whole(0..=u64::from(u32::MAX))).unwrap_or(0);
        Some(EventsQuery { limit: limit(fields), after: u32::try_from(after).ok()? })
    }
}

fn limit(fields: &mut Fields<'_>) -> usize {
    let limit = fields.optional("limit", whole(1..=PAGE)).unwrap_or(USUAL_PAGE);
    usize::try_from(limit).unwrap_or(1)
}

/// An application of the tenant.
///
/// # Errors
/// 404 where there is none, and where it is another's: the two look the same.
pub async fn owned<H: Hub>(hub: &H, tenant: &TenantId, id: ApplicationId) -> Result<Kept, Problem> {
    let kept = hub.store().get(id).await?;
    kept.filter(|kept| kept.ledger.head().tenant() == tenant).ok_or_else(Problem::not_found)
}

/// A page of the tenant's applications, newest first.
///
/// # Errors
/// 503 where they cannot be read.
pub async fn list<H: Hub>(hub: &H, tenant: &TenantId, query: ListQuery) -> Result<ApplicationsPage, Problem> {
    let page = hub.store().list(tenant, query.limit, query.cursor).await?;
    Ok(ApplicationsPage {
        applications: page.items.iter().map(|kept| ApplicationView::from(kept.ledger.head())).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    })
}

/// A page of an application's events, in version order.
#[must_use]
pub fn events(kept: &Kept, query: EventsQuery) -> EventsPage {
    let rest = kept.ledger.after(query.after);
    let page = &rest[..rest.len().min(query.limit)];
    EventsPage {
        events: page.iter().map(|line| EventView::from(&line.entry)).collect(),
        after: page.last().map_or(query.after, |line| line.entry.version),
        more: rest.len() > page.len(),
        seal: kept.ledger.seal(),
    }
}
