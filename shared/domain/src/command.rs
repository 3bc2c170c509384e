//! Commands: requests to change an application.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::application::CommandKey;
use crate::event::{Correction, DocumentFault, HandOver, MissingItem, StoredObject};
use crate::ids::{AgencyCode, DocumentId, TenantId};
use crate::stage::Step;

/// The party that acts. Every recorded entry names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// An app backend.
    Tenant(TenantId),
    /// An agency, whose signed report is the evidence of the entry.
    Agency(AgencyCode),
    /// The hub.
    Hub,
    /// A party that this version of the hub does not know: a newer version recorded the entry. Never written.
    #[serde(skip)]
    Unknown,
}

/// One attempt to change an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Party that acts.
    pub by: Actor,
    /// Key of the command. The hub's own steps have no key: the state shows whether they were done.
    pub key: Option<CommandKey>,
    /// Requested change.
    pub command: Command,
    /// Version that the application must have. A repeat with the same key succeeds at any version.
    pub expected_version: Option<u32>,
}

impl Attempt {
    /// An attempt of the hub itself.
    #[must_use]
    pub fn hub(command: Command) -> Self {
        Attempt { by: Actor::Hub, key: None, command, expected_version: None }
    }
}

/// A requested change. Each command takes one [`Step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A document was uploaded and verified.
    StoreDocument {
        /// Id of the document.
        document: DocumentId,
        /// Upload round, from the object's key.
        round: u8,
        /// Verified object.
        object: StoredObject,
    },
    /// A document was uploaded and failed verification.
    RejectDocument {
        /// Id of the document.
        document: DocumentId,
        /// Upload round, from the object's key.
        round: u8,
        /// S3 version id of the object.
        version: String,
        /// Reason for the rejection.
        fault: DocumentFault,
    },
    /// Discard the stored file of a document, so that the app can upload another one.
    DiscardDocument {
        /// Id of the document.
        document: DocumentId,
        /// Upload round of the stored file. A later file stays.
        round: u8,
    },
    /// Correct the draft.
    Correct(Box<Correction>),
    /// Submit the application to the first agency.
    Submit,
    /// Record that a message of this leg was put into the agency's queue.
    Dispatch {
        /// Version of the event that caused the message.
        message_version: u32,
    },
    /// Answer the supplement request.
    Supplement,
    /// Hand the result to the citizen.
    HandOver {
        /// Way of the hand-over.
        how: HandOver,
    },
    /// Settle at the move-in place, as the app of the acceptance place confirms.
    Settle,
    /// Withdraw the application.
    Withdraw,
    /// Apply an agency's report.
    Report(AgencyReport),
    /// The migration certificate expired.
    Lapse,
    /// The time limit of the citizen has passed.
    Expire,
    /// The time limit of the agency has passed.
    MarkOverdue,
}

/// A report of an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencyReport {
    /// Version of the case that the agency acted on: of the message it received, or of its last report.
    pub seen: u32,
    /// Result that the agency reports.
    pub result: ReportedResult,
}

/// The result of an agency. The JSON is part of a report on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(description = "The result that an agency reports."))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReportedResult {
    /// The agency received the case.
    Received,
    /// The agency requests everything that is missing, at once (一次性告知).
    SupplementRequested {
        /// Missing items, 1 to [`crate::limits::SUPPLEMENT_ITEMS`].
        #[cfg_attr(feature = "schema", schemars(transform = crate::schema::bound_items, description = "Missing items, 1 to 10."))]
        items: Vec<MissingItem>,
    },
    /// The agency reviewed and signed the application (签发).
    Signed,
    /// The agency does not issue the card (不予签发).
    NotIssued {
        /// Reason, up to [`crate::limits::TEXT`] characters, without personal data.
        #[cfg_attr(
            feature = "schema",
            schemars(
                with = "crate::schema::Words",
                description = "Reason in the agency's words, up to 200 characters, without personal data."
            )
        )]
        reason: String,
    },
    /// The card is produced.
    Produced,
    /// The card was posted.
    Posted {
        /// Carrier of the card.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
        carrier: String,
        /// Tracking number of the carrier.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
        tracking: String,
    },
    /// The card can be collected.
    Ready {
        /// Place where the citizen collects the card.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Words"))]
        place: String,
    },
    /// The agency approved the move-in.
    Approved {
        /// Number of the move-in permit (准迁证).
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
        permit: String,
    },
    /// The agency of the origin verified the register.
    Verified,
    /// The agency of the origin moved the citizen out.
    MovedOut {
        /// Number of the migration certificate (迁移证).
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
        certificate: String,
        /// Day of issue of the certificate.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Day"))]
        issued_on: Date,
        /// Last day of the certificate, at most [`crate::limits::MIGRATION_CERTIFICATE_DAYS`] after its issue.
        #[cfg_attr(
            feature = "schema",
            schemars(
                with = "crate::schema::Day",
                description = "Last day of the certificate, at most 30 days after its issue."
            )
        )]
        valid_until: Date,
    },
    /// The citizen settled at the move-in place.
    Settled,
    /// The agency restored the registration at the origin.
    Restored,
    /// The agency issued the certificate and uploaded it as `document`.
    Issued {
        /// Document id of the certificate.
        document: DocumentId,
        /// Number of the certificate.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
        certificate: String,
    },
    /// The agency rejected the application.
    Rejected {
        /// Reason, up to [`crate::limits::TEXT`] characters, without personal data.
        #[cfg_attr(
            feature = "schema",
            schemars(
                with = "crate::schema::Words",
                description = "Reason in the agency's words, up to 200 characters, without personal data."
            )
        )]
        reason: String,
    },
}

impl ReportedResult {
    /// Wire name (`kind`) of the result that takes a step; `None` when agencies do not take the step.
    #[must_use]
    pub fn kind_of(step: Step) -> Option<&'static str> {
        step.report_kind()
    }

    /// The step that this result takes.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            ReportedResult::Received => Step::Receive,
            ReportedResult::SupplementRequested { .. } => Step::RequestSupplement,
            ReportedResult::Signed => Step::Sign,
            ReportedResult::NotIssued { .. } => Step::NotIssue,
            ReportedResult::Produced => Step::Produce,
            ReportedResult::Posted { .. } => Step::Post,
            ReportedResult::Ready { .. } => Step::MakeReady,
            ReportedResult::Approved { .. } => Step::Approve,
            ReportedResult::Verified => Step::Verify,
            ReportedResult::MovedOut { .. } => Step::MoveOut,
            ReportedResult::Settled => Step::Settle,
            ReportedResult::Restored => Step::Restore,
            ReportedResult::Issued { .. } => Step::Issue,
            ReportedResult::Rejected { .. } => Step::Reject,
        }
    }
}

impl Command {
    /// The step that this command takes.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Command::StoreDocument { .. } => Step::StoreDocument,
            Command::RejectDocument { .. } => Step::RejectDocument,
            Command::DiscardDocument { .. } => Step::DiscardDocument,
            Command::Correct(_) => Step::Correct,
            Command::Submit => Step::Submit,
            Command::Dispatch { .. } => Step::Dispatch,
            Command::Supplement => Step::Supplement,
            Command::HandOver { .. } => Step::HandOver,
            Command::Settle => Step::Settle,
            Command::Withdraw => Step::Withdraw,
            Command::Report(report) => report.result.step(),
            Command::Lapse => Step::Lapse,
            Command::Expire => Step::Expire,
            Command::MarkOverdue => Step::MarkOverdue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_has_the_kind_of_its_step() {
        let results = [
            ReportedResult::Received,
            ReportedResult::Signed,
            ReportedResult::NotIssued { reason: String::new() },
            ReportedResult::Approved { permit: String::new() },
            ReportedResult::Restored,
            ReportedResult::Rejected { reason: String::new() },
        ];
        for result in results {
            let json = serde_json::to_value(&result).expect("json");
            assert_eq!(json["kind"].as_str(), ReportedResult::kind_of(result.step()));
        }
        for &step in Step::ALL {
            let by_agency =
                matches!(step.taken_by(), crate::stage::Taker::Agency | crate::stage::Taker::AppOrAgency);
            assert_eq!(ReportedResult::kind_of(step).is_some(), by_agency, "{step:?}");
        }
    }
}
