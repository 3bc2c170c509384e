//! The checks that play one case: its ordinary courses, messages that come again, a withdrawal.

use std::time::Duration;

use domain::event::Provider;
use domain::ids::ApplicationId;
use domain::stage::Stage;
use jiff::Timestamp;
use protocol::app::ApplicationView;
use protocol::backlog::ResendOutcome;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::Name;
use super::app::Paper;
use super::error::CertifyError;
use super::outcome::Unmet;
use super::session::Session;

/// Where a first card is decided favourably and produced.
pub(super) const DECIDED: [Stage; 2] = [Stage::Ready, Stage::Posted];
/// How often an old message is tried to be brought behind a newer one.
const TRIES: u32 = 6;
/// How often it is looked for a message that must be overtaken before the consumer decides.
const QUICK: Duration = Duration::from_millis(20);
/// How long to wait before a message may be asked for once more.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn ordinary(session: &Session<'_>) -> Result<(), Unmet> {
    let id = session.decided(Name::Passes).await?;
    session.reaches(id, &DECIDED).await?;
    Ok(())
}

pub(super) async fn certificate(session: &Session<'_>) -> Result<(), Unmet> {
    let id = session.certified(Name::Passes).await?;
    let issued = session.reaches(id, &[Stage::Issued]).await?;
    let document = issued.documents.iter().find(|document| document.provider == Provider::Agency);
    let Some(document) = document.filter(|document| document.sha256.is_some()) else {
        return Unmet::failed("it was reported as issued, but no certificate was uploaded before the report");
    };
    let bytes = session.app.document(id, document.id).await?;
    if document.size == u64::try_from(bytes.len()).ok() && bytes.starts_with(b"%PDF-") {
        Ok(())
    } else {
        Unmet::failed("the uploaded certificate is no PDF: upload the document itself with its media type")
    }
}

pub(super) async fn refusal(session: &Session<'_>) -> Result<(), Unmet> {
    let id = session.decided(Name::Refused).await?;
    session.reaches(id, &[Stage::NotIssued]).await?;
    Ok(())
}

pub(super) async fn supplement(session: &Session<'_>) -> Result<(), Unmet> {
    let (id, asked) = ask_for_supplement(session).await?;
    answer(session, id, &asked).await?;
    session.reaches(id, &DECIDED).await?;
    Ok(())
}

/// Files a case that lacks something, until it is said.
async fn ask_for_supplement(session: &Session<'_>) -> Result<(ApplicationId, ApplicationView), Unmet> {
    let id = session.decided(Name::Lacks).await?;
    let asked = session.reaches(id, &[Stage::SupplementRequested]).await?;
    Ok((id, asked))
}

/// Hands in everything that was asked for.
async fn answer(session: &Session<'_>, id: ApplicationId, asked: &ApplicationView) -> Result<(), Unmet> {
    for slot in asked.documents.iter().filter(|slot| asked.missing.contains(&slot.id)) {
        let Some(kind) = slot.accepts.first() else {
            return Unmet::failed(format!(
                "the item asked for, {}, accepts no kind of document",
                slot.requirement
            ));
        };
        session.app.add(id, slot.id, &Paper::new(kind.name())).await?;
    }
    session.app.step(id, "supplement", &json!({})).await?;
    Ok(())
}

pub(super) async fn duplicate(session: &Session<'_>) -> Result<(), Unmet> {
    let since = Timestamp::now();
    let id = session.decided(Name::Waits).await?;
    session.reaches(id, &[Stage::Received]).await?;
    if send_again(session, id, None).await? == Sent::TooLate {
        return Unmet::failed("the case was decided at once: work 4 s or more on this applicant's");
    }
    session.reaches(id, &DECIDED).await?;
    no_second_effect(session, id, since, "was sent twice").await
}

pub(super) async fn late_duplicate(session: &Session<'_>) -> Result<(), Unmet> {
    let since = Timestamp::now();
    let (id, asked) = ask_for_supplement(session).await?;
    session.drained().await?;
    if send_again(session, id, opening_of(session, id).await?).await? == Sent::TooLate {
        return Unmet::failed("the case went on though nothing was answered");
    }
    no_second_effect(session, id, since, "came again after it was handled").await?;
    let now = session.app.view(id).await?;
    if now.version != asked.version {
        return Unmet::failed(
            "the case changed by a message that was handled before: keep the versions handled",
        );
    }
    answer(session, id, &asked).await?;
    session.reaches(id, &DECIDED).await?;
    Ok(())
}

pub(super) async fn reordering(session: &Session<'_>) -> Result<(), Unmet> {
    for _ in 0..TRIES {
        let since = Timestamp::now();
        let (id, asked) = ask_for_supplement(session).await?;
        let opening = opening_of(session, id).await?;
        answer(session, id, &asked).await?;
        // The newer message is in the queue once its dispatch is recorded; the case stays open until it is decided.
        let end = Instant::now() + session.timeout;
        let in_time = loop {
            if Instant::now() > end {
                return Unmet::failed(format!(
                    "the answer to a supplement was not sent within {} s, which says nothing of the consumer",
                    session.timeout.as_secs()
                ));
            }
            let view = session.app.view(id).await?;
            if DECIDED.contains(&view.stage) {
                break false;
            }
            let dispatched = session.app.events(id).await?.events;
            if dispatched.iter().filter(|event| event.kind == "application.dispatched").count() > 1 {
                break send_again(session, id, opening).await? == Sent::Again;
            }
            if view.is_final {
                break false;
            }
            sleep(QUICK).await;
        };
        session.reaches(id, &DECIDED).await?;
        if in_time {
            return no_second_effect(session, id, since, "came after a newer one").await;
        }
    }
    Err(Unmet::Skipped(format!(
        "the consumer decided before an old message could come, {TRIES} times: take a second over an answered case"
    )))
}

pub(super) async fn withdrawn_while_working(session: &Session<'_>) -> Result<(), Unmet> {
    let since = Timestamp::now();
    let id = session.decided(Name::Waits).await?;
    session.reaches(id, &[Stage::Received]).await?;
    match session.app.step(id, "withdraw", &json!({})).await {
        Ok(_) => {}
        Err(refused) if refused.status() == Some(409) => {
            return Unmet::failed("the case was decided at once: work 4 s or more on this applicant's");
        }
        Err(trouble) => return Err(trouble.into()),
    }
    session.drained().await?;
    let refused = session.refused(id, since).await?;
    if refused.len() > 1 {
        return Unmet::failed(format!(
            "{} reports came after the withdrawal ({}): stop work on a case at the first 409",
            refused.len(),
            refused.join(", ")
        ));
    }
    ordinary(session).await
}

/// Version of the message that opened the case.
async fn opening_of(session: &Session<'_>, id: ApplicationId) -> Result<Option<u32>, CertifyError> {
    let events = session.app.events(id).await?.events;
    Ok(events.iter().find(|event| event.kind == "application.submitted").map(|event| event.version))
}

/// Whether a message was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Again,
    TooLate,
}

async fn send_again(session: &Session<'_>, id: ApplicationId, message: Option<u32>) -> Result<Sent, Unmet> {
    let end = Instant::now() + session.timeout;
    loop {
        match session.resend(id, message).await? {
            ResendOutcome::Accepted => return Ok(Sent::Again),
            ResendOutcome::Closed => return Ok(Sent::TooLate),
            ResendOutcome::TooSoon | ResendOutcome::Unavailable if Instant::now() < end => sleep(AGAIN).await,
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

async fn no_second_effect(
    session: &Session<'_>,
    id: ApplicationId,
    since: Timestamp,
    what: &str,
) -> Result<(), Unmet> {
    session.drained().await?;
    let refused = session.refused(id, since).await?;
    if refused.is_empty() {
        return Ok(());
    }
    Unmet::failed(format!(
        "a message that {what} was worked on again, and the hub refused {} reports ({}): keep the version of the last \
         message handled of each case, and delete what is not newer",
        refused.len(),
        refused.join(", ")
    ))
}
