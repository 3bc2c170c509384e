//! Verifies and applies one signed report, from HTTP or from the queue.

use std::sync::Arc;

use domain::command::{Actor, AgencyReport, Attempt, Command};
use domain::decide::Refusal;
use domain::ids::AgencyCode;
use domain::ledger::Proof;
use domain::limits::PROOF_BYTES;
use domain::stage::{comes_later, could_be_left_out, opens_next_leg};
use http_kit::signed_request::{is_fresh, read_payload};
use jiff::Timestamp;
use platform::agency_registry::current_agencies;
use platform::apply::{Applied, ApplyError, apply, apply_all, command_key};
use platform::arrivals::arrivals;
use platform::clock::Clock as _;
use platform::hub::Hub;
use platform::keyring::VerifiedJws;
use platform::store::Store as _;
use protocol::jose::PrivateKey;
use protocol::receipts::SignedReceipt;
use protocol::report::{FRESH_SECONDS, REPORT_BYTES, REPORT_TYP, Receipt, Report};

use crate::evidence;
use crate::first_arrival;
use crate::receipts;
use crate::report_error::{ReportError, UnappliedReport};

/// Verifies and applies reports.
#[derive(Clone)]
pub struct ReportHandler<H> {
    pub(crate) hub: H,
    /// The hub's key, which signs the receipts.
    signing: Arc<PrivateKey>,
}

/// Whether a report may wait for another one that is still on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The report is refused now.
    Never,
    /// The report is held for the first time, which is marked.
    First,
    /// The report has been held before.
    Again,
}

/// An accepted report: the answer, and what the receipt says of it.
pub(crate) struct AppliedReport {
    answer: Receipt,
    record: Option<SignedReceipt>,
}

impl<H: Hub> ReportHandler<H> {
    /// A handler on these ports, with the hub's signing key.
    pub fn new(hub: H, signing: PrivateKey) -> Self {
        ReportHandler { hub, signing: Arc::new(signing) }
    }

    /// Signs a receipt.
    pub(crate) fn signed(&self, receipt: &SignedReceipt) -> Option<String> {
        receipts::signed(receipt, &self.signing)
    }

    /// Verifies and applies a report that arrived at the time `arrived`. A repeat gets the first answer, at any age, with
    /// the receipt of the first. The JWS is stored as evidence: in the application's record when the report is applied
    /// (the bucket has a large JWS, the record its hash), in the bucket when the report is refused.
    ///
    /// # Errors
    /// [`UnappliedReport`]. A refusal is answered only after its evidence is stored.
    pub async fn take(&self, jws: &str, arrived: Timestamp) -> Result<Receipt, UnappliedReport> {
        let applied = self.take_or_hold(jws, arrived, Waiting::Never).await?;
        let receipt = applied.record.and_then(|record| self.signed(&record));
        Ok(Receipt { receipt, ..applied.answer })
    }

    /// As [`ReportHandler::take`], for a report from the queue, which gets no answer and no receipt. A report that may
    /// wait for another one is held, not refused: no evidence is stored, and the queue must deliver the report again.
    /// Neither is a report refused that a later one has overtaken.
    ///
    /// # Errors
    /// As [`ReportHandler::take`]. For a held report [`ReportError::waits_for_another`] is true.
    pub(crate) async fn take_or_hold(
        &self,
        jws: &str,
        arrived: Timestamp,
        waiting: Waiting,
    ) -> Result<AppliedReport, UnappliedReport> {
        let agencies = current_agencies(&self.hub).await.map_err(ReportError::from)?;
        let VerifiedJws { signer, payload } = match agencies.keyring.verify(REPORT_TYP, jws) {
            Ok(verified) => verified,
            Err(error) => {
                // Anybody can send such a report. The hash finds the log line when a sender asks.
                let sha256 = evidence::sha256(jws);
                tracing::warn!(sha256, %error, "report rejected: no known agency signed it");
                return Err(ReportError::from(error).into());
            }
        };
        let taken = match self.read(&payload, jws) {
            Ok(report) => self.taken(&signer, &report, jws, arrived).await,
            Err(error) => Err(error),
        };
        let error = match taken {
            Ok(applied) => return Ok(applied),
            Err(error) => error,
        };
        let (claims, at) = (evidence::claims(&payload), self.hub.clock().now());
        if waiting != Waiting::Never && error.is_overtaken() {
            return Err(error.into());
        }
        if waiting != Waiting::Never && error.waits_for_another() {
            if waiting == Waiting::First
                && let Err(error) = evidence::mark(&self.hub, &signer, claims, None, jws, at).await
            {
                tracing::warn!(agency = %signer, %error, "a held report was not marked: the agency's list does not show it while it is held");
            }
            return Err(error.into());
        }
        let Some((outcome, problem)) = error.refusal().zip(error.problem()) else { return Err(error.into()) };
        let application = claims.application.map(|id| id.to_string());
        tracing::warn!(agency = %signer, application, outcome, "report refused: its evidence will be stored in the bucket");
        evidence::keep_refused(&self.hub, &signer, claims, (outcome, &problem), jws, at).await?;
        let record = receipts::not_accepted(&signer, claims, evidence::sha256(jws), Some(outcome), at);
        Err(UnappliedReport { error, record: Some(record) })
    }

    /// Reads the payload of a verified report, from either way in.
    fn read(&self, payload: &[u8], jws: &str) -> Result<Report, ReportError> {
        if jws.len() > REPORT_BYTES {
            return Err(ReportError::TooLarge);
        }
        read_payload(payload).map_err(ReportError::Payload)
    }

    async fn taken(
        &self,
        signer: &AgencyCode,
        report: &Report,
        jws: &str,
        arrived: Timestamp,
    ) -> Result<AppliedReport, ReportError> {
        if report.agency != *signer {
            return Err(ReportError::OtherAgency);
        }
        let by = Actor::Agency(signer.clone());
        // A report that is signed again is the same report: the hash leaves out the signature and its time.
        let body =
            serde_json::to_vec(&Report { iat: 0, ..report.clone() }).map_err(|_| ReportError::Unwritable)?;
        let attempt = Attempt {
            key: Some(command_key(&by, &report.report_id.to_string(), &body)),
            by,
            command: Command::Report(AgencyReport { seen: report.seen, result: report.result.clone() }),
            expected_version: None,
        };
        if !self.is_fresh(report, jws, arrived).await? && !self.is_repeat(report, &attempt).await? {
            return Err(ReportError::Expired);
        }
        let applied = self.apply(report, &attempt, jws).await?;
        let then = applied.stored.ledger.at(applied.version);
        let stage = then.map_or(applied.stored.ledger.state().stage, |head| head.stage);
        tracing::info!(
            application = %report.application,
            version = applied.version,
            stage = stage.name(),
            changed = applied.changed,
            "report applied"
        );
        let record = receipts::accepted(&applied.stored.ledger, applied.version)
            .map(|record| SignedReceipt { report_id: Some(report.report_id), ..record });
        let answer = Receipt {
            report_id: report.report_id,
            application: report.application,
            version: applied.version,
            stage,
            received_at: record.as_ref().map(|record| record.received_at),
            receipt: None,
        };
        Ok(AppliedReport { answer, record })
    }

    async fn apply(&self, report: &Report, attempt: &Attempt, jws: &str) -> Result<Applied, ReportError> {
        let id = report.application;
        let proof = self.proof(report, jws).await?;
        let proof = || Some(proof.clone());
        match apply(&self.hub, id, attempt, proof()).await {
            // The issued certificate, or a better one, may be in S3 already, although its event has not arrived.
            Err(ApplyError::Refused(Refusal::Missing(_) | Refusal::DocumentRejected { .. })) => {
                self.look_for_uploads(report).await?;
                Ok(apply(&self.hub, id, attempt, proof()).await?)
            }
            Err(ApplyError::Refused(refusal @ Refusal::Illegal { stage, step })) => {
                let stored = self.hub.store().get(id).await?.ok_or(ApplyError::NotFound)?;
                let state = stored.ledger.state();
                let purpose = state.purpose();
                let early = state.reports().contains(&step) && comes_later(stage, purpose, step);
                // The steps since the leg was opened.
                let steps = stored.ledger.entries().iter().rev().map(|stored| stored.entry.event.step());
                let taken =
                    steps.flatten().take_while(|step| !opens_next_leg(*step)).any(|taken| taken == step);
                Err(if early {
                    ReportError::Early(refusal)
                } else if !taken && could_be_left_out(stage, purpose, step) {
                    ReportError::Overtaken(refusal)
                } else {
                    ApplyError::Refused(refusal).into()
                })
            }
            other => Ok(other?),
        }
    }

    /// The evidence for the application's record: the report, or the hash of a large one after the bucket has it.
    async fn proof(&self, report: &Report, jws: &str) -> Result<Proof, ReportError> {
        if jws.len() <= PROOF_BYTES {
            return Ok(Proof::Jws(jws.to_owned()));
        }
        // Only an agency of the application stores evidence under its id.
        let stored = self.hub.store().get(report.application).await.map_err(ApplyError::from)?;
        let stored = stored.ok_or(ApplyError::NotFound)?;
        if !stored.ledger.state().involves(&report.agency) {
            return Err(ApplyError::Refused(Refusal::NotYours).into());
        }
        Ok(Proof::InBucket(evidence::keep_applied(&self.hub, report, jws).await?, report.report_id))
    }

    /// Whether the signature was fresh when the report arrived: now, or in the queue before a redrive.
    async fn is_fresh(&self, report: &Report, jws: &str, arrived: Timestamp) -> Result<bool, ReportError> {
        let fresh_at = |at: Timestamp| is_fresh(report.iat, at, FRESH_SECONDS);
        Ok(fresh_at(arrived) || first_arrival::recall(&self.hub, jws).await?.is_some_and(fresh_at))
    }

    /// Whether this report was applied before.
    async fn is_repeat(&self, report: &Report, attempt: &Attempt) -> Result<bool, ReportError> {
        let stored = self.hub.store().get(report.application).await?;
        let taken = stored
            .as_ref()
            .zip(attempt.key)
            .and_then(|(stored, key)| stored.ledger.state().applied_command(&key.id));
        Ok(taken.is_some())
    }

    async fn look_for_uploads(&self, report: &Report) -> Result<(), ReportError> {
        let stored = self.hub.store().get(report.application).await.map_err(ApplyError::from)?;
        let Some(stored) = stored else { return Err(ApplyError::NotFound.into()) };
        let found = arrivals(&self.hub, stored.ledger.state()).await?;
        if !found.is_empty() {
            apply_all(&self.hub, report.application, &found).await?;
        }
        Ok(())
    }
}
