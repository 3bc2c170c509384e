//! A new application: one write, and the same answer however often it is asked for.

use domain::command::Actor;
use domain::event::Slot;
use domain::ids::{ApplicationId, TenantId};
use domain::ledger::{Cause, Ledger};
use domain::wake::next_wake;
use http_kit::fields::{FieldError, Json};
use http_kit::idempotency::IdempotencyKey;
use http_kit::namespace::Namespace;
use http_kit::problem::{Code, Problem};
use http_kit::uploads::{Declared, assign};
use platform::agency_messages::DOSSIER;
use platform::agency_registry::current_agencies;
use platform::apply::ApplyError;
use platform::clock::Clock as _;
use platform::documents::Documents as _;
use platform::hub::Hub;
use platform::store::{Created, Store as _, StoredApplication};
use platform::vault::Vault as _;
use protocol::app::ApplicationView;
use sha2::{Digest as _, Sha256};

use crate::commands::view;
use crate::opening::{self, Defects, Opening};

/// An application as it was opened.
#[derive(Debug)]
pub struct Made {
    /// The answer.
    pub view: ApplicationView,
    /// Whether it was opened now, and not before.
    pub is_new: bool,
}

/// Opens the application that `tenant` asks for under `key`.
///
/// An application that was accepted is answered for ever: should its body not be valid any more (the
/// applicant has turned 16, the agency is suspended), the repeat still gets the first answer.
///
/// # Errors
/// 422 with everything that is wrong, or where the key was used for another body; 503 where it could not be
/// kept.
pub async fn create<H: Hub>(
    hub: &H,
    namespace: &Namespace,
    tenant: &TenantId,
    key: &IdempotencyKey,
    body: &Json,
) -> Result<Made, Problem> {
    let id = namespace.application(tenant, key);
    let payload_hash: [u8; 32] = Sha256::digest(&body.canonical).into();
    let agencies = current_agencies(hub).await?;
    let opening = match opening::read(&body.value, tenant, &agencies.agencies, hub.clock().now()) {
        Ok(opening) => opening,
        Err(defects) => {
            let known = hub.store().get(id).await?.ok_or_else(|| Problem::from(defects))?;
            let declared = opening::declared_before(&body.value);
            let view = answer(hub, &known, payload_hash, &declared).await?;
            return Ok(Made { view, is_new: false });
        }
    };
    let declared = opening.declared.clone();
    let kept = keep(hub, id, payload_hash, opening).await?;
    let (kept, is_new) =
        match hub.store().create(&kept, next_wake(kept.ledger.head(), hub.clock().now())).await? {
            Created::New => {
                hub.recent().put(&kept);
                (kept, true)
            }
            Created::Existing(known) => (*known, false),
        };
    let view = answer(hub, &kept, payload_hash, &declared).await?;
    Ok(Made { view, is_new })
}

async fn keep<H: Hub>(
    hub: &H,
    id: ApplicationId,
    payload_hash: [u8; 32],
    opening: Opening,
) -> Result<StoredApplication, Problem> {
    let cause = Cause {
        by: Actor::Tenant(opening.opened.tenant.clone()),
        at: hub.clock().now(),
        // The id itself is what makes the request the same request.
        key: None,
        proof: None,
    };
    let personal_data =
        serde_json::to_vec(&opening.personal_data).map_err(|_| Problem::new(Code::Internal))?;
    let sealed = hub.vault().encrypt(DOSSIER, &id.to_string(), &personal_data).await?;
    let ledger = Ledger::open(id, opening.opened, &cause).map_err(ApplyError::from)?;
    Ok(StoredApplication { ledger, sealed, payload_hash })
}

/// The application as it was opened, with a fresh slot for each document that the body declares.
async fn answer<H: Hub>(
    hub: &H,
    kept: &StoredApplication,
    payload_hash: [u8; 32],
    declared: &[Declared],
) -> Result<ApplicationView, Problem> {
    if kept.payload_hash != payload_hash {
        return Err(Problem::new(Code::KeyReused));
    }
    let mut view = view(kept, 1)?;
    let head = kept.ledger.head();
    let slots: &[Slot] = &head.opened.slots;
    for (document, slot) in declared.iter().zip(assign(declared, slots)) {
        let current = slot.and_then(|slot| head.document(slot));
        let shown = view.documents.iter_mut().find(|shown| Some(shown.id) == slot);
        if let (Some(current), Some(shown)) = (current, shown) {
            let request = document.at(current.object_key(head.id));
            shown.upload = Some(hub.documents().upload_slot(&request).await?);
        }
    }
    Ok(view)
}

impl From<Defects> for Problem {
    /// Wrong fields and uncovered places in one list; where only the places are in the way, that is said.
    fn from(defects: Defects) -> Self {
        if defects.faults.is_empty() {
            return Problem::from(defects.not_covered);
        }
        let covered: Vec<FieldError> = match defects.not_covered {
            none if none.is_empty() => Vec::new(),
            reasons => Problem::from(reasons).errors().to_vec(),
        };
        Problem::invalid([defects.faults, covered].concat())
    }
}
