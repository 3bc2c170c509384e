//! What someone asks of an application.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::application::CommandKey;
use crate::event::{DocumentFault, HandOver, MissingItem, StoredObject};
use crate::ids::{AgencyCode, DocumentId, TenantId};
use crate::stage::Step;

/// Who acts. Part of every recorded entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// An app backend.
    Tenant(TenantId),
    /// An agency; its signed report is the entry's evidence.
    Agency(AgencyCode),
    /// The hub.
    Hub,
}

/// One attempt to change an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Who.
    pub by: Actor,
    /// Under which key; the hub's own steps have none: their repeat is seen from the state.
    pub key: Option<CommandKey>,
    /// What.
    pub command: Command,
    /// Only where this is the current version. A repeat under the same key is answered all the same.
    pub only_at: Option<u32>,
}

impl Attempt {
    /// A step of the hub itself.
    #[must_use]
    pub fn hub(command: Command) -> Self {
        Attempt { by: Actor::Hub, key: None, command, only_at: None }
    }
}

/// What is asked. Each command is one [`Step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A document arrived and is sound.
    StoreDocument {
        /// Its slot.
        document: DocumentId,
        /// The upload round, from the object's key.
        round: u8,
        /// The object.
        object: StoredObject,
    },
    /// A document arrived and is not.
    RejectDocument {
        /// Its slot.
        document: DocumentId,
        /// The upload round.
        round: u8,
        /// The object's version id.
        version: String,
        /// Why.
        fault: DocumentFault,
    },
    /// Hand the application in.
    Submit,
    /// A message on this leg was put into the agency's queue.
    Dispatch {
        /// Version of the event that owed it.
        message_version: u32,
    },
    /// Answer the supplement.
    Supplement,
    /// Hand the result to the citizen.
    HandOver {
        /// How.
        how: HandOver,
    },
    /// Settle at the move-in place, said by the app of the acceptance place.
    Settle,
    /// Take the application back.
    Withdraw,
    /// An agency's report.
    Report(Report),
    /// The migration certificate ran out.
    Lapse,
    /// The citizen's time ran out.
    Expire,
    /// The agency's time ran out.
    MarkOverdue,
}

/// What an agency says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The version of the case the agency acts on: that of the last message it took, or of its last report.
    pub seen: u32,
    /// What it says.
    pub finding: Finding,
}

/// What an agency found or did. The JSON is the body of a report on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(description = "What an agency found or did."))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// The case was taken.
    Received,
    /// Everything that is missing, at once (一次性告知).
    SupplementRequested {
        /// 1 to [`crate::limits::SUPPLEMENT_ITEMS`] items.
        #[cfg_attr(feature = "schema", schemars(transform = crate::schema::bound_items, description = "Everything that is missing: 1 to 10 items."))]
        items: Vec<MissingItem>,
    },
    /// Signed.
    Signed,
    /// Not issued.
    NotIssued {
        /// Why; up to [`crate::limits::TEXT`] characters, no personal data.
        #[cfg_attr(
            feature = "schema",
            schemars(
                with = "crate::schema::Words",
                description = "Why, in the agency's words: up to 200 characters, no personal data."
            )
        )]
        reason: String,
    },
    /// Produced.
    Produced,
    /// Posted.
    Posted {
        /// The carrier.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
        carrier: String,
        /// The consignment number.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
        tracking: String,
    },
    /// Ready to be collected.
    Ready {
        /// Where.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Words"))]
        place: String,
    },
    /// Move-in approved.
    Approved {
        /// Number of the move-in permit (准迁证).
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
        permit: String,
    },
    /// Register verified at origin.
    Verified,
    /// Moved out.
    MovedOut {
        /// Number of the migration certificate (迁移证).
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
        certificate: String,
        /// Day of issue.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Day"))]
        issued_on: Date,
        /// Last day; at most [`crate::limits::MIGRATION_CERTIFICATE_DAYS`] after the issue.
        #[cfg_attr(
            feature = "schema",
            schemars(
                with = "crate::schema::Day",
                description = "Last day; at most 30 days after the issue."
            )
        )]
        valid_until: Date,
    },
    /// Settled at the move-in place.
    Settled,
    /// Restored at origin.
    Restored,
    /// Certificate issued; it was uploaded as `document`.
    Issued {
        /// The slot.
        document: DocumentId,
        /// Its number.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Number"))]
        certificate: String,
    },
    /// Refused.
    Rejected {
        /// Why; up to [`crate::limits::TEXT`] characters, no personal data.
        #[cfg_attr(
            feature = "schema",
            schemars(
                with = "crate::schema::Words",
                description = "Why, in the agency's words: up to 200 characters, no personal data."
            )
        )]
        reason: String,
    },
}

impl Finding {
    /// The wire name (`kind`) of the finding that takes a step, `None` where an agency does not take it.
    #[must_use]
    pub fn kind_of(step: Step) -> Option<&'static str> {
        step.report_kind()
    }

    /// The step this finding is.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Finding::Received => Step::Receive,
            Finding::SupplementRequested { .. } => Step::RequestSupplement,
            Finding::Signed => Step::Sign,
            Finding::NotIssued { .. } => Step::NotIssue,
            Finding::Produced => Step::Produce,
            Finding::Posted { .. } => Step::Post,
            Finding::Ready { .. } => Step::MakeReady,
            Finding::Approved { .. } => Step::Approve,
            Finding::Verified => Step::Verify,
            Finding::MovedOut { .. } => Step::MoveOut,
            Finding::Settled => Step::Settle,
            Finding::Restored => Step::Restore,
            Finding::Issued { .. } => Step::Issue,
            Finding::Rejected { .. } => Step::Reject,
        }
    }
}

impl Command {
    /// The step this command asks for.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Command::StoreDocument { .. } => Step::StoreDocument,
            Command::RejectDocument { .. } => Step::RejectDocument,
            Command::Submit => Step::Submit,
            Command::Dispatch { .. } => Step::Dispatch,
            Command::Supplement => Step::Supplement,
            Command::HandOver { .. } => Step::HandOver,
            Command::Settle => Step::Settle,
            Command::Withdraw => Step::Withdraw,
            Command::Report(report) => report.finding.step(),
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
    fn every_finding_has_the_kind_of_its_step() {
        let findings = [
            Finding::Received,
            Finding::Signed,
            Finding::NotIssued { reason: String::new() },
            Finding::Approved { permit: String::new() },
            Finding::Restored,
            Finding::Rejected { reason: String::new() },
        ];
        for finding in findings {
            let json = serde_json::to_value(&finding).expect("json");
            assert_eq!(json["kind"].as_str(), Finding::kind_of(finding.step()));
        }
        for &step in Step::ALL {
            let by_agency =
                matches!(step.taken_by(), crate::stage::Taker::Agency | crate::stage::Taker::AppOrAgency);
            assert_eq!(Finding::kind_of(step).is_some(), by_agency, "{step:?}");
        }
    }
}
