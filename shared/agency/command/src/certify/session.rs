//! The session that all checks share: app backend, the agency's queue and open cases, the operator's command.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::division::DivisionCode;
use domain::ids::{AgencyCode, ApplicationId};
use domain::stage::{Purpose, Stage};
use jiff::{SignedDuration, Timestamp};
use protocol::app::ApplicationView;
use protocol::backlog::{RESEND_TYP, ResendAnswer, ResendCase, ResendOutcome, ResendRequest};
use protocol::jose::sign;
use reqwest::Url;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::app::{App, UploadDocument};
use super::applicant::TestApplicant;
use super::citation::{CITED, CitedRefusal};
use super::context::CertificationContext;
use super::error::CertifyError;
use super::operator::OperatorCommand;
use super::outcome::NotPassed;
use agency::HubClient;
use agency::config::AgencyConfig;
use agency::queue::SqsQueue;
use forms::{FormPlaces, ServiceCase};

pub(super) mod forms;

/// Poll interval for a case.
const POLL: Duration = Duration::from_millis(150);
/// Poll interval for the queue's depth, and how often in a row it must be 0: the counts of SQS are approximate.
const DEPTH_POLL: Duration = Duration::from_millis(500);
const EMPTY_POLLS: u32 = 3;
/// Difference that the clocks of this machine and of the hub may have.
const CLOCKS: SignedDuration = SignedDuration::from_mins(5);

/// The state that all checks share.
pub struct Session<'m> {
    pub(super) config: &'m AgencyConfig,
    pub(super) app: App,
    pub(super) burst: usize,
    pub(super) timeout: Duration,
    operator: Option<OperatorCommand>,
    other: Option<&'m AgencyConfig>,
    queue: SqsQueue,
    opened: Mutex<BTreeSet<ApplicationId>>,
    /// The cases of the running check.
    cases: Mutex<Vec<ApplicationId>>,
    /// `kid` of the key that a check has registered at the hub.
    registered: Mutex<Option<String>>,
    forms: forms::ApplicantForms,
}

impl<'m> Session<'m> {
    /// Opens a session and calls the hub once.
    ///
    /// # Errors
    /// [`CertifyError`] when the hub does not answer, or no place can be derived from the agency's code.
    pub(super) async fn open(
        context: CertificationContext<'m>,
        burst: usize,
        timeout: Duration,
    ) -> Result<Session<'m>, CertifyError> {
        let app = App::new(context.config, context.token)?;
        let session = Session {
            config: context.config,
            app,
            burst,
            timeout,
            operator: context.operator,
            other: context.other,
            queue: SqsQueue::new(context.access.sqs(&context.config.network), &context.config.queue_url),
            opened: Mutex::default(),
            cases: Mutex::default(),
            registered: Mutex::default(),
            forms: forms::ApplicantForms::new(
                &context.config.agency,
                context.other.map(|config| &config.agency),
            )?,
        };
        let _services: serde_json::Value = session.app.get("v1/services").await?;
        Ok(session)
    }

    pub(super) fn agency(&self) -> &AgencyCode {
        &self.config.agency
    }

    pub(super) fn hub(&self) -> &Url {
        self.app.hub()
    }

    pub(super) fn operator(&self) -> Option<&OperatorCommand> {
        self.operator.as_ref()
    }

    /// The operator's command, for a check that needs it.
    pub(super) fn needed_operator(&self) -> Result<&OperatorCommand, NotPassed> {
        self.operator.as_ref().ok_or_else(|| {
            NotPassed::Skipped("the check needs the hub operator's command: give --operator".to_owned())
        })
    }

    pub(super) fn queue(&self) -> &SqsQueue {
        &self.queue
    }

    /// Files an application that is decided and produced. The application is submitted with its last document.
    pub(super) async fn decided(&self, name: TestApplicant) -> Result<ApplicationId, CertifyError> {
        self.file_case(Purpose::Decide, name).await
    }

    /// Files an application that is answered with a document.
    pub(super) async fn certified(&self, name: TestApplicant) -> Result<ApplicationId, CertifyError> {
        self.file_case(Purpose::Certify, name).await
    }

    async fn file_case(&self, purpose: Purpose, name: TestApplicant) -> Result<ApplicationId, CertifyError> {
        let case = forms::case_with(purpose).ok_or(CertifyError::NoService(purpose.name()))?;
        self.file_service(case, name, &self.forms.away()).await
    }

    /// A place of the agency under test.
    pub(super) fn own_place(&self) -> DivisionCode {
        self.forms.own.clone()
    }

    /// A place of another agency.
    pub(super) fn place_elsewhere(&self) -> DivisionCode {
        self.forms.elsewhere.clone()
    }

    /// Files an application for a move from one place to another. The citizen applies at the new place.
    pub(super) async fn moved(
        &self,
        case: ServiceCase,
        name: TestApplicant,
        (from, to): (DivisionCode, DivisionCode),
    ) -> Result<ApplicationId, CertifyError> {
        let places = FormPlaces { accepted_at: to.clone(), registered_at: from, move_in: to };
        self.file_service(case, name, &places).await
    }

    async fn file_service(
        &self,
        (row, case): ServiceCase,
        name: TestApplicant,
        places: &FormPlaces,
    ) -> Result<ApplicationId, CertifyError> {
        let kinds = case.documents.iter().filter_map(|document| document.accepts.first());
        let documents: Vec<UploadDocument> = kinds.map(|kind| UploadDocument::new(kind.name())).collect();
        self.file(self.forms.form(row, case, name, places), &documents).await
    }

    /// A client that acts for another agency: with the given configuration, or with the kit of a hub on one machine.
    /// `None` when certification has no keys of this agency.
    pub(super) async fn client_of(&self, agency: &AgencyCode) -> Result<Option<HubClient>, CertifyError> {
        let config = match (self.other.filter(|other| other.agency == *agency), &self.operator) {
            (Some(given), _) => Some(given.clone()),
            (None, Some(operator)) => operator.kit(agency).await?,
            (None, None) => None,
        };
        let client = config.map(|config| HubClient::new(&config)).transpose();
        client.map_err(|error| CertifyError::of_agency("a client of the other agency", error))
    }

    async fn file(
        &self,
        body: serde_json::Value,
        documents: &[UploadDocument],
    ) -> Result<ApplicationId, CertifyError> {
        // Remember the id before the uploads, so that a stop in between still withdraws the draft.
        let on_created = |id| {
            self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
            self.note_case(id);
        };
        Ok(self.app.file(body, documents, on_created).await?.id)
    }

    /// Waits until an application reaches one of these stages.
    pub(super) async fn reaches(
        &self,
        id: ApplicationId,
        wanted: &[Stage],
    ) -> Result<ApplicationView, NotPassed> {
        let end = Instant::now() + self.timeout;
        loop {
            let view = self.app.view(id).await?;
            if wanted.contains(&view.stage) {
                return Ok(view);
            }
            if view.is_final || Instant::now() > end {
                return NotPassed::failed(explain_stage(&view, wanted, self.timeout));
            }
            sleep(POLL).await;
        }
    }

    /// Waits until the queue holds no message, hidden ones included.
    pub(super) async fn drained(&self) -> Result<(), NotPassed> {
        let end = Instant::now() + self.timeout;
        let mut empty = 0;
        while empty < EMPTY_POLLS {
            let depth = self.depth().await?;
            empty = if depth == 0 { empty + 1 } else { 0 };
            if Instant::now() > end {
                return NotPassed::failed(format!(
                    "{depth} messages are still in the queue after {} s: delete each message once it is handled, also \
                     where the hub answers 409 or 404",
                    self.timeout.as_secs()
                ));
            }
            sleep(DEPTH_POLL).await;
        }
        Ok(())
    }

    /// Messages in the queue, hidden ones included.
    pub(super) async fn depth(&self) -> Result<u64, CertifyError> {
        let depth = self.queue.depth().await.map_err(|error| CertifyError::Queue(error.to_string()))?;
        Ok(depth.visible + depth.in_flight)
    }

    /// The problem codes of the reports on an application that the hub refused since a time.
    pub(super) async fn refused(
        &self,
        id: ApplicationId,
        since: Timestamp,
    ) -> Result<Vec<String>, NotPassed> {
        let all = self.needed_operator()?.refused(self.agency(), since).await?;
        Ok(all.into_iter().filter(|one| one.application == Some(id)).map(|one| one.outcome).collect())
    }

    /// Notes a case of the running check, so that its refused reports are cited.
    pub(super) fn note_case(&self, id: ApplicationId) {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    /// The cases of the check that has ended.
    pub(super) fn take_cases(&self) -> Vec<ApplicationId> {
        std::mem::take(&mut *self.cases.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The reports that the hub refused since the run began: those on its cases, and those that name no case.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub(super) async fn refused_reports(
        &self,
        begun: Timestamp,
        cases: &BTreeMap<ApplicationId, &'static str>,
    ) -> Result<Vec<CitedRefusal>, String> {
        let Some(operator) = &self.operator else {
            return Err("only the hub operator's command shows refused reports: give --operator".to_owned());
        };
        let since = begun.saturating_sub(CLOCKS).unwrap_or(begun);
        let refused = operator.refused(self.agency(), since).await.map_err(|error| error.to_string())?;
        let cited = refused.into_iter().filter_map(|report| {
            let check = report.application.map(|id| cases.get(&id).copied());
            match check {
                Some(None) => None,
                None if report.at < begun => None,
                Some(check @ Some(_)) => Some(CitedRefusal { check, ..report.cite() }),
                None => Some(report.cite()),
            }
        });
        Ok(cited.take(CITED).collect())
    }

    /// Requests a resend of a message, signed as the agency.
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

    /// Registers one of the agency's public keys, in a file, at the hub until [`Session::remove_registered_key`].
    pub(super) async fn register_key(&self, kid: &str, file: &str) -> Result<(), NotPassed> {
        let operator = self.needed_operator()?;
        *self.registered.lock().unwrap_or_else(PoisonError::into_inner) = Some(kid.to_owned());
        Ok(operator.add_key(self.agency(), file).await?)
    }

    /// Removes the key that a check has registered, if any: the hub must not go on encrypting to it. A revoked key could
    /// not be registered in the next run.
    pub(super) async fn remove_registered_key(&self) -> Result<(), NotPassed> {
        let registered = || self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kid) = registered().clone() else { return Ok(()) };
        self.needed_operator()?.remove_key(self.agency(), &kid).await?;
        *registered() = None;
        Ok(())
    }

    /// Removes the registered key and closes the opened cases: confirms the hand-over of finished ones and withdraws
    /// the others. A case that the hub does not let close stays open.
    pub(super) async fn clean_up(&self) {
        if let Err(
            NotPassed::Failed(reason) | NotPassed::Skipped(reason) | NotPassed::NotApplicable(reason),
        ) = self.remove_registered_key().await
        {
            tracing::warn!(agency = %self.agency(), reason, "the key that certification registered could not be removed; an operator must remove it");
        }
        let opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        for id in opened {
            if let Err(error) = self.close(id).await {
                tracing::warn!(application = %id, %error, "a case of certification could not be closed and stays open");
            }
        }
    }

    async fn close(&self, id: ApplicationId) -> Result<(), CertifyError> {
        let view = self.app.view(id).await?;
        let may = |step: &str| view.next.iter().any(|next| next == step);
        if may("hand_over") {
            let body = json!({ "confirm": "hand_over", "how": "window" });
            self.app.step(id, "confirm", &body).await?;
        } else if may("settle") {
            self.app.step(id, "confirm", &json!({ "confirm": "settle" })).await?;
        } else if may("withdraw") {
            self.app.step(id, "withdraw", &json!({})).await?;
        }
        Ok(())
    }
}

/// Explains to the integrator why a case did not reach the wanted stage.
pub(super) fn explain_stage(view: &ApplicationView, wanted: &[Stage], timeout: Duration) -> String {
    let wanted: Vec<&str> = wanted.iter().map(|stage| stage.name()).collect();
    let (wanted, stage) = (wanted.join(" or "), view.stage.name());
    if view.is_final {
        return format!(
            "the case ended at {stage} instead of {wanted}: check what the consumer decides for this applicant"
        );
    }
    let hint = match view.stage {
        Stage::Dispatched => {
            "no report `received` arrived: check that the consumer runs, reads this queue, decrypts its messages and \
             gets no refusal"
        }
        Stage::Received | Stage::Supplemented => {
            "the case was received and not decided: check what the consumer does after `received`, and with the documents"
        }
        Stage::Submitted | Stage::Draft => {
            "the hub has not sent the message: this is no fault of the consumer"
        }
        Stage::SupplementRequested => "the consumer requested a supplement that this applicant does not need",
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
        | Stage::Expired => "check what the consumer decides for this applicant",
    };
    format!("after {} s the case is at {stage} instead of {wanted}: {hint}", timeout.as_secs())
}
