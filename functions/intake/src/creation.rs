//! Creates an application with one write. A replay receives the same answer.

use domain::application::Application;
use domain::catalogue::Service;
use domain::command::Actor;
use domain::event::Slot;
use domain::ids::{ApplicationId, TenantId};
use domain::ledger::{Cause, Ledger};
use domain::personal_data::PersonalData;
use domain::wake::next_wake;
use http_kit::fields::Json;
use http_kit::idempotency::IdempotencyKey;
use http_kit::namespace::Namespace;
use http_kit::problem::{Code, Problem};
use http_kit::uploads::{DeclaredUpload, assign};
use platform::agency_messages::PERSONAL_DATA;
use platform::agency_registry::current_agencies;
use platform::apply::ApplyError;
use platform::clock::Clock as _;
use platform::documents::Documents as _;
use platform::hub::Hub;
use platform::person_index::PersonIndex;
use platform::store::{Created, Store as _, StoredApplication};
use platform::vault::Vault as _;
use protocol::app::ApplicationView;
use sha2::{Digest as _, Sha256};

use crate::commands::view;
use crate::opening::{self, Defects, Opening};

/// A created application.
#[derive(Debug)]
pub struct CreatedApplication {
    /// The view that answers the request.
    pub view: ApplicationView,
    /// Whether this request created the application; `false` for a replay.
    pub is_new: bool,
}

/// Creates the application of `tenant` under `key`.
///
/// A replay always receives the first answer, even when its body is not valid any more: the applicant has turned 16, or
/// the agency is suspended.
///
/// # Errors
/// 422 with every wrong field, or when the key was used for another body; 503 when the application cannot be stored.
pub async fn create<H: Hub>(
    hub: &H,
    (namespace, persons): (&Namespace, Option<&PersonIndex>),
    tenant: &TenantId,
    key: &IdempotencyKey,
    body: &Json,
) -> Result<CreatedApplication, Problem> {
    let id = namespace.application(tenant, key);
    let payload_hash: [u8; 32] = Sha256::digest(&body.canonical).into();
    let agencies = current_agencies(hub).await?;
    let opening = match opening::read(&body.value, tenant, &agencies.agencies, hub.clock().now()) {
        Ok(opening) => opening,
        Err(defects) => {
            let existing = hub.store().get(id).await?.ok_or_else(|| Problem::from(defects))?;
            let declared = opening::declared_before(&body.value);
            let view = answer(hub, &existing, payload_hash, &declared).await?;
            return Ok(CreatedApplication { view, is_new: false });
        }
    };
    let declared = opening.declared.clone();
    let new = new_application(hub, persons, id, payload_hash, opening).await?;
    let (stored, is_new) =
        match hub.store().create(&new, next_wake(new.ledger.state(), hub.clock().now())).await? {
            Created::New => {
                hub.recent().put(&new);
                (new, true)
            }
            Created::Existing(existing) => (*existing, false),
        };
    let view = answer(hub, &stored, payload_hash, &declared).await?;
    Ok(CreatedApplication { view, is_new })
}

/// The application at version 1, with encrypted personal data.
async fn new_application<H: Hub>(
    hub: &H,
    persons: Option<&PersonIndex>,
    id: ApplicationId,
    payload_hash: [u8; 32],
    opening: Opening,
) -> Result<StoredApplication, Problem> {
    let cause = Cause {
        by: Actor::Tenant(opening.opened.tenant.clone()),
        at: hub.clock().now(),
        // The application's id is derived from the idempotency key, so the event needs no key.
        key: None,
        proof: None,
    };
    let person = person_values(persons, opening.opened.service, &opening.personal_data);
    let personal_data =
        serde_json::to_vec(&opening.personal_data).map_err(|_| Problem::new(Code::Internal))?;
    let encrypted = hub.vault().encrypt(PERSONAL_DATA, &id.to_string(), &personal_data).await?;
    let ledger = Ledger::open(id, opening.opened, &cause).map_err(ApplyError::from)?;
    Ok(StoredApplication { ledger, encrypted, payload_hash, person })
}

/// The values by which the application is found in the person index. The applicant is the person that the matter is
/// about, also when a guardian applies.
pub(crate) fn person_values(
    persons: Option<&PersonIndex>,
    service: Service,
    data: &PersonalData,
) -> Vec<String> {
    persons.map(|persons| persons.values(service, &data.applicant.identity_number)).unwrap_or_default()
}

/// The view of the application at version 1, with a fresh upload link for each document that the body declares.
async fn answer<H: Hub>(
    hub: &H,
    stored: &StoredApplication,
    payload_hash: [u8; 32],
    declared: &[DeclaredUpload],
) -> Result<ApplicationView, Problem> {
    if stored.payload_hash != payload_hash {
        return Err(Problem::new(Code::KeyReused));
    }
    let mut view = view(stored, 1)?;
    let first = stored.ledger.at(1).ok_or(ApplyError::Contended)?;
    add_links(hub, &mut view, stored.ledger.state(), &first.opened.slots, declared).await?;
    Ok(view)
}

/// Adds an upload link to the document of each declared file, as far as the application has the document still.
///
/// # Errors
/// 503 when a link cannot be signed.
pub(crate) async fn add_links<H: Hub>(
    hub: &H,
    view: &mut ApplicationView,
    state: &Application,
    slots: &[Slot],
    declared: &[DeclaredUpload],
) -> Result<(), Problem> {
    for (document, slot) in declared.iter().zip(assign(declared, slots)) {
        let current = slot.and_then(|slot| state.document(slot));
        let shown = view.documents.iter_mut().find(|shown| Some(shown.id) == slot);
        if let (Some(current), Some(shown)) = (current, shown) {
            let request = document.at(current.object_key(state.id));
            shown.upload = Some(hub.documents().upload_slot(&request).await?);
        }
    }
    Ok(())
}

impl From<Defects> for Problem {
    /// Wrong fields and uncovered places in one list. When only the places are wrong, the problem is `not_covered`.
    fn from(defects: Defects) -> Self {
        if defects.faults.is_empty() {
            return Problem::from(defects.not_covered);
        }
        if defects.not_covered.is_empty() {
            return Problem::invalid(defects.faults);
        }
        let uncovered = Problem::from(defects.not_covered);
        // The places come first, so that a cut list does not withhold them.
        let problem = Problem::invalid([uncovered.errors().to_vec(), defects.faults].concat());
        let members = uncovered.members().iter();
        members.fold(problem, |problem, (name, value)| problem.with_member(name, value.clone()))
    }
}
