//! Corrects a draft: a merge patch of its members, which is checked like the body of a new application.
//!
//! The corrected data and its events are one conditional write. A write that meets another one is made again from the
//! current state, so two corrections at once lose nothing.

use domain::application::{Application, CommandKey};
use domain::catalogue::service_row;
use domain::command::{Actor, Attempt, Command};
use domain::decide::Refusal;
use domain::draft::corrected_slots;
use domain::event::{Correction, Opened};
use domain::ids::{ApplicationId, TenantId};
use domain::personal_data::PersonalData;
use domain::stage::{Step, next};
use http_kit::fields::FieldError;
use http_kit::owned_application::owned_application;
use http_kit::problem::{Code, Problem};
use http_kit::uploads::DeclaredUpload;
use platform::agency_messages::PERSONAL_DATA;
use platform::agency_registry::current_agencies;
use platform::apply::{self, ApplyError, MAX_ATTEMPTS};
use platform::clock::Clock as _;
use platform::hub::Hub;
use platform::person_index::PersonIndex;
use platform::store::StoredApplication;
use platform::vault::Vault as _;
use protocol::app::ApplicationView;
use serde_json::{Map, Value, json};

use crate::commands::view;
use crate::creation::{add_links, person_values};
use crate::opening::{self, Opening};

/// Corrects a draft once: a repeat with the same key and body receives the first answer.
///
/// # Errors
/// 404 as [`owned_application`]; 409 when the application is submitted or has too many corrections; 412 at another
/// version than the caller requires; 422 with every wrong field of the corrected draft; 503 when it cannot be stored, or
/// the draft is known in part.
pub async fn correct<H: Hub>(
    hub: &H,
    persons: Option<&PersonIndex>,
    tenant: &TenantId,
    id: ApplicationId,
    (key, expected_version): (CommandKey, Option<u32>),
    patch: &Value,
) -> Result<ApplicationView, Problem> {
    if patch.as_object().is_some_and(Map::is_empty) {
        return Err(Problem::invalid(vec![FieldError::new("", "one_needed")]));
    }
    for tries in 1..=MAX_ATTEMPTS {
        let stored = owned_application(hub, tenant, id).await?;
        let state = stored.ledger.state();
        if let Some(taken) = state.applied_command(&key.id) {
            if taken.key.body != key.body {
                return Err(Refusal::KeyReused.into());
            }
            return answer(hub, &stored, taken.version, &opening::declared_before(patch)).await;
        }
        if state.is_incomplete() {
            return Err(Refusal::IncompleteRead.into());
        }
        if expected_version.is_some_and(|version| version != state.version) {
            return Err(Refusal::Changed { version: state.version }.into());
        }
        if next(state.stage, state.purpose(), Step::Correct).is_none() {
            return Err(Refusal::Illegal { stage: state.stage, step: Step::Correct }.into());
        }
        let body = merged(body_of(hub, &stored).await?, patch);
        let agencies = current_agencies(hub).await?;
        let opening = opening::read_corrected(&body, state, &agencies.agencies, hub.clock().now())?;
        let Opening { opened, personal_data, declared } = opening;
        let slots = corrected_slots(state, &opened.slots).ok_or(Refusal::Bound("documents"))?;
        let correction = Correction::from(Opened { slots, ..opened });
        let person = person_values(persons, correction.service, &personal_data);
        let plain = serde_json::to_vec(&personal_data).map_err(|_| Problem::new(Code::Internal))?;
        let encrypted = hub.vault().encrypt(PERSONAL_DATA, &id.to_string(), &plain).await?;
        let attempt = Attempt {
            by: Actor::Tenant(tenant.clone()),
            key: Some(key),
            command: Command::Correct(Box::new(correction)),
            expected_version: Some(stored.version()),
        };
        if let Some(applied) = apply::correct(hub, stored, &attempt, (encrypted, person)).await? {
            return answer(hub, &applied.stored, applied.version, &declared).await;
        }
        apply::pause_after_conflict(tries).await;
    }
    Err(ApplyError::Contended.into())
}

/// The view at the version of the correction, with an upload link for each declared document that is not stored yet.
async fn answer<H: Hub>(
    hub: &H,
    stored: &StoredApplication,
    version: u32,
    declared: &[DeclaredUpload],
) -> Result<ApplicationView, Problem> {
    let mut shown = view(stored, version)?;
    let then = stored.ledger.at(version).ok_or(ApplyError::Contended)?;
    add_links(hub, &mut shown, stored.ledger.state(), &then.opened.slots, declared).await?;
    for document in &mut shown.documents {
        if stored.ledger.state().document(document.id).is_some_and(|current| current.stored().is_some()) {
            document.upload = None;
        }
    }
    Ok(shown)
}

/// The draft as the body of a new application, without its documents.
async fn body_of<H: Hub>(hub: &H, stored: &StoredApplication) -> Result<Value, Problem> {
    let state = stored.ledger.state();
    let plain = hub.vault().decrypt(PERSONAL_DATA, &state.id.to_string(), &stored.encrypted).await?;
    let data: PersonalData = serde_json::from_slice(&plain).map_err(|_| Problem::new(Code::Internal))?;
    let persons = serde_json::to_value(&data).map_err(|_| Problem::new(Code::Internal))?;
    Ok(merged(members_of(state), &persons))
}

/// The members of the body that are no personal data.
fn members_of(state: &Application) -> Value {
    let opened = &state.opened;
    let row = service_row(opened.service);
    let mut body = json!({
        "service": opened.service,
        "accepted_at": opened.places.accepted_at,
        "registered_at": opened.places.registered_at,
        "move_in": opened.places.move_in,
        "commitment": row.commitment.then_some(true),
        "capabilities": opened.capabilities,
        "submit": if opened.submit_when_complete { "when_complete" } else { "manual" },
    });
    if let (Some(member), Some(members)) = (row.member(), body.as_object_mut()) {
        members.insert(member.name.to_owned(), json!(opened.when));
    }
    body
}

/// The body after a merge patch (RFC 7396). A member that the patch removes stays as `null`, which every reader takes
/// for absent, so that a member that no form has is named.
fn merged(body: Value, patch: &Value) -> Value {
    match (body, patch) {
        (Value::Object(mut members), Value::Object(changes)) => {
            for (name, change) in changes {
                let before = members.remove(name).unwrap_or_default();
                members.insert(name.clone(), merged(before, change));
            }
            Value::Object(members)
        }
        (_, patch) => patch.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_replaces_removes_and_keeps_members() {
        let body = json!({ "a": { "b": 1, "c": 2 }, "d": [1], "e": 3 });
        let patch = json!({ "a": { "c": null, "x": { "y": 1 } }, "d": [2], "e": null });
        let after = json!({ "a": { "b": 1, "c": null, "x": { "y": 1 } }, "d": [2], "e": null });
        assert_eq!(merged(body.clone(), &patch), after);
        assert_eq!(merged(body, &json!([])), json!([]));
    }
}
