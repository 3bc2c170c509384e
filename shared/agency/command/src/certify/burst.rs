//! The check that files many cases at once.

use std::time::{Duration, Instant};

use domain::ids::ApplicationId;
use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;

use super::applicant::TestApplicant;
use super::error::CertifyError;
use super::outcome::NotPassed;
use super::session::Session;
use super::single_case::DECIDED;

/// Cases filed concurrently; a hub on one machine does not take more.
const CONCURRENCY: usize = 8;
/// Additional time for each case of a burst.
const TIME_PER_CASE: Duration = Duration::from_secs(2);
/// Poll interval for the open cases.
const POLL: Duration = Duration::from_millis(500);

pub(super) async fn burst(session: &Session<'_>) -> Result<String, NotPassed> {
    let since = Timestamp::now();
    let begun = Instant::now();
    let mut filing = stream::iter(0..session.burst)
        .map(|_| session.decided(TestApplicant::Passes))
        .buffer_unordered(CONCURRENCY);
    let mut filed: Vec<ApplicationId> = Vec::with_capacity(session.burst);
    while let Some(one) = filing.next().await {
        filed.push(one?);
    }
    drop(filing);
    let filing = begun.elapsed().as_secs_f64();
    let end = begun + session.timeout + TIME_PER_CASE * u32::try_from(session.burst).unwrap_or(u32::MAX);
    let mut open = filed.clone();
    while !open.is_empty() {
        open = still_open(session, open).await?;
        if Instant::now() > end {
            return NotPassed::failed(format!(
                "{} of {} cases were not decided within {} s: handle several cases concurrently, and delete each message after \
                 handling it",
                open.len(),
                session.burst,
                begun.elapsed().as_secs()
            ));
        }
        tokio::time::sleep(POLL).await;
    }
    let all = begun.elapsed().as_secs_f64();
    session.drained().await?;
    let refused = session.needed_operator()?.refused(session.agency(), since).await?;
    let own = refused.iter().filter(|one| one.application.is_some_and(|id| filed.contains(&id))).count();
    if own > 0 {
        return NotPassed::failed(format!(
            "the hub refused {own} reports on the {} cases: report each step of a case once, in order",
            session.burst
        ));
    }
    let rate = f64::from(u32::try_from(session.burst).unwrap_or(u32::MAX)) / all;
    Ok(format!("{} cases in {all:.1} s, {rate:.2} a second; filed within {filing:.1} s", session.burst))
}

/// The cases that are not decided yet. Reading stops after a few open cases: the other cases are later in the queue.
async fn still_open(
    session: &Session<'_>,
    open: Vec<ApplicationId>,
) -> Result<Vec<ApplicationId>, CertifyError> {
    let mut rest = Vec::new();
    let mut ids = open.into_iter();
    for id in ids.by_ref() {
        if !DECIDED.contains(&session.app.view(id).await?.stage) {
            rest.push(id);
        }
        if rest.len() >= CONCURRENCY {
            break;
        }
    }
    rest.extend(ids);
    Ok(rest)
}
