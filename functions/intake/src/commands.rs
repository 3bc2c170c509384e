//! Commands of an app on an existing application: submit, supplement, withdraw, confirm.
//!
//! The answer shows the application at the version after the command. A repeat therefore receives the same bytes, even
//! after later events. A `submit` of an application that was submitted automatically is no step: it shows the current
//! version.

use domain::command::{Attempt, Command};
use domain::decide::Refusal;
use domain::event::Event;
use domain::ids::ApplicationId;
use domain::ledger::StoredEntry;
use domain::stage::Step;
use http_kit::fields::FieldError;
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
        Refusal::IncompleteRead
        | Refusal::NotYours
        | Refusal::OtherLeg { .. }
        | Refusal::Illegal { .. }
        | Refusal::Stale { .. }
        | Refusal::Changed { .. }
        | Refusal::KeyReused
        | Refusal::DocumentRejected { .. }
        | Refusal::Full
        | Refusal::Invalid(_)
        | Refusal::Bound(_) => return Err(ApplyError::Refused(refusal).into()),
    };
    if let Some(view) = auto_submitted(&stored, attempt) {
        return view;
    }
    match refusal {
        Refusal::Missing(_) => with_arrivals(hub, stored, attempt, refusal).await,
        other => Err(ApplyError::Refused(other).into()),
    }
}

/// Applies a command whose documents are not recorded yet. The bucket may have them while their S3 events are still on
/// the way. Documents found in the bucket are recorded in the same write as the command.
async fn with_arrivals<H: Hub>(
    hub: &H,
    stored: StoredApplication,
    attempt: &Attempt,
    refusal: Refusal,
) -> Result<ApplicationView, Problem> {
    let mut attempts = arrivals(hub, stored.ledger.state()).await?;
    // Applied even when the bucket has no new document: an S3 event may have recorded the last one since the refusal.
    attempts.push(attempt.clone());
    let applied = apply_to(hub, stored, &attempts).await?;
    match applied.outcomes.last() {
        Some(Ok(version)) => view(&applied.stored, *version),
        Some(Err(refusal)) => match auto_submitted(&applied.stored, attempt) {
            Some(view) => view,
            None => Err(refused(&applied.stored, refusal.clone())),
        },
        None => Err(refused(&applied.stored, refusal)),
    }
}

/// The answer to a refused command. A document whose last upload was rejected has another code than a missing one.
fn refused(stored: &StoredApplication, refusal: Refusal) -> Problem {
    let Refusal::Missing(missing) = &refusal else { return refusal.into() };
    let is_rejected =
        |id| stored.ledger.state().document(id).is_some_and(|document| document.fault.is_some());
    let code = |id| if is_rejected(id) { "document_rejected" } else { "document_missing" };
    let errors = missing.iter().map(|id| FieldError::new(format!("/documents/{id}"), code(*id))).collect();
    Problem::from(refusal).with_errors(errors)
}

/// The answer to `submit` for an application that was submitted automatically with its last document: its current view,
/// because the command changes nothing.
fn auto_submitted(stored: &StoredApplication, attempt: &Attempt) -> Option<Result<ApplicationView, Problem>> {
    let state = stored.ledger.state();
    if !state.opened.submit_when_complete || attempt.command != Command::Submit {
        return None;
    }
    let is_submitted = |line: &StoredEntry| matches!(line.entry.event, Event::Submitted { .. });
    stored.ledger.entries().iter().any(is_submitted).then(|| view(stored, stored.version()))
}

/// The application at a version.
///
/// # Errors
/// 503 when the ledger does not contain the version. Versions read from the ledger itself never fail.
pub fn view(stored: &StoredApplication, version: u32) -> Result<ApplicationView, Problem> {
    let state = stored.ledger.at(version).ok_or(ApplyError::Contended)?;
    Ok(ApplicationView::from(&state))
}
