//! Lists an agency's open cases, and marks cases whose messages the agency requests again.
//!
//! This function only marks the application. The table's stream carries the mark to the router, and the router sends
//! the message, as it sends every message.

use std::collections::HashSet;

use domain::effect::{Notice, open_notices, undelivered};
use domain::ids::AgencyCode;
use futures_util::stream::{self, StreamExt as _};
use http_kit::cursor::{BoundCursor, ListTag};
use http_kit::fields::FieldError;
use http_kit::problem::Problem;
use jiff::Timestamp;
use platform::batch::CONCURRENCY;
use platform::clock::Clock as _;
use platform::hub::Hub;
use platform::log_fault;
use platform::store::{Cursor, ResendMark, Store as _, StoreError, StoredApplication};
use protocol::backlog::{
    CASES, CASES_DEFAULT, CasesPage, CasesRequest, OpenCase, ResendAnswer, ResendCase, ResendOutcome,
    ResendRequest, Resent,
};

/// Largest signed request, in bytes: it names [`CASES`] applications.
pub(crate) const REQUEST_BYTES: usize = 32 * 1024;

/// A page of the agency's open cases.
///
/// # Errors
/// 422 when the cursor or the limit is invalid, 503 when the table does not answer.
pub(crate) async fn cases<H: Hub>(hub: &H, request: &CasesRequest) -> Result<CasesPage, Problem> {
    let mut faults = Vec::new();
    let tag = ListTag::new("open cases, oldest first", &request.agency, "");
    let after = request.after.as_deref().map(str::parse::<BoundCursor>).transpose();
    let after =
        after.map_err(|_| ()).and_then(|after| tag.open::<Cursor>(after.as_ref(), "/after").map_err(|_| ()));
    let after = after.map_err(|()| faults.push(FieldError::new("/after", "cursor")));
    let limit = request.limit.map_or(CASES_DEFAULT, usize::from);
    if !(1..=CASES).contains(&limit) {
        faults.push(FieldError::new("/limit", "out_of_range").between(&(1..=CASES as u64)));
    }
    let (Ok(after), true) = (after, faults.is_empty()) else { return Err(Problem::invalid(faults)) };
    let page = hub.store().before_agency(&request.agency, limit, after).await?;
    let cases = page.items.iter().filter_map(open_case).collect();
    Ok(CasesPage { cases, next: page.next.map(|cursor| tag.bind(cursor)) })
}

fn open_case(stored: &StoredApplication) -> Option<OpenCase> {
    let head = stored.ledger.state();
    let latest = open_notices(&stored.ledger).pop()?;
    Some(OpenCase {
        application: head.id,
        version: head.version,
        message: latest.version,
        notice: latest.kind,
        sent: undelivered(head).is_none(),
        purpose: head.purpose(),
        service: head.opened.service,
        stage: head.stage,
        due: head.due,
        overdue: head.overdue,
        opened_at: head.opened_at,
        incomplete_read: head.is_incomplete(),
    })
}

/// Marks cases whose messages the agency requests again. The outcome of one case does not affect the others.
///
/// # Errors
/// 422 when the request names no case, too many cases, or one case twice.
pub(crate) async fn resend<H: Hub>(hub: &H, request: &ResendRequest) -> Result<ResendAnswer, Problem> {
    let mut faults = Vec::new();
    if !(1..=CASES).contains(&request.cases.len()) {
        faults
            .push(FieldError::new("/cases", if request.cases.is_empty() { "required" } else { "too_many" }));
    }
    let mut seen = HashSet::new();
    for (place, case) in request.cases.iter().enumerate() {
        if !seen.insert(case.application) {
            faults.push(FieldError::new(format!("/cases/{place}/application"), "duplicate"));
        }
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let now = hub.clock().now();
    let requested = request.cases.clone().into_iter().map(|case| resend_one(hub, &request.agency, case, now));
    let cases: Vec<Resent> = stream::iter(requested).buffered(CONCURRENCY).collect().await;
    let accepted = cases.iter().filter(|case| case.outcome == ResendOutcome::Accepted).count();
    tracing::info!(
        agency = %request.agency,
        requested = cases.len(),
        accepted,
        "agency requested messages again: the router will send the accepted ones"
    );
    Ok(ResendAnswer { cases })
}

async fn resend_one<H: Hub>(hub: &H, agency: &AgencyCode, case: ResendCase, now: Timestamp) -> Resent {
    let (message, outcome) = match request_resend(hub, agency, case, now).await {
        Ok(answer) => answer,
        Err(error) => {
            let fault = format!("resend of {}", case.application);
            log_fault!(!error.is_transient(), &fault, application = %case.application, %error, "resend request not recorded: the agency is answered `unavailable` for this case");
            (None, ResendOutcome::Unavailable)
        }
    };
    Resent { application: case.application, message, outcome }
}

async fn request_resend<H: Hub>(
    hub: &H,
    agency: &AgencyCode,
    case: ResendCase,
    now: Timestamp,
) -> Result<(Option<u32>, ResendOutcome), StoreError> {
    let stored = hub.store().get(case.application).await?;
    let Some(stored) = stored.filter(|stored| stored.ledger.state().involves(agency)) else {
        return Ok((None, ResendOutcome::NotFound));
    };
    if stored.ledger.state().is_incomplete() {
        return Ok((None, ResendOutcome::Unavailable));
    }
    let mut open = open_notices(&stored.ledger);
    if stored.ledger.state().agency() != agency || open.is_empty() {
        return Ok((None, ResendOutcome::Closed));
    }
    let wanted = |notice: &Notice| case.message.is_none_or(|version| version == notice.version);
    open.retain(wanted);
    let Some(notice) = open.pop() else { return Ok((None, ResendOutcome::NoSuchMessage)) };
    let outcome = match hub.store().mark_for_resend(case.application, notice.version, now).await? {
        ResendMark::Set => ResendOutcome::Accepted,
        ResendMark::TooSoon => ResendOutcome::TooSoon,
        ResendMark::Missing => ResendOutcome::NotFound,
    };
    Ok((Some(notice.version), outcome))
}
