//! Commands of an app on an existing application: submit, supplement, withdraw, confirm.
//!
//! The answer shows the application at the version after the command, so a repeat receives the same bytes, whatever has
//! happened since.

use domain::command::{Attempt, Command};
use domain::decide::Refusal;
use domain::event::Event;
use domain::ids::ApplicationId;
use domain::stage::Step;
use http_kit::problem::Problem;
use platform::apply::{ApplyError, apply, apply_to};
use platform::arrivals::arrivals;
use platform::hub::Hub;
use platform::store::{Store as _, StoredApplication};
use protocol::app::ApplicationView;

/// Applies a command.
///
/// # Errors
/// The domain's refusal or the store's failure, as a [`Problem`].
pub async fn command<H: Hub>(
    hub: &H,
    id: ApplicationId,
    attempt: &Attempt,
) -> Result<ApplicationView, Problem> {
    let refusal = match apply(hub, id, attempt, None).await {
        Ok(applied) => return view(&applied.stored, applied.version),
        Err(ApplyError::Refused(refusal)) => refusal,
        Err(other) => return Err(other.into()),
    };
    let stored = match &refusal {
        Refusal::Missing(_) | Refusal::Illegal { step: Step::Submit, .. } => {
            hub.store().get(id).await?.ok_or(ApplyError::NotFound)?
        }
        Refusal::NotYours
        | Refusal::OtherLeg { .. }
        | Refusal::Illegal { .. }
        | Refusal::Stale { .. }
        | Refusal::Changed { .. }
        | Refusal::KeyReused
        | Refusal::Invalid(_)
        | Refusal::Bound(_) => return Err(ApplyError::Refused(refusal).into()),
    };
    if let Some(view) = submitted_by_itself(&stored, attempt) {
        return view;
    }
    match refusal {
        Refusal::Missing(_) => with_arrivals(hub, stored, attempt, refusal).await,
        other => Err(ApplyError::Refused(other).into()),
    }
}

/// Applies a command whose documents are missing in the record. They may be in the bucket while their S3 events are still
/// on the way; the documents that the bucket has are recorded in the same write as the command.
async fn with_arrivals<H: Hub>(
    hub: &H,
    stored: StoredApplication,
    attempt: &Attempt,
    refusal: Refusal,
) -> Result<ApplicationView, Problem> {
    let mut attempts = arrivals(hub, stored.ledger.state()).await?;
    // Also where none is found: S3 may have told of the last one since the refusal.
    attempts.push(attempt.clone());
    let applied = apply_to(hub, stored, &attempts).await?;
    match applied.outcomes.last() {
        Some(Ok(version)) => view(&applied.stored, *version),
        Some(Err(refusal)) => match submitted_by_itself(&applied.stored, attempt) {
            Some(view) => view,
            None => Err(ApplyError::Refused(refusal.clone()).into()),
        },
        None => Err(ApplyError::Refused(refusal).into()),
    }
}

/// An application that submits itself with its last document needs no submit; asked for one, it answers with what the
/// submission made of it, however late.
fn submitted_by_itself(
    stored: &StoredApplication,
    attempt: &Attempt,
) -> Option<Result<ApplicationView, Problem>> {
    let head = stored.ledger.state();
    if !head.opened.submit_when_complete || attempt.command != Command::Submit {
        return None;
    }
    let submitted =
        stored.ledger.lines().iter().find(|line| matches!(line.entry.event, Event::Submitted { .. }))?;
    Some(view(stored, submitted.entry.version))
}

/// The application as of a version.
///
/// # Errors
/// 503 where the version is not in the record, which a version from the record itself always is.
pub fn view(stored: &StoredApplication, version: u32) -> Result<ApplicationView, Problem> {
    let head = stored.ledger.at(version).ok_or(ApplyError::Contended)?;
    Ok(ApplicationView::from(&head))
}
