//! The check of an agency that restores its systems from a backup, and gets its open cases again.

use agency::HubClient;
use domain::ids::ApplicationId;
use jiff::Timestamp;
use protocol::backlog::{ResendCase, ResendOutcome};
use tokio::time::{Instant, sleep};

use super::error::CertifyError;
use super::outcome::NotPassed;
use super::session::Session;
use super::single_case::{self, DECIDED, RESEND_PAUSE};

/// Open cases that come again at once.
const CASES: usize = 2;
/// Most open cases of the agency that are listed: those of certification are among the newest.
const LISTED: usize = 10_000;

/// Leaves cases open, lists them as the agency does after a restore, and requests all their messages at once. Nothing may
/// be done twice, and every case must go on.
pub(super) async fn restore(session: &Session<'_>) -> Result<(), NotPassed> {
    let since = Timestamp::now();
    let client =
        HubClient::new(session.config).map_err(|error| CertifyError::of_agency("a client", error))?;
    let mut open = Vec::new();
    for _ in 0..CASES {
        open.push(single_case::request_supplement(session).await?);
    }
    session.drained().await?;
    let ids: Vec<ApplicationId> = open.iter().map(|(id, _)| *id).collect();
    listed(session, &client, &ids).await?;
    resend(session, &client, &ids).await?;
    session.drained().await?;
    for (id, requested) in &open {
        single_case::check_no_second_effect(session, *id, since, "came again after a restore").await?;
        let now = session.app.view(*id).await?;
        if now.version != requested.version {
            return NotPassed::failed(
                "a message that came again after a restore changed the case: keep the inbox in the same backup as the \
                 decisions, and derive report_id from the content of the report",
            );
        }
        single_case::answer(session, *id, requested).await?;
        session.reaches(*id, &DECIDED).await?;
    }
    Ok(())
}

/// Waits until the agency's list of open cases has these. The list follows the record with a delay.
async fn listed(session: &Session<'_>, client: &HubClient, ids: &[ApplicationId]) -> Result<(), NotPassed> {
    let end = Instant::now() + session.timeout;
    loop {
        let found = client.all_cases(None, LISTED).await;
        let found = found.map_err(|error| CertifyError::of_agency("POST /v1/agency/cases", error))?;
        if ids.iter().all(|id| found.cases.iter().any(|case| case.application == *id)) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(
                CertifyError::Answer("POST /v1/agency/cases: an open case is not listed".to_owned()).into()
            );
        }
        sleep(RESEND_PAUSE).await;
    }
}

/// Requests the latest messages of these cases in one request, as often as the hub asks to wait.
async fn resend(session: &Session<'_>, client: &HubClient, ids: &[ApplicationId]) -> Result<(), NotPassed> {
    let end = Instant::now() + session.timeout;
    let mut left = ids.to_vec();
    loop {
        let cases: Vec<ResendCase> =
            left.iter().map(|id| ResendCase { application: *id, message: None }).collect();
        let answer = client.resend(&cases).await;
        let answer = answer.map_err(|error| CertifyError::of_agency("POST /v1/agency/resend", error))?;
        left.clear();
        for case in answer.cases {
            match case.outcome {
                ResendOutcome::Accepted => {}
                ResendOutcome::TooSoon | ResendOutcome::Unavailable if Instant::now() < end => {
                    left.push(case.application);
                }
                outcome @ (ResendOutcome::TooSoon
                | ResendOutcome::Unavailable
                | ResendOutcome::Closed
                | ResendOutcome::NotFound
                | ResendOutcome::NoSuchMessage) => {
                    let what = format!("an open case to be sent again ({outcome:?})");
                    return Err(CertifyError::Answer(what).into());
                }
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        sleep(RESEND_PAUSE).await;
    }
}
