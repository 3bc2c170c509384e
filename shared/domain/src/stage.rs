//! The stage machine: which step is possible where, and where it leads.
//!
//! [`steps`] is the only table. `decide` reads it, the transition table of this crate's README is printed from it, and it
//! bounds the reports that a leg of the catalogue may send.

use serde::{Deserialize, Serialize};

pub use crate::step::{Step, Taker};

/// Where an application stands. The names follow `domain.md`; each agency leg runs through
/// `Dispatched` and `Received` again.
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(description = "Where an application stands."))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    /// Opened by the app; documents are still coming in.
    Draft,
    /// Complete and handed to the hub; the first leg is open.
    Submitted,
    /// The case of the current leg lies in the agency's queue.
    Dispatched,
    /// The agency of the current leg has taken the case.
    Received,
    /// The agency has named everything that is missing, once (一次性告知).
    SupplementRequested,
    /// The citizen has answered (补正).
    Supplemented,
    /// Decided: reviewed and signed (签发).
    Signed,
    /// Decided: the card exists.
    Produced,
    /// Decided: the card is on its way by post.
    Posted,
    /// Decided: the card waits to be collected.
    Ready,
    /// Decided: the card was handed over. Final.
    Collected,
    /// Decided: the card is not issued (不予签发). Final.
    NotIssued,
    /// The move-in agency has issued its permit (准迁证).
    Approved,
    /// The move-out agency has verified the register.
    Verified,
    /// Moved out; the migration certificate (迁移证) runs.
    MovedOut,
    /// Settled at the move-in place. Final.
    Settled,
    /// The migration certificate ran out before it was used.
    Lapsed,
    /// Restored at origin after a lapse. Final.
    RestoredAtOrigin,
    /// Issued; the document can be fetched.
    Issued,
    /// Handed over at the acceptance place. Final.
    Completed,
    /// Taken back by the citizen. Final.
    Withdrawn,
    /// Refused by an agency, with its reason. Final.
    Rejected,
    /// A draft or a supplement ran out of time. Final.
    Expired,
}

impl Stage {
    /// Every stage, in the order a reader expects.
    pub const ALL: &'static [Stage] = <Stage as strum::VariantArray>::VARIANTS;

    /// The stable name used on every wire, for example `supplement_requested`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether nothing can happen any more, on whichever leg.
    #[must_use]
    pub fn is_final(self) -> bool {
        Purpose::ALL.iter().all(|purpose| steps(self, *purpose).is_empty())
    }
}

/// What an agency is asked to do on a leg.
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Purpose {
    /// Review, sign and produce an identity card.
    Decide,
    /// Approve a transfer at the move-in place.
    Approve,
    /// Verify and move out at the place of registration.
    MoveOut,
    /// Settle at the move-in place.
    Settle,
    /// Restore at origin after a lapsed migration certificate.
    Restore,
    /// Answer with the issued certificate.
    Certify,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: &'static [Purpose] = <Purpose as strum::VariantArray>::VARIANTS;

    /// The stable wire name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What is possible at `stage` while the current leg has `purpose`, and where it leads.
/// An empty list means the stage is final.
#[must_use]
pub fn steps(stage: Stage, purpose: Purpose) -> &'static [(Step, Stage)] {
    match stage {
        Stage::Draft => &[
            (Step::StoreDocument, Stage::Draft),
            (Step::RejectDocument, Stage::Draft),
            (Step::Submit, Stage::Submitted),
            (Step::Withdraw, Stage::Withdrawn),
            (Step::Expire, Stage::Expired),
        ],
        Stage::Submitted => &[
            (Step::Dispatch, Stage::Dispatched),
            (Step::Withdraw, Stage::Withdrawn),
            (Step::MarkOverdue, Stage::Submitted),
        ],
        Stage::Dispatched => match purpose {
            Purpose::Decide | Purpose::Approve | Purpose::MoveOut | Purpose::Certify => &[
                (Step::Receive, Stage::Received),
                (Step::Withdraw, Stage::Withdrawn),
                (Step::MarkOverdue, Stage::Dispatched),
            ],
            Purpose::Settle => &[
                (Step::Receive, Stage::Received),
                (Step::Settle, Stage::Settled),
                (Step::Lapse, Stage::Lapsed),
                (Step::MarkOverdue, Stage::Dispatched),
            ],
            Purpose::Restore => &[(Step::Receive, Stage::Received), (Step::MarkOverdue, Stage::Dispatched)],
        },
        Stage::Received => working(purpose, WorkingStage::Received),
        Stage::Supplemented => working(purpose, WorkingStage::Supplemented),
        Stage::SupplementRequested => &[
            (Step::StoreDocument, Stage::SupplementRequested),
            (Step::RejectDocument, Stage::SupplementRequested),
            (Step::Supplement, Stage::Supplemented),
            (Step::Withdraw, Stage::Withdrawn),
            (Step::Expire, Stage::Expired),
        ],
        Stage::Signed => &[
            (Step::Produce, Stage::Produced),
            (Step::Post, Stage::Posted),
            (Step::MakeReady, Stage::Ready),
            (Step::MarkOverdue, Stage::Signed),
        ],
        Stage::Produced => &[
            (Step::Post, Stage::Posted),
            (Step::MakeReady, Stage::Ready),
            (Step::MarkOverdue, Stage::Produced),
        ],
        Stage::Posted | Stage::Ready => &[(Step::HandOver, Stage::Collected)],
        Stage::Approved => &[
            (Step::Dispatch, Stage::Dispatched),
            (Step::Withdraw, Stage::Withdrawn),
            (Step::MarkOverdue, Stage::Approved),
        ],
        Stage::Verified => &[
            (Step::MoveOut, Stage::MovedOut),
            (Step::Reject, Stage::Rejected),
            (Step::Withdraw, Stage::Withdrawn),
            (Step::MarkOverdue, Stage::Verified),
        ],
        Stage::MovedOut => &[
            (Step::Dispatch, Stage::Dispatched),
            (Step::Settle, Stage::Settled),
            (Step::Lapse, Stage::Lapsed),
            (Step::MarkOverdue, Stage::MovedOut),
        ],
        Stage::Lapsed => &[(Step::Dispatch, Stage::Dispatched), (Step::MarkOverdue, Stage::Lapsed)],
        Stage::Issued => &[(Step::HandOver, Stage::Completed)],
        Stage::Collected
        | Stage::NotIssued
        | Stage::Settled
        | Stage::RestoredAtOrigin
        | Stage::Completed
        | Stage::Withdrawn
        | Stage::Rejected
        | Stage::Expired => &[],
    }
}

/// The two stages in which an agency works on a case.
enum WorkingStage {
    Received,
    Supplemented,
}

fn working(purpose: Purpose, stage: WorkingStage) -> &'static [(Step, Stage)] {
    macro_rules! table {
        ($here:expr $(, $more:expr)*) => {
            match purpose {
                Purpose::Decide => &[
                    $($more,)*
                    (Step::RequestSupplement, Stage::SupplementRequested),
                    (Step::Sign, Stage::Signed),
                    (Step::NotIssue, Stage::NotIssued),
                    (Step::Withdraw, Stage::Withdrawn),
                    (Step::MarkOverdue, $here),
                ],
                Purpose::Approve => &[
                    $($more,)*
                    (Step::RequestSupplement, Stage::SupplementRequested),
                    (Step::Approve, Stage::Approved),
                    (Step::Reject, Stage::Rejected),
                    (Step::Withdraw, Stage::Withdrawn),
                    (Step::MarkOverdue, $here),
                ],
                Purpose::MoveOut => &[
                    $($more,)*
                    (Step::RequestSupplement, Stage::SupplementRequested),
                    (Step::Verify, Stage::Verified),
                    (Step::Reject, Stage::Rejected),
                    (Step::Withdraw, Stage::Withdrawn),
                    (Step::MarkOverdue, $here),
                ],
                Purpose::Settle => &[
                    (Step::Settle, Stage::Settled),
                    (Step::Lapse, Stage::Lapsed),
                    (Step::MarkOverdue, $here),
                ],
                Purpose::Restore => &[(Step::Restore, Stage::RestoredAtOrigin), (Step::MarkOverdue, $here)],
                Purpose::Certify => &[
                    $($more,)*
                    (Step::StoreDocument, $here),
                    (Step::RejectDocument, $here),
                    (Step::RequestSupplement, Stage::SupplementRequested),
                    (Step::Issue, Stage::Issued),
                    (Step::Reject, Stage::Rejected),
                    (Step::Withdraw, Stage::Withdrawn),
                    (Step::MarkOverdue, $here),
                ],
            }
        };
    }
    match stage {
        WorkingStage::Received => table!(Stage::Received),
        // The agency must receive the answer, so its dispatch is recorded, too.
        WorkingStage::Supplemented => table!(Stage::Supplemented, (Step::Dispatch, Stage::Supplemented)),
    }
}

/// Where `step` leads from `stage`, or `None` where it is not possible.
#[must_use]
pub fn next(stage: Stage, purpose: Purpose, step: Step) -> Option<Stage> {
    steps(stage, purpose).iter().find(|(possible, _)| *possible == step).map(|(_, to)| *to)
}

/// Whether a step of the agency is not possible yet but may become so by other steps of its own on the same leg: a
/// report that has overtaken the one before it, as a queue without an order lets it.
#[must_use]
pub fn comes_later(stage: Stage, purpose: Purpose, step: Step) -> bool {
    let by_agency = |step: Step| matches!(step.taken_by(), Taker::Agency | Taker::AppOrAgency);
    let mut visited = vec![stage];
    let mut open = vec![stage];
    while let Some(stage) = open.pop() {
        for (between, to) in steps(stage, purpose).iter().filter(|(between, _)| by_agency(*between)) {
            // A step that opens another leg ends what the agency of this leg may report.
            if !opens_next_leg(*between) && !visited.contains(to) {
                if next(*to, purpose, step).is_some() {
                    return true;
                }
                visited.push(*to);
                open.push(*to);
            }
        }
    }
    false
}

/// The reports the agency of a leg with `purpose` may send, in table order.
#[must_use]
pub fn reports(purpose: Purpose) -> Vec<Step> {
    let mut found = Vec::new();
    for &stage in Stage::ALL {
        if !reachable(purpose).contains(&stage) {
            continue;
        }
        for (step, _) in steps(stage, purpose) {
            let by_agency = matches!(step.taken_by(), Taker::Agency | Taker::AppOrAgency);
            if by_agency && !found.contains(step) {
                found.push(*step);
            }
        }
    }
    found
}

/// The stages an application can be in while the current leg has `purpose`: the closure of
/// [`steps`] from that leg's beginning, up to the step that opens the next leg.
#[must_use]
pub fn reachable(purpose: Purpose) -> Vec<Stage> {
    let mut stages = Vec::new();
    if begins(purpose) {
        stages.push(Stage::Draft);
    }
    for (step, stage) in
        [(Step::Approve, Stage::Approved), (Step::MoveOut, Stage::MovedOut), (Step::Lapse, Stage::Lapsed)]
    {
        if leads_to(step).contains(&purpose) {
            stages.push(stage);
        }
    }
    let mut at = 0;
    while at < stages.len() {
        let from = stages[at];
        for (step, to) in steps(from, purpose) {
            if !opens_next_leg(*step) && !stages.contains(to) {
                stages.push(*to);
            }
        }
        at += 1;
    }
    stages
}

/// Whether an application can begin with a leg of this purpose; the others are opened by a step of another leg.
#[must_use]
pub fn begins(purpose: Purpose) -> bool {
    match purpose {
        Purpose::Decide | Purpose::Approve | Purpose::MoveOut | Purpose::Certify => true,
        Purpose::Settle | Purpose::Restore => false,
    }
}

/// The purposes of the leg that a step opens; empty where the step opens none.
#[must_use]
pub fn leads_to(step: Step) -> &'static [Purpose] {
    match step {
        Step::Approve => &[Purpose::Decide, Purpose::MoveOut, Purpose::Certify],
        Step::MoveOut => &[Purpose::Settle],
        Step::Lapse => &[Purpose::Restore],
        Step::StoreDocument
        | Step::RejectDocument
        | Step::Submit
        | Step::Dispatch
        | Step::Receive
        | Step::RequestSupplement
        | Step::Supplement
        | Step::Sign
        | Step::NotIssue
        | Step::Produce
        | Step::Post
        | Step::MakeReady
        | Step::HandOver
        | Step::Verify
        | Step::Settle
        | Step::Restore
        | Step::Issue
        | Step::Reject
        | Step::Withdraw
        | Step::Expire
        | Step::MarkOverdue => &[],
    }
}

/// Whether the step closes the current leg and opens the next one: from here on another agency acts.
#[must_use]
pub fn opens_next_leg(step: Step) -> bool {
    !leads_to(step).is_empty()
}

/// The index of the leg that a step of the leg at `current` opens: the first one after it that the step leads to.
/// `None` where the step opens none or no such leg follows.
#[must_use]
pub fn next_leg_of(legs: &[Purpose], current: usize, step: Step) -> Option<usize> {
    let later = legs.iter().enumerate().skip(current + 1);
    later.filter(|(_, purpose)| leads_to(step).contains(purpose)).map(|(index, _)| index).next()
}
