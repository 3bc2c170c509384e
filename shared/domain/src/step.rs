//! The steps an application can take, and who takes them. Where each leads is in [`crate::stage`].

use serde::{Deserialize, Serialize};

/// A kind of change. Who may cause it follows from the kind: see [`Step::taken_by`].
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Step {
    /// A document arrived and was verified.
    StoreDocument,
    /// A document arrived and was refused.
    RejectDocument,
    /// The application is handed in.
    Submit,
    /// The case went into the agency's queue.
    Dispatch,
    /// The agency took the case.
    Receive,
    /// The agency lists all that is missing.
    RequestSupplement,
    /// The citizen answers.
    Supplement,
    /// The card is signed.
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
    /// The origin has verified the register.
    Verify,
    /// The origin has moved the citizen out.
    MoveOut,
    /// The move-in place has settled the citizen.
    Settle,
    /// The migration certificate ran out.
    Lapse,
    /// The origin has restored the registration.
    Restore,
    /// The certificate is issued.
    Issue,
    /// The agency refuses.
    Reject,
    /// The citizen takes the application back.
    Withdraw,
    /// Time ran out for the citizen.
    Expire,
    /// Time ran out for the agency; said once a leg, changes no stage.
    MarkOverdue,
}

/// Who takes a step.
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
    pub const ALL: &'static [Step] = <Step as strum::VariantArray>::VARIANTS;

    /// The stable wire name, for example `request_supplement`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The wire name (`kind`) of the report that takes this step, `None` where an agency does not take it.
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

    /// Who takes this step.
    #[must_use]
    pub fn taken_by(self) -> Taker {
        match self {
            Step::Submit | Step::Supplement | Step::HandOver | Step::Withdraw => Taker::App,
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
