//! Signed receipts: what the hub did with a report, and when.
//!
//! A receipt is made from the record alone and costs no call. The record of an accepted report never changes, and an
//! ES256 signature of this implementation depends on nothing but key and text, so a repeat gets the same receipt until
//! the hub's key changes.

use domain::command::Actor;
use domain::ids::AgencyCode;
use domain::ledger::Ledger;
use domain::stage::Step;
use jiff::Timestamp;
use protocol::jose::{PrivateKey, sign, unverified_payload};
use protocol::receipts::{RECEIPT_TYP, ReportOutcome, SignedReceipt};

use crate::evidence::{Claims, claims, sha256};

/// What the record says of the accepted report that led to `version`. `None` when no report of an agency did, or the
/// entry has no evidence.
pub(crate) fn accepted(ledger: &Ledger, version: u32) -> Option<SignedReceipt> {
    let entry = &ledger.after(version.checked_sub(1)?).first()?.entry;
    let Actor::Agency(agency) = &entry.by else { return None };
    let kind = entry.event.step().and_then(Step::report_kind)?;
    let (report_id, report_sha256) = match (&entry.proof, &entry.proof_sha256) {
        (Some(jws), _) => (claims(&unverified_payload(jws).ok()?).report_id, sha256(jws)),
        (None, Some(hash)) => (entry.report_id, hash.clone()),
        (None, None) => return None,
    };
    Some(SignedReceipt {
        iat: entry.at.as_second(),
        agency: agency.clone(),
        application: Some(ledger.state().id),
        report_id,
        report_sha256,
        received_at: entry.at,
        outcome: ReportOutcome::Accepted,
        reason: None,
        kind: Some(kind.to_owned()),
        version: Some(version),
        stage: ledger.at(version).map(|state| state.stage),
    })
}

/// What the hub says of a report that is not in the record: refused for a reason, or held without one.
pub(crate) fn not_accepted(
    agency: &AgencyCode,
    claims: Claims,
    report_sha256: String,
    reason: Option<&str>,
    received_at: Timestamp,
) -> SignedReceipt {
    SignedReceipt {
        iat: received_at.as_second(),
        agency: agency.clone(),
        application: claims.application,
        report_id: claims.report_id,
        report_sha256,
        received_at,
        outcome: if reason.is_some() { ReportOutcome::Refused } else { ReportOutcome::Held },
        reason: reason.map(str::to_owned),
        kind: None,
        version: None,
        stage: None,
    }
}

/// Signs a receipt. `None` when the key cannot sign, which is logged: the report is recorded all the same.
pub(crate) fn signed(receipt: &SignedReceipt, key: &PrivateKey) -> Option<String> {
    match sign(RECEIPT_TYP, receipt, key) {
        Ok(jws) => Some(jws),
        Err(error) => {
            tracing::error!(%error, "a receipt cannot be signed: the agency gets its answer without proof; check the hub's signing key");
            None
        }
    }
}
