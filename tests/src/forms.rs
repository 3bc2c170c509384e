//! What an app backend fills in: the bodies of applications, and the papers they need.

use crate::people::Citizen;
use app_client::SampleDocument;
use serde_json::{Value, json};

/// Xincheng, Hohhot: where most citizens here apply.
pub const HOHHOT: &str = "150102";

/// A first card of an adult.
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

/// The two papers of an adult's first card.
#[must_use]
pub fn adult_papers() -> Vec<SampleDocument> {
    vec![
        SampleDocument::pdf("household_register", "register"),
        SampleDocument::jpeg("proof_of_residence", "residence"),
    ]
}

/// A first card of a child, for whom the guardian applies.
#[must_use]
pub fn childs_card(child: &Citizen, guardian: &Citizen, accepted_at: &str, registered_at: &str) -> Value {
    let mut body = first_card(child, accepted_at, registered_at);
    body["guardian"] = guardian.json();
    body
}

/// The three papers of a child's first card.
#[must_use]
pub fn childs_papers() -> Vec<SampleDocument> {
    vec![
        SampleDocument::jpeg("identity_card", "guardian"),
        SampleDocument::pdf("birth_certificate", "birth"),
        SampleDocument::png("picture_with_guardian", "both"),
    ]
}

/// A transfer that moves to where it is applied for.
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

/// The three papers of a transfer, the last one by its reason.
#[must_use]
pub fn transfer_papers(by_reason: &'static str) -> Vec<SampleDocument> {
    vec![
        SampleDocument::pdf("household_register", "register"),
        SampleDocument::png("identity_card", "card"),
        SampleDocument::jpeg(by_reason, "reason"),
    ]
}

/// A renewal of an identity card.
#[must_use]
pub fn renewal(citizen: &Citizen, reason: &str, accepted_at: &str, registered_at: &str) -> Value {
    json!({
        "service": "identity_card_renewal",
        "renewal": reason,
        "accepted_at": accepted_at,
        "registered_at": registered_at,
        "applicant": citizen.json(),
        "address": citizen.address,
    })
}

/// The two papers of a renewal after a registered item changed.
#[must_use]
pub fn renewal_papers() -> Vec<SampleDocument> {
    vec![SampleDocument::png("identity_card", "card"), SampleDocument::pdf("household_register", "register")]
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

/// The two papers every certificate needs.
#[must_use]
pub fn certificate_papers() -> Vec<SampleDocument> {
    vec![SampleDocument::png("identity_card", "card"), SampleDocument::pdf("household_register", "register")]
}

/// The same body, handed in by itself once its last paper is in.
#[must_use]
pub fn when_complete(mut body: Value) -> Value {
    body["submit"] = json!("when_complete");
    body
}
