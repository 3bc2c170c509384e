//! Applies one signed report, however it came.

use domain::command::{Actor, Attempt, Command, Report as Said};
use domain::decide::Refusal;
use platform::apply::{ApplyError, apply, apply_all, command_key};
use platform::arrivals::arrivals;
use platform::documents::DocumentsError;
use platform::hub::Hub;
use platform::keyring::Keyring;
use protocol::jose::JoseError;
use protocol::report::{REPORT_TYP, Receipt, Report};
use thiserror::Error;

/// Bytes of a report. The largest one, a full supplement list, is well below.
pub const REPORT_BYTES: usize = 64 * 1024;

/// Takes reports.
#[derive(Clone)]
pub struct Desk<H> {
    hub: H,
    keys: Keyring,
}

/// Why a report is not taken.
#[derive(Debug, Error)]
pub enum ReportError {
    /// Not signed by a known agency, changed, or not a report.
    #[error("the report is not accepted")]
    Jose(#[from] JoseError),
    /// It may not happen, or could not be kept.
    #[error("the report is not applied")]
    Apply(#[from] ApplyError),
    /// The bucket does not answer.
    #[error("the uploads cannot be looked at")]
    Documents(#[from] DocumentsError),
    /// It names another agency than the one that signed it.
    #[error("the report names another agency")]
    OtherAgency,
    /// The report cannot be written as JSON again.
    #[error("the report cannot be fingerprinted")]
    Fingerprint,
}

impl<H: Hub> Desk<H> {
    /// A desk that knows the agencies' keys.
    pub fn new(hub: H) -> Self {
        let keys = Keyring::of(hub.partners());
        Desk { hub, keys }
    }

    /// Verifies and applies a report. A repeat answers as the first did. The JWS is kept as evidence.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn take(&self, jws: &str) -> Result<Receipt, ReportError> {
        let (agency, report) = self.keys.verify::<Report>(REPORT_TYP, jws)?;
        if report.agency != agency {
            return Err(ReportError::OtherAgency);
        }
        let by = Actor::Agency(agency);
        // A report that is signed again is the same report: neither the signature nor its time count.
        let body =
            serde_json::to_vec(&Report { iat: 0, ..report.clone() }).map_err(|_| ReportError::Fingerprint)?;
        let attempt = Attempt {
            key: Some(command_key(&by, &report.report_id.to_string(), &body)),
            by,
            command: Command::Report(Said { seen: report.seen, finding: report.finding.clone() }),
        };
        let id = report.application;
        let applied = match apply(&self.hub, id, &attempt, Some(jws.to_owned())).await {
            // The issued certificate may be in S3 already, and its event on the way.
            Err(ApplyError::Refused(Refusal::Missing(missing))) => {
                self.look_for_uploads(&report).await?;
                match apply(&self.hub, id, &attempt, Some(jws.to_owned())).await {
                    Err(ApplyError::Refused(Refusal::Missing(_))) => {
                        return Err(ApplyError::Refused(Refusal::Missing(missing)).into());
                    }
                    other => other?,
                }
            }
            other => other?,
        };
        let then = applied.kept.ledger.at(applied.version);
        let stage = then.map_or(applied.kept.ledger.head().stage, |head| head.stage);
        tracing::info!(
            application = %id,
            version = applied.version,
            stage = stage.name(),
            changed = applied.changed,
            "report taken"
        );
        Ok(Receipt { report_id: report.report_id, application: id, version: applied.version, stage })
    }

    async fn look_for_uploads(&self, report: &Report) -> Result<(), ReportError> {
        use platform::store::Store as _;
        let kept = self.hub.store().get(report.application).await.map_err(ApplyError::from)?;
        let Some(kept) = kept else { return Err(ApplyError::NotFound.into()) };
        let found = arrivals(&self.hub, kept.ledger.head()).await?;
        if !found.is_empty() {
            apply_all(&self.hub, report.application, &found).await?;
        }
        Ok(())
    }
}
