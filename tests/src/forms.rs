//! Request bodies of applications, and the documents that each application needs.

use crate::people::Citizen;
use app_client::SampleDocument;
use serde_json::{Value, json};

/// Acceptance place of most test applications: Xincheng, Hohhot.
pub const HOHHOT: &str = "150102";

/// An adult's first card.
#[must_use]
pub fn first_card(citizen: &Citizen, accepted_at: &str, registered_at: &str) -> Value {
    json!({
        "service": "first_identity_card",
        "accepted_at": accepted_at,
        "registered_at": registered_at,
        "applicant": citizen.json(),
        "address": citizen.address,
        "commitment": true,
    })
}

/// The two documents of an adult's first card.
#[must_use]
pub fn adult_documents() -> Vec<SampleDocument> {
    vec![
        SampleDocument::pdf("household_register", "register"),
        SampleDocument::jpeg("proof_of_residence", "residence"),
    ]
}

/// A child's first card. The guardian applies.
#[must_use]
pub fn child_card(child: &Citizen, guardian: &Citizen, accepted_at: &str, registered_at: &str) -> Value {
    let mut body = first_card(child, accepted_at, registered_at);
    body["guardian"] = guardian.json();
    body
}

/// The three documents of a child's first card.
#[must_use]
pub fn child_documents() -> Vec<SampleDocument> {
    vec![
        SampleDocument::jpeg("identity_card", "guardian"),
        SampleDocument::pdf("birth_certificate", "birth"),
        SampleDocument::png("picture_with_guardian", "both"),
    ]
}

/// A transfer to the acceptance place.
#[must_use]
pub fn transfer(citizen: &Citizen, reason: &str, accepted_at: &str, registered_at: &str) -> Value {
    json!({
        "service": "household_transfer",
        "reason": reason,
        "accepted_at": accepted_at,
        "registered_at": registered_at,
        "applicant": citizen.json(),
        "address": citizen.address,
    })
}

/// The three documents of a transfer. The kind of the third depends on the reason.
#[must_use]
pub fn transfer_documents(by_reason: &'static str) -> Vec<SampleDocument> {
    vec![
        SampleDocument::pdf("household_register", "register"),
        SampleDocument::png("identity_card", "card"),
        SampleDocument::jpeg(by_reason, "reason"),
    ]
}

/// A household certificate.
#[must_use]
pub fn certificate(citizen: &Citizen, kind: &str, accepted_at: &str, registered_at: &str) -> Value {
    json!({
        "service": "household_certificate",
        "certificate": kind,
        "accepted_at": accepted_at,
        "registered_at": registered_at,
        "applicant": citizen.json(),
        "address": citizen.address,
    })
}

/// The two documents that every certificate needs.
#[must_use]
pub fn certificate_documents() -> Vec<SampleDocument> {
    vec![SampleDocument::png("identity_card", "card"), SampleDocument::pdf("household_register", "register")]
}

/// The same body, submitted by the hub once the last required document is uploaded.
#[must_use]
pub fn when_complete(mut body: Value) -> Value {
    body["submit"] = json!("when_complete");
    body
}
