//! Messages to agencies: builds the case, signs and encrypts it, and puts it into the agency's queue.
//!
//! The router sends what the table's stream shows, the sweeper what the router missed; both call this.

use domain::agencies::AgencyState;
use domain::application::{Application, Document};
use domain::command::Finding;
use domain::effect::{Notice, NoticeKind};
use domain::event::Provider;
use domain::ids::{AgencyCode, ApplicationId, EventId};
use domain::personal_data::PersonalData;
use domain::stage::Step;
use protocol::case::{Case, CaseDocument, CasePlaces, Envelope};
use protocol::jose::{JoseError, PrivateKey, PublicKey};
use thiserror::Error;
use uuid::Uuid;

use crate::agency_registry::current_agencies;
use crate::clock::Clock as _;
use crate::hub::Hub;
use crate::queues::{Outgoing, Queue};
use crate::store::{StoreError, StoredApplication};
use crate::vault::{Vault as _, VaultError};

/// Field name under which the vault encrypts the personal data of an application.
pub const PERSONAL_DATA: &str = "personal_data";

/// Why a message cannot be sent now. A case that waits for its agency stays undispatched in the table, and the sweeper
/// tries again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Undeliverable {
    /// No row for the agency.
    #[error("agency {0} is not known")]
    UnknownAgency(AgencyCode),
    /// The agency takes nothing for now.
    #[error("agency {0} is suspended")]
    Suspended(AgencyCode),
    /// The agency has no key to encrypt to.
    #[error("agency {0} has no usable key")]
    NoKey(AgencyCode),
    /// It cannot be read who takes part.
    #[error("the agencies cannot be read")]
    Agencies(#[from] StoreError),
    /// The personal part could not be opened.
    #[error("the personal part cannot be opened")]
    Vault(#[from] VaultError),
    /// The personal part is not readable.
    #[error("the personal part cannot be read")]
    PersonalData,
    /// The message could not be signed or encrypted.
    #[error("the message cannot be sealed")]
    Seal(#[from] JoseError),
}

impl Undeliverable {
    /// Whether the agency cannot be sent a message: the case waits for the sweeper, and nothing is retried at once.
    #[must_use]
    pub fn waits_for_agency(&self) -> bool {
        match self {
            Undeliverable::UnknownAgency(_) | Undeliverable::Suspended(_) | Undeliverable::NoKey(_) => true,
            Undeliverable::Agencies(_)
            | Undeliverable::Vault(_)
            | Undeliverable::PersonalData
            | Undeliverable::Seal(_) => false,
        }
    }
}

/// How often a message has been sent before, which decides its deduplication id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// As the stream shows it: a record delivered twice within five minutes is dropped by the queue.
    First,
    /// Once more on purpose: it must arrive.
    Again,
}

/// Builds the message for a notice: the queue, and what to put into it.
///
/// # Errors
/// [`Undeliverable`]: the case waits for its agency, or the fault is temporary.
pub async fn message<H: Hub>(
    hub: &H,
    signing: &PrivateKey,
    stored: &StoredApplication,
    notice: &Notice,
    sending: Sending,
) -> Result<(Queue, Outgoing), Undeliverable> {
    let agency = notice.agency.clone();
    let agencies = current_agencies(hub).await?;
    let row =
        agencies.agencies.agency(&agency).ok_or_else(|| Undeliverable::UnknownAgency(agency.clone()))?;
    // An agency that is suspended gets no case; that one is taken back it is told, or it would go on with it.
    if row.state == AgencyState::Suspended && notice.kind != NoticeKind::Withdrawn {
        return Err(Undeliverable::Suspended(agency));
    }
    let key = row
        .encryption_keys
        .iter()
        .find_map(|jwk| PublicKey::from_jwk(jwk).ok())
        .ok_or_else(|| Undeliverable::NoKey(agency.clone()))?;
    let head = stored.ledger.at(notice.version).ok_or(Undeliverable::PersonalData)?;
    let personal_data = match notice.kind {
        NoticeKind::Withdrawn => None,
        NoticeKind::Opened | NoticeKind::Supplemented | NoticeKind::RestoreRequested => {
            Some(personal_data(hub, head.id, &stored.encrypted).await?)
        }
    };
    let case = case(&head, notice, personal_data);
    let envelope = Envelope::sign_and_encrypt(&case, hub.clock().now(), signing, &key)?;
    let id: EventId = envelope.id;
    let body = serde_json::to_string(&envelope).map_err(|_| Undeliverable::PersonalData)?;
    let dedup = match sending {
        Sending::First => id.to_string(),
        Sending::Again => format!("{id}:{}", Uuid::new_v4().simple()),
    };
    let group = head.id.to_string();
    Ok((Queue::Agency(agency), Outgoing { id: id.to_string(), group, dedup, body }))
}

async fn personal_data<H: Hub>(
    hub: &H,
    id: ApplicationId,
    encrypted: &[u8],
) -> Result<PersonalData, Undeliverable> {
    let plain = hub.vault().decrypt(PERSONAL_DATA, &id.to_string(), encrypted).await?;
    serde_json::from_slice(&plain).map_err(|_| Undeliverable::PersonalData)
}

fn case(head: &Application, notice: &Notice, personal_data: Option<PersonalData>) -> Case {
    // A withdrawal asks for nothing: it carries no personal data, no documents and no reports.
    let asked = personal_data.is_some();
    let reports = if asked { head.reports() } else { Vec::new() };
    Case {
        application: head.id,
        version: notice.version,
        notice: notice.kind,
        agency: notice.agency.clone(),
        purpose: head.purpose(),
        service: head.opened.service,
        when: head.opened.when,
        places: CasePlaces::from(&head.opened.places),
        due: head.due,
        personal_data,
        documents: if asked { head.documents.iter().filter_map(case_document).collect() } else { Vec::new() },
        upload: head
            .documents
            .iter()
            .find(|document| reports.contains(&Step::Issue) && document.slot.provider == Provider::Agency)
            .map(|document| document.slot.id),
        reports: reports.into_iter().filter_map(Finding::kind_of).map(str::to_owned).collect(),
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
