//! What every check works with: the app backend, the agency's own view of its queue and backlog, the operator.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::division::DivisionCode;
use domain::ids::{AgencyCode, ApplicationId};
use domain::stage::{Purpose, Stage};
use jiff::Timestamp;
use protocol::app::ApplicationView;
use protocol::backlog::{RESEND_TYP, ResendAnswer, ResendCase, ResendOutcome, ResendRequest};
use protocol::jose::sign;
use reqwest::Url;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::app::{App, Paper};
use super::error::CertifyError;
use super::operator::Operator;
use super::outcome::Unmet;
use super::{Means, Name, Plan};
use agency::config::Config;
use agency::queue::{Delivery, SqsQueue};

mod forms;

/// How often something is looked at.
const LOOK: Duration = Duration::from_millis(150);
/// How often the queue's figures are looked at, and how often in a row they must agree: SQS's are approximate.
const QUIET_LOOK: Duration = Duration::from_millis(500);
const QUIET_LOOKS: u32 = 3;

/// What every check works with.
pub struct Session<'m> {
    pub(super) config: &'m Config,
    pub(super) app: App,
    pub(super) burst: usize,
    pub(super) timeout: Duration,
    operator: Option<Operator>,
    queue: SqsQueue,
    opened: Mutex<BTreeSet<ApplicationId>>,
    /// The name of a key that the hub has for the time of a check.
    lent: Mutex<Option<String>>,
    numbers: forms::Numbers,
}

impl<'m> Session<'m> {
    /// Opens it.
    ///
    /// # Errors
    /// [`CertifyError`] where the hub does not answer, or the agency's code names no place.
    pub(super) async fn open(means: Means<'m>, plan: &Plan) -> Result<Session<'m>, CertifyError> {
        let app = App::new(&means.config.hub_url, means.token)?;
        let session = Session {
            config: means.config,
            app,
            burst: plan.burst,
            timeout: plan.timeout,
            operator: means.operator,
            queue: SqsQueue::new(means.access.sqs(), &means.config.queue_url),
            opened: Mutex::default(),
            lent: Mutex::default(),
            numbers: forms::Numbers::new(&means.config.agency)?,
        };
        let _services: serde_json::Value = session.app.get("v1/services").await?;
        Ok(session)
    }

    /// The agency under test.
    pub(super) fn agency(&self) -> &AgencyCode {
        &self.config.agency
    }

    /// The hub.
    pub(super) fn hub(&self) -> &Url {
        self.app.hub()
    }

    pub(super) fn operator(&self) -> Option<&Operator> {
        self.operator.as_ref()
    }

    /// The operator, for a check that needs one.
    pub(super) fn needed_operator(&self) -> Result<&Operator, Unmet> {
        self.operator.as_ref().ok_or_else(|| Unmet::Skipped("no operator".to_owned()))
    }

    pub(super) fn queue(&self) -> &SqsQueue {
        &self.queue
    }

    /// Files a case that is decided and produced, of an applicant with this name; it is handed in with its last paper.
    pub(super) async fn decided(&self, name: Name) -> Result<ApplicationId, CertifyError> {
        self.file_case(Purpose::Decide, name).await
    }

    /// Files a case that is answered with a document.
    pub(super) async fn certified(&self, name: Name) -> Result<ApplicationId, CertifyError> {
        self.file_case(Purpose::Certify, name).await
    }

    async fn file_case(&self, purpose: Purpose, name: Name) -> Result<ApplicationId, CertifyError> {
        let (row, case) = forms::case_with(purpose).ok_or(CertifyError::NoService(purpose.name()))?;
        let kinds = case.documents.iter().filter_map(|document| document.accepts.first());
        let papers: Vec<Paper> = kinds.map(|kind| Paper::new(kind.name())).collect();
        self.file(self.numbers.form(row, case, name), &papers).await
    }

    async fn file(&self, body: serde_json::Value, papers: &[Paper]) -> Result<ApplicationId, CertifyError> {
        // Known before its papers are in: who stops in between leaves no draft behind.
        let made = |id| {
            self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        };
        Ok(self.app.file(body, papers, made).await?.id)
    }

    /// Waits until an application is at one of these stages.
    pub(super) async fn reaches(
        &self,
        id: ApplicationId,
        wanted: &[Stage],
    ) -> Result<ApplicationView, Unmet> {
        let end = Instant::now() + self.timeout;
        loop {
            let view = self.app.view(id).await?;
            if wanted.contains(&view.stage) {
                return Ok(view);
            }
            if view.is_final || Instant::now() > end {
                return Unmet::failed(stuck(&view, wanted, self.timeout));
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until the queue is empty and nothing of it is in anybody's hands.
    pub(super) async fn drained(&self) -> Result<(), Unmet> {
        let end = Instant::now() + self.timeout;
        let mut quiet = 0;
        while quiet < QUIET_LOOKS {
            let depth = self.depth().await?;
            quiet = if depth == 0 { quiet + 1 } else { 0 };
            if Instant::now() > end {
                return Unmet::failed(format!(
                    "{depth} messages are still in the queue after {} s: delete each message once it is handled, also \
                     where the hub answers 409 or 404",
                    self.timeout.as_secs()
                ));
            }
            sleep(QUIET_LOOK).await;
        }
        Ok(())
    }

    /// Messages that wait or are in somebody's hands.
    pub(super) async fn depth(&self) -> Result<u64, CertifyError> {
        let depth = self.queue.depth().await.map_err(|error| CertifyError::Queue(error.to_string()))?;
        Ok(depth.waiting + depth.in_hand)
    }

    /// The outcomes of the reports on an application that were refused since a moment.
    pub(super) async fn refused(&self, id: ApplicationId, since: Timestamp) -> Result<Vec<String>, Unmet> {
        let all = self.needed_operator()?.refused(self.agency(), since).await?;
        Ok(all.into_iter().filter(|one| one.application == Some(id)).map(|one| one.outcome).collect())
    }

    /// Has the hub send a message once more, as the agency would ask.
    pub(super) async fn resend(
        &self,
        application: ApplicationId,
        message: Option<u32>,
    ) -> Result<ResendOutcome, CertifyError> {
        let request = ResendRequest {
            agency: self.agency().clone(),
            iat: Timestamp::now().as_second(),
            cases: vec![ResendCase { application, message }],
        };
        let jws = sign(RESEND_TYP, &request, &self.config.keys.signing);
        let jws = jws.map_err(|_| CertifyError::Answer("the agency's signing key".to_owned()))?;
        let answer: ResendAnswer = self.app.signed("v1/agency/resend", &jws).await?;
        let one = answer.cases.first().map(|case| case.outcome);
        one.ok_or_else(|| CertifyError::Answer("POST /v1/agency/resend".to_owned()))
    }

    /// Gives the hub a key of the agency's, in a file, until it is taken back.
    pub(super) async fn lend(&self, kid: &str, file: &str) -> Result<(), Unmet> {
        let operator = self.needed_operator()?;
        *self.lent.lock().unwrap_or_else(PoisonError::into_inner) = Some(kid.to_owned());
        Ok(operator.add_key(self.agency(), file).await?)
    }

    /// Takes back the key that was lent, if one was: the hub must not go on encrypting to it.
    pub(super) async fn take_back(&self) -> Result<(), Unmet> {
        let lent = || self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kid) = lent().clone() else { return Ok(()) };
        self.needed_operator()?.revoke_key(self.agency(), &kid).await?;
        *lent() = None;
        Ok(())
    }

    /// Ends what was opened, and takes back what was lent: hands over what is ready, takes back what is under way. What the hub does not let end
    /// stays as it is.
    pub(super) async fn tidy(&self) {
        if let Err(Unmet::Failed(why) | Unmet::Skipped(why)) = self.take_back().await {
            tracing::warn!(agency = %self.agency(), why, "a key that certification lent the hub stays with it");
        }
        let opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        for id in opened {
            if let Err(trouble) = self.finish(id).await {
                tracing::warn!(application = %id, %trouble, "a case of certification stays open");
            }
        }
    }

    async fn finish(&self, id: ApplicationId) -> Result<(), CertifyError> {
        let view = self.app.view(id).await?;
        let may = |step: &str| view.next.iter().any(|next| next == step);
        if may("hand_over") {
            let body = json!({ "confirm": "hand_over", "how": "window" });
            self.app.step(id, "confirm", &body).await?;
        } else if may("withdraw") {
            self.app.step(id, "withdraw", &json!({})).await?;
        }
        Ok(())
    }
}

/// Why a case is not where it should be, as the integrator must understand it.
fn stuck(view: &ApplicationView, wanted: &[Stage], timeout: Duration) -> String {
    let wanted: Vec<&str> = wanted.iter().map(|stage| stage.name()).collect();
    let (wanted, stage) = (wanted.join(" or "), view.stage.name());
    if view.is_final {
        return format!(
            "the case ended as {stage} and not as {wanted}: see what the consumer decides for its applicant"
        );
    }
    let hint = match view.stage {
        Stage::Dispatched => {
            "no report `received` arrived: see that the consumer runs, reads this queue, opens its messages and \
             is not refused"
        }
        Stage::Received | Stage::Supplemented => {
            "it was taken and not decided: see what the consumer does after `received`, and with its documents"
        }
        Stage::Submitted | Stage::Draft => "the hub has not sent it: this is not the consumer's doing",
        Stage::SupplementRequested => "the consumer asked for an item that it should not have asked for",
        Stage::Signed | Stage::Produced => {
            "the steps after `signed` are missing: `produced`, then `ready` or `posted`"
        }
        Stage::Posted
        | Stage::Ready
        | Stage::Collected
        | Stage::NotIssued
        | Stage::Approved
        | Stage::Verified
        | Stage::MovedOut
        | Stage::Settled
        | Stage::Lapsed
        | Stage::RestoredAtOrigin
        | Stage::Issued
        | Stage::Completed
        | Stage::Withdrawn
        | Stage::Rejected
        | Stage::Expired => "see what the consumer decides for its applicant",
    };
    format!("after {} s the case is at {stage} and not at {wanted}: {hint}", timeout.as_secs())
}

/// The queue's own id and the case's place of a message, for whoever looks for one.
pub(super) fn is_message(delivery: &Delivery, id: &str) -> bool {
    delivery.message == id
}

/// A place that an agency answers for: its code, filled up.
pub(super) fn place_of(agency: &AgencyCode) -> Result<DivisionCode, CertifyError> {
    let code = agency.to_string();
    let tail = "0102".get(code.len().saturating_sub(2).min(4)..).unwrap_or_default();
    format!("{code}{tail}").parse().map_err(|_| CertifyError::Place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agency_answers_for_the_place_its_code_begins() {
        for (code, place) in [("11", "110102"), ("1504", "150402")] {
            let agency: AgencyCode = code.parse().expect("a code");
            assert_eq!(place_of(&agency).expect("a place").to_string(), place);
        }
    }
}
