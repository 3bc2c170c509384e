//! Messages to agencies: builds the case, signs and encrypts it, and puts it into the agency's queue.
//!
//! The router sends the messages of new stream records, and the sweeper sends the messages that the router missed.

use domain::agencies::AgencyState;
use domain::application::{Application, Document};
use domain::command::ReportedResult;
use domain::duplicate::may_be_repeated_by;
use domain::effect::{Notice, NoticeKind};
use domain::event::Provider;
use domain::ids::{AgencyCode, ApplicationId, EventId};
use domain::limits;
use domain::personal_data::PersonalData;
use domain::stage::Step;
use protocol::case::{Case, CaseDocument, CasePlaces, Envelope, PossibleDuplicate};
use protocol::jose::{JoseError, PrivateKey, PublicKey};
use thiserror::Error;
use uuid::Uuid;

use crate::agency_registry::current_agencies;
use crate::clock::Clock as _;
use crate::hub::Hub;
use crate::internal_queue::ProofError;
use crate::queues::{Outgoing, Queue};
use crate::store::{Store as _, StoreError, StoredApplication};
use crate::vault::{Vault as _, VaultError};

/// Field name under which the vault encrypts personal data; the owner is the application's id.
pub const PERSONAL_DATA: &str = "personal_data";

/// Why a message cannot be sent now. The case stays undispatched in the table, and the sweeper tries again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Undeliverable {
    /// The agencies file has no row for the agency.
    #[error("agency {0} is not in the agencies file")]
    UnknownAgency(AgencyCode),
    /// An operator has suspended the agency.
    #[error("agency {0} is suspended")]
    Suspended(AgencyCode),
    /// The agency's row has no readable encryption key.
    #[error("agency {0} has no usable encryption key")]
    NoKey(AgencyCode),
    #[error("the overrides of the agencies cannot be read")]
    Agencies(#[from] StoreError),
    #[error("the other applications of the applicant cannot be read")]
    Duplicates(#[source] StoreError),
    /// The vault cannot decrypt the personal data.
    #[error("the personal data cannot be decrypted")]
    Vault(#[from] VaultError),
    /// The decrypted personal data or the case is not the expected JSON.
    #[error("the personal data of the case cannot be read or written as JSON")]
    PersonalData,
    #[error("the message cannot be signed or encrypted")]
    Seal(#[from] JoseError),
}

impl From<ProofError> for Undeliverable {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Vault(error) => error.into(),
            ProofError::Unwritable => Undeliverable::PersonalData,
        }
    }
}

impl Undeliverable {
    /// Whether no retry can build the message, because the stored personal data is unusable.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Undeliverable::Vault(error) => !error.is_transient(),
            Undeliverable::PersonalData => true,
            Undeliverable::UnknownAgency(_)
            | Undeliverable::Suspended(_)
            | Undeliverable::NoKey(_)
            | Undeliverable::Agencies(_)
            | Undeliverable::Duplicates(_)
            | Undeliverable::Seal(_) => false,
        }
    }

    /// Whether no wait helps without a person. A denied call of the vault is logged where it happens.
    #[must_use]
    pub fn needs_person(&self) -> bool {
        match self {
            Undeliverable::Agencies(error) | Undeliverable::Duplicates(error) => !error.is_transient(),
            Undeliverable::Vault(error) => !error.is_transient(),
            Undeliverable::UnknownAgency(_)
            | Undeliverable::NoKey(_)
            | Undeliverable::PersonalData
            | Undeliverable::Seal(_) => true,
            // An operator suspended the agency, and resumes it.
            Undeliverable::Suspended(_) => false,
        }
    }

    /// Whether the cause lies with the agency: the case then waits for the sweeper, and an immediate retry is useless.
    #[must_use]
    pub fn waits_for_agency(&self) -> bool {
        match self {
            Undeliverable::UnknownAgency(_) | Undeliverable::Suspended(_) | Undeliverable::NoKey(_) => true,
            Undeliverable::Agencies(_)
            | Undeliverable::Duplicates(_)
            | Undeliverable::Vault(_)
            | Undeliverable::PersonalData
            | Undeliverable::Seal(_) => false,
        }
    }
}

/// Whether a message is sent for the first time, which decides its deduplication id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// The first send. The queue drops a second message of the same stream record within five minutes.
    First,
    /// A deliberate repeat, with a new deduplication id so that the queue does not drop it.
    Resend,
}

/// A message to an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencyMessage {
    /// The agency's queue.
    pub queue: Queue,
    pub outgoing: Outgoing,
    /// Applications of all tenants that the case may repeat, newest first, at most [`limits::DUPLICATES`], for the log:
    /// the message names only those that the agency has or had.
    pub possible_duplicates: Vec<ApplicationId>,
}

impl AgencyMessage {
    /// The ids of the possible duplicates for a log line; `None` without any.
    #[must_use]
    pub fn others(&self) -> Option<String> {
        let ids: Vec<String> = self.possible_duplicates.iter().map(ToString::to_string).collect();
        (!ids.is_empty()).then(|| ids.join(","))
    }
}

/// Builds the message for a notice, and names its queue.
///
/// # Errors
/// [`Undeliverable`]: the case waits for its agency, or a port has failed.
pub async fn message<H: Hub>(
    hub: &H,
    signing: &PrivateKey,
    stored: &StoredApplication,
    notice: &Notice,
    sending: Sending,
) -> Result<AgencyMessage, Undeliverable> {
    let agency = notice.agency.clone();
    let agencies = current_agencies(hub).await?;
    let row =
        agencies.agencies.agency(&agency).ok_or_else(|| Undeliverable::UnknownAgency(agency.clone()))?;
    // A suspended agency gets no cases, but it gets withdrawals: otherwise it would keep working on a withdrawn case.
    if row.state == AgencyState::Suspended && notice.kind != NoticeKind::Withdrawn {
        return Err(Undeliverable::Suspended(agency));
    }
    let key = row
        .encryption_keys
        .iter()
        .find_map(|jwk| PublicKey::from_jwk(jwk).ok())
        .ok_or_else(|| Undeliverable::NoKey(agency.clone()))?;
    let state = stored.ledger.at(notice.version).ok_or(Undeliverable::PersonalData)?;
    let (personal_data, others) = match notice.kind {
        NoticeKind::Withdrawn => (None, Vec::new()),
        NoticeKind::Opened | NoticeKind::Supplemented | NoticeKind::RestoreRequested => (
            Some(personal_data(hub, state.id, &stored.encrypted).await?),
            possible_duplicates(hub, stored).await?,
        ),
    };
    let case = Case { possible_duplicate: shown_to(&agency, &others), ..case(&state, notice, personal_data) };
    let envelope = Envelope::sign_and_encrypt(&case, hub.clock().now(), signing, &key)?;
    let id: EventId = envelope.id;
    let body = serde_json::to_string(&envelope).map_err(|_| Undeliverable::PersonalData)?;
    let dedup = match sending {
        Sending::First => id.to_string(),
        Sending::Resend => format!("{id}:{}", Uuid::new_v4().simple()),
    };
    let group = state.id.to_string();
    Ok(AgencyMessage {
        queue: Queue::Agency(agency),
        outgoing: Outgoing { id: id.to_string(), group, dedup, body },
        possible_duplicates: others.iter().map(StoredApplication::id).take(limits::DUPLICATES).collect(),
    })
}

/// The applications of all tenants that this one may repeat, newest first. The search is made when the case is sent: an
/// app never waits for it, and no answer to an app depends on it.
async fn possible_duplicates<H: Hub>(
    hub: &H,
    stored: &StoredApplication,
) -> Result<Vec<StoredApplication>, Undeliverable> {
    if stored.person.is_empty() {
        return Ok(Vec::new());
    }
    let found = hub.store().of_person(&stored.person, Some(stored.id()), limits::COMPARED).await;
    let (mut found, now) = (found.map_err(Undeliverable::Duplicates)?, hub.clock().now());
    found.retain(|other| may_be_repeated_by(other.ledger.state(), now));
    Ok(found)
}

/// What an agency may know of the possible duplicates: the ids of those that it has or had, and whether there are others.
fn shown_to(agency: &AgencyCode, others: &[StoredApplication]) -> Option<PossibleDuplicate> {
    let own = others.iter().filter(|other| other.ledger.state().involves(agency));
    let own: Vec<ApplicationId> = own.map(StoredApplication::id).collect();
    (!others.is_empty()).then(|| PossibleDuplicate {
        elsewhere: own.len() < others.len(),
        applications: own.into_iter().take(limits::DUPLICATES).collect(),
    })
}

async fn personal_data<H: Hub>(
    hub: &H,
    id: ApplicationId,
    encrypted: &[u8],
) -> Result<PersonalData, Undeliverable> {
    let plain = hub.vault().decrypt(PERSONAL_DATA, &id.to_string(), encrypted).await?;
    serde_json::from_slice(&plain).map_err(|_| Undeliverable::PersonalData)
}

fn case(state: &Application, notice: &Notice, personal_data: Option<PersonalData>) -> Case {
    // A withdrawal carries no personal data, no documents and no reports.
    let requests_work = personal_data.is_some();
    let reports = if requests_work { state.possible_reports() } else { Vec::new() };
    Case {
        application: state.id,
        version: notice.version,
        // Signing sets the time.
        iat: None,
        notice: notice.kind,
        agency: notice.agency.clone(),
        purpose: state.purpose(),
        service: state.opened.service,
        when: state.opened.when,
        places: CasePlaces::from(&state.opened.places),
        due: state.due,
        personal_data,
        possible_duplicate: None,
        documents: if requests_work {
            state.documents.iter().filter_map(case_document).collect()
        } else {
            Vec::new()
        },
        upload: state
            .documents
            .iter()
            .find(|document| reports.contains(&Step::Issue) && document.slot.provider == Provider::Agency)
            .map(|document| document.slot.id),
        reports: reports.into_iter().filter_map(ReportedResult::kind_of).map(str::to_owned).collect(),
    }
}

fn case_document(document: &Document) -> Option<CaseDocument> {
    let object = document.stored()?;
    Some(CaseDocument {
        id: document.slot.id,
        requirement: document.slot.requirement.clone(),
        kind: object.kind,
        media_type: object.media_type.clone(),
        size: object.size,
        sha256: object.sha256.clone(),
    })
}
