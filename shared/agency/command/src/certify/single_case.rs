//! The checks of one case: its scenarios, repeated messages, a withdrawal.

use std::time::Duration;

use agency::config::ReportsBy;
use domain::event::Provider;
use domain::ids::ApplicationId;
use domain::stage::Stage;
use jiff::Timestamp;
use protocol::app::ApplicationView;
use protocol::backlog::ResendOutcome;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::app::UploadDocument;
use super::applicant::TestApplicant;
use super::error::CertifyError;
use super::outcome::NotPassed;
use super::session::Session;

/// Stages of a first card that was decided favourably and produced.
pub(super) const DECIDED: [Stage; 2] = [Stage::Ready, Stage::Posted];
/// Tries to deliver an old message after a newer one.
const MAX_ATTEMPTS: u32 = 6;
/// Poll interval when certification must act before the consumer decides.
const FAST_POLL: Duration = Duration::from_millis(20);
/// Pause before another request for a resend.
pub(super) const RESEND_PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn ordinary(session: &Session<'_>) -> Result<(), NotPassed> {
    let id = session.decided(TestApplicant::Passes).await?;
    session.reaches(id, &DECIDED).await?;
    Ok(())
}

pub(super) async fn certificate(session: &Session<'_>) -> Result<(), NotPassed> {
    let id = session.certified(TestApplicant::Passes).await?;
    let issued = session.reaches(id, &[Stage::Issued]).await?;
    let document = issued.documents.iter().find(|document| document.provider == Provider::Agency);
    let Some(document) = document.filter(|document| document.sha256.is_some()) else {
        return NotPassed::failed(
            "the consumer reported `issued` but uploaded no certificate: upload the certificate before the report",
        );
    };
    let bytes = session.app.document(id, document.id).await?;
    if document.size == u64::try_from(bytes.len()).ok() && bytes.starts_with(b"%PDF-") {
        Ok(())
    } else {
        NotPassed::failed(
            "the uploaded certificate is not a PDF: upload the document itself with its media type",
        )
    }
}

pub(super) async fn refusal(session: &Session<'_>) -> Result<(), NotPassed> {
    let id = session.decided(TestApplicant::Refused).await?;
    session.reaches(id, &[Stage::NotIssued]).await?;
    Ok(())
}

pub(super) async fn supplement(session: &Session<'_>) -> Result<(), NotPassed> {
    let (id, requested) = request_supplement(session).await?;
    answer(session, id, &requested).await?;
    session.reaches(id, &DECIDED).await?;
    Ok(())
}

/// Files a case that lacks an item, and waits for the consumer's request.
pub(super) async fn request_supplement(
    session: &Session<'_>,
) -> Result<(ApplicationId, ApplicationView), NotPassed> {
    let id = session.decided(TestApplicant::Lacks).await?;
    let requested = session.reaches(id, &[Stage::SupplementRequested]).await?;
    Ok((id, requested))
}

/// Uploads every requested item and submits the answer.
pub(super) async fn answer(
    session: &Session<'_>,
    id: ApplicationId,
    requested: &ApplicationView,
) -> Result<(), NotPassed> {
    for slot in requested.documents.iter().filter(|slot| requested.missing.contains(&slot.id)) {
        let Some(kind) = slot.accepts.first() else {
            return NotPassed::failed(format!(
                "the requested item {} accepts no kind of document",
                slot.requirement
            ));
        };
        session.app.add(id, slot.id, &UploadDocument::new(kind.name())).await?;
    }
    session.app.step(id, "supplement", &json!({})).await?;
    Ok(())
}

pub(super) async fn duplicate(session: &Session<'_>) -> Result<(), NotPassed> {
    let since = Timestamp::now();
    let id = session.decided(TestApplicant::Waits).await?;
    session.reaches(id, &[Stage::Received]).await?;
    if resend(session, id, None).await? == ResendResult::CaseClosed {
        return NotPassed::failed("the case was decided at once: work 4 s or more on this applicant's case");
    }
    session.reaches(id, &DECIDED).await?;
    check_no_second_effect(session, id, since, "was delivered twice").await
}

pub(super) async fn late_duplicate(session: &Session<'_>) -> Result<(), NotPassed> {
    let since = Timestamp::now();
    let (id, requested) = request_supplement(session).await?;
    session.drained().await?;
    if resend(session, id, opening_of(session, id).await?).await? == ResendResult::CaseClosed {
        return NotPassed::failed("the case went on although the supplement was not answered");
    }
    check_no_second_effect(session, id, since, "was repeated after it was handled").await?;
    let now = session.app.view(id).await?;
    if now.version != requested.version {
        return NotPassed::failed(
            "a message that was handled before changed the case: remember the handled versions",
        );
    }
    answer(session, id, &requested).await?;
    session.reaches(id, &DECIDED).await?;
    Ok(())
}

pub(super) async fn reordering(session: &Session<'_>) -> Result<(), NotPassed> {
    for _ in 0..MAX_ATTEMPTS {
        let since = Timestamp::now();
        let (id, requested) = request_supplement(session).await?;
        let opening = opening_of(session, id).await?;
        answer(session, id, &requested).await?;
        // The newer message is in the queue once the hub has recorded its dispatch; the case stays open until it is
        // decided.
        let end = Instant::now() + session.timeout;
        let in_time = loop {
            if Instant::now() > end {
                return NotPassed::failed(format!(
                    "the hub did not send the answer to a supplement within {} s, which says nothing about the consumer",
                    session.timeout.as_secs()
                ));
            }
            let view = session.app.view(id).await?;
            if DECIDED.contains(&view.stage) {
                break false;
            }
            let dispatched = session.app.events(id).await?.events;
            if dispatched.iter().filter(|event| event.kind == "application.dispatched").count() > 1 {
                break resend(session, id, opening).await? == ResendResult::Accepted;
            }
            if view.is_final {
                break false;
            }
            sleep(FAST_POLL).await;
        };
        session.reaches(id, &DECIDED).await?;
        if in_time {
            return check_no_second_effect(session, id, since, "arrived after a newer one").await;
        }
    }
    Err(NotPassed::Skipped(format!(
        "the consumer decided {MAX_ATTEMPTS} times before an old message could arrive: work one second or more on an answered case"
    )))
}

pub(super) async fn withdrawn_while_working(session: &Session<'_>) -> Result<(), NotPassed> {
    let since = Timestamp::now();
    let id = session.decided(TestApplicant::Waits).await?;
    session.reaches(id, &[Stage::Received]).await?;
    match session.app.step(id, "withdraw", &json!({})).await {
        Ok(_) => {}
        Err(refused) if refused.status() == Some(409) => {
            return NotPassed::failed(
                "the case was decided at once: work 4 s or more on this applicant's case",
            );
        }
        Err(error) => return Err(error.into()),
    }
    session.drained().await?;
    let refused = session.refused(id, since).await?;
    // By the queue the consumer gets no answer, so it cannot stop at a refusal.
    if refused.len() > 1 && session.config.reports_by == ReportsBy::Http {
        return NotPassed::failed(format!(
            "the consumer sent {} reports after the withdrawal ({}): stop the work on a case at the first 409",
            refused.len(),
            refused.join(", ")
        ));
    }
    ordinary(session).await
}

/// The version of the message that opened the case.
async fn opening_of(session: &Session<'_>, id: ApplicationId) -> Result<Option<u32>, CertifyError> {
    let events = session.app.events(id).await?.events;
    Ok(events.iter().find(|event| event.kind == "application.submitted").map(|event| event.version))
}

/// The result of a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResendResult {
    Accepted,
    CaseClosed,
}

async fn resend(
    session: &Session<'_>,
    id: ApplicationId,
    message: Option<u32>,
) -> Result<ResendResult, NotPassed> {
    let end = Instant::now() + session.timeout;
    loop {
        match session.resend(id, message).await? {
            ResendOutcome::Accepted => return Ok(ResendResult::Accepted),
            ResendOutcome::Closed => return Ok(ResendResult::CaseClosed),
            ResendOutcome::TooSoon | ResendOutcome::Unavailable if Instant::now() < end => {
                sleep(RESEND_PAUSE).await
            }
            outcome @ (ResendOutcome::TooSoon
            | ResendOutcome::Unavailable
            | ResendOutcome::NotFound
            | ResendOutcome::NoSuchMessage) => {
                let what = format!("a message to be sent again ({outcome:?})");
                return Err(CertifyError::Answer(what).into());
            }
        }
    }
}

pub(super) async fn check_no_second_effect(
    session: &Session<'_>,
    id: ApplicationId,
    since: Timestamp,
    what: &str,
) -> Result<(), NotPassed> {
    session.drained().await?;
    let refused = session.refused(id, since).await?;
    if refused.is_empty() {
        return Ok(());
    }
    NotPassed::failed(format!(
        "a message that {what} was handled again, and the hub refused {} reports ({}): remember the last handled version \
         of each case, and delete every message that is not newer",
        refused.len(),
        refused.join(", ")
    ))
}
