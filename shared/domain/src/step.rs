//! The steps of an application, and the party that takes each. [`crate::stage`] has the stage that each step leads to.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// A kind of change. [`Step::taken_by`] says which party takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[derive(IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Step {
    /// A document was uploaded and verified.
    StoreDocument,
    /// A document was uploaded and failed verification.
    RejectDocument,
    /// The app replaces a stored document that no agency has got yet: the stored file is discarded.
    DiscardDocument,
    /// The app corrects the draft.
    Correct,
    /// The app submits the application.
    Submit,
    /// The hub puts the case into the agency's queue.
    Dispatch,
    /// The agency receives the case.
    Receive,
    /// The agency requests everything that is missing.
    RequestSupplement,
    /// The citizen answers the supplement request.
    Supplement,
    /// The agency reviews and signs the application.
    Sign,
    /// The card is not issued.
    NotIssue,
    /// The card is produced.
    Produce,
    /// The card is posted.
    Post,
    /// The card can be collected.
    MakeReady,
    /// The result is handed to the citizen.
    HandOver,
    /// The move-in permit is issued.
    Approve,
    /// The agency of the origin verifies the register.
    Verify,
    /// The agency of the origin moves the citizen out.
    MoveOut,
    /// The citizen settles at the move-in place.
    Settle,
    /// The migration certificate expires.
    Lapse,
    /// The agency of the origin restores the registration.
    Restore,
    /// The certificate is issued.
    Issue,
    /// The agency rejects the application.
    Reject,
    /// The citizen withdraws the application.
    Withdraw,
    /// The time limit of the citizen passes.
    Expire,
    /// The time limit of the agency passes. Recorded once for each limit; the stage stays.
    MarkOverdue,
}

/// Party that takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taker {
    /// The app backend that opened the application.
    App,
    /// The agency of the current leg.
    Agency,
    /// The hub itself.
    Hub,
    /// The app backend or the agency of the current leg.
    AppOrAgency,
}

impl Step {
    /// Every step.
    pub const ALL: &'static [Step] = <Step as VariantArray>::VARIANTS;

    /// Stable wire name, for example `request_supplement`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Wire name (`kind`) of the report that takes this step; `None` when agencies do not take the step.
    #[must_use]
    pub fn report_kind(self) -> Option<&'static str> {
        Some(match self {
            Step::Receive => "received",
            Step::RequestSupplement => "supplement_requested",
            Step::Sign => "signed",
            Step::NotIssue => "not_issued",
            Step::Produce => "produced",
            Step::Post => "posted",
            Step::MakeReady => "ready",
            Step::Approve => "approved",
            Step::Verify => "verified",
            Step::MoveOut => "moved_out",
            Step::Settle => "settled",
            Step::Restore => "restored",
            Step::Issue => "issued",
            Step::Reject => "rejected",
            Step::StoreDocument
            | Step::RejectDocument
            | Step::DiscardDocument
            | Step::Correct
            | Step::Submit
            | Step::Dispatch
            | Step::Supplement
            | Step::HandOver
            | Step::Withdraw
            | Step::Lapse
            | Step::Expire
            | Step::MarkOverdue => return None,
        })
    }

    /// Whether the app takes this step towards the end of the application. Corrections, which a draft allows at any
    /// time, are no such steps.
    #[must_use]
    pub fn is_next_step(self) -> bool {
        match self {
            Step::DiscardDocument | Step::Correct => false,
            other => matches!(other.taken_by(), Taker::App | Taker::AppOrAgency),
        }
    }

    /// The party that takes this step.
    #[must_use]
    pub fn taken_by(self) -> Taker {
        match self {
            Step::DiscardDocument
            | Step::Correct
            | Step::Submit
            | Step::Supplement
            | Step::HandOver
            | Step::Withdraw => Taker::App,
            Step::Receive
            | Step::RequestSupplement
            | Step::Sign
            | Step::NotIssue
            | Step::Produce
            | Step::Post
            | Step::MakeReady
            | Step::Approve
            | Step::Verify
            | Step::MoveOut
            | Step::Restore
            | Step::Issue
            | Step::Reject => Taker::Agency,
            Step::Settle => Taker::AppOrAgency,
            Step::StoreDocument
            | Step::RejectDocument
            | Step::Dispatch
            | Step::Lapse
            | Step::Expire
            | Step::MarkOverdue => Taker::Hub,
        }
    }
}
