//! The stage machine: the possible steps of each stage, and the stage that each step leads to.
//!
//! [`steps`] is the only table. `decide` reads it, the README's transition table is generated from it, and it
//! limits the reports that a leg of the catalogue may send.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

pub use crate::step::{Step, Taker};

/// Stage of an application. The names follow `domain.md`. Each agency leg passes through `Dispatched` and `Received`
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[derive(IntoStaticStr, VariantArray)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(description = "Stage of an application."))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    /// The app has opened the application and uploads documents.
    Draft,
    /// The application is complete and submitted; the first leg is open.
    Submitted,
    /// The case is in the queue of the current leg's agency.
    Dispatched,
    /// The agency of the current leg has received the case.
    Received,
    /// The agency has requested everything that is missing, at once (一次性告知).
    SupplementRequested,
    /// The citizen has answered the supplement request (补正).
    Supplemented,
    /// The agency has reviewed and signed the application (签发).
    Signed,
    /// The card is produced.
    Produced,
    /// The card was posted.
    Posted,
    /// The card can be collected.
    Ready,
    /// The card was handed over. Final.
    Collected,
    /// The agency does not issue the card (不予签发). Final.
    NotIssued,
    /// The move-in agency has issued the move-in permit (准迁证).
    Approved,
    /// The move-out agency has verified the register.
    Verified,
    /// The citizen is moved out and must settle before the migration certificate (迁移证) expires.
    MovedOut,
    /// The citizen is settled at the move-in place. Final.
    Settled,
    /// The migration certificate expired before the citizen settled.
    Lapsed,
    /// The registration is restored at the origin after a lapse. Final.
    RestoredAtOrigin,
    /// The certificate is issued and can be read.
    Issued,
    /// The certificate was handed over at the acceptance place. Final.
    Completed,
    /// The citizen has withdrawn the application. Final.
    Withdrawn,
    /// An agency has rejected the application, with a reason. Final.
    Rejected,
    /// The time limit of a draft or of a supplement has passed. Final.
    Expired,
}

impl Stage {
    /// Every stage, in the order of a typical application.
    pub const ALL: &'static [Stage] = <Stage as VariantArray>::VARIANTS;

    /// Stable wire name, for example `supplement_requested`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether no step is possible at this stage, on any leg.
    #[must_use]
    pub fn is_final(self) -> bool {
        Purpose::ALL.iter().all(|purpose| steps(self, *purpose).is_empty())
    }
}

/// Task of the agency on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[derive(IntoStaticStr, VariantArray)]
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
    /// Issue the certificate.
    Certify,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: &'static [Purpose] = <Purpose as VariantArray>::VARIANTS;

    /// Stable wire name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The steps possible at `stage` while the current leg has `purpose`, each with the stage that it leads to. An empty
/// list means that the stage is final.
#[must_use]
pub fn steps(stage: Stage, purpose: Purpose) -> &'static [(Step, Stage)] {
    match stage {
        Stage::Draft => &[
            (Step::StoreDocument, Stage::Draft),
            (Step::RejectDocument, Stage::Draft),
            (Step::DiscardDocument, Stage::Draft),
            (Step::Correct, Stage::Draft),
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
            (Step::DiscardDocument, Stage::SupplementRequested),
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
        // The agency must receive the answer, so the dispatch of the answer is recorded, too.
        WorkingStage::Supplemented => table!(Stage::Supplemented, (Step::Dispatch, Stage::Supplemented)),
    }
}

/// The stage that `step` leads to from `stage`; `None` when the step is not possible.
#[must_use]
pub fn next(stage: Stage, purpose: Purpose, step: Step) -> Option<Stage> {
    steps(stage, purpose).iter().find(|(possible, _)| *possible == step).map(|(_, to)| *to)
}

/// Whether a step of the agency is not possible yet, but other steps of this agency on the same leg can lead to it. In
/// a queue without order a report may overtake the report before it.
#[must_use]
pub fn comes_later(stage: Stage, purpose: Purpose, step: Step) -> bool {
    next(stage, purpose, step).is_none() && reports_from(stage, purpose).contains(&step)
}

/// Whether an agency's step could be left out on the way to `stage`, as `produced` before `ready`. In a queue without
/// order the later report may have overtaken the report of this step, which then has nothing to add.
#[must_use]
pub fn could_be_left_out(stage: Stage, purpose: Purpose, step: Step) -> bool {
    let leads_on = |from: Stage, without: Option<Step>| -> bool {
        let (mut seen, mut open) = (vec![from], vec![from]);
        while let Some(from) = open.pop() {
            for (by, to) in steps(from, purpose) {
                if is_by_agency(*by) && Some(*by) != without && !seen.contains(to) {
                    seen.push(*to);
                    open.push(*to);
                }
            }
        }
        seen.contains(&stage)
    };
    Stage::ALL.iter().any(|&from| {
        from != stage
            && next(from, purpose, step).is_some_and(|to| to != stage && leads_on(to, None))
            && leads_on(from, Some(step))
    })
}

/// The reports that the agency of a leg with `purpose` may send from `stage` on without anybody else's step, in the
/// order in which they become possible.
#[must_use]
pub fn reports_from(stage: Stage, purpose: Purpose) -> Vec<Step> {
    let mut found = Vec::new();
    let mut stages = vec![stage];
    let mut at = 0_usize;
    while let Some(from) = stages.get(at).copied() {
        at = at.saturating_add(1);
        for (step, to) in steps(from, purpose).iter().filter(|(step, _)| is_by_agency(*step)) {
            if !found.contains(step) {
                found.push(*step);
            }
            // A step that opens another leg ends the reports of this leg's agency.
            if !opens_next_leg(*step) && !stages.contains(to) {
                stages.push(*to);
            }
        }
    }
    found
}

/// Whether an agency takes the step by a report.
fn is_by_agency(step: Step) -> bool {
    matches!(step.taken_by(), Taker::Agency | Taker::AppOrAgency)
}

/// The reports that the agency of a leg with `purpose` may send, in table order.
#[must_use]
pub fn reports(purpose: Purpose) -> Vec<Step> {
    let mut found = Vec::new();
    for &stage in Stage::ALL {
        if !reachable(purpose).contains(&stage) {
            continue;
        }
        for (step, _) in steps(stage, purpose) {
            if is_by_agency(*step) && !found.contains(step) {
                found.push(*step);
            }
        }
    }
    found
}

/// The stages that an application can have while the current leg has `purpose`: all stages reachable by [`steps`] from
/// the beginning of the leg to the step that opens the next leg.
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
    let mut at = 0_usize;
    while let Some(from) = stages.get(at).copied() {
        for (step, to) in steps(from, purpose) {
            if !opens_next_leg(*step) && !stages.contains(to) {
                stages.push(*to);
            }
        }
        at = at.saturating_add(1);
    }
    stages
}

/// Whether an application can begin with a leg of this purpose. Other legs are opened by a step of an earlier leg.
#[must_use]
pub fn begins(purpose: Purpose) -> bool {
    match purpose {
        Purpose::Decide | Purpose::Approve | Purpose::MoveOut | Purpose::Certify => true,
        Purpose::Settle | Purpose::Restore => false,
    }
}

/// The purposes that the leg opened by a step may have; empty when the step opens no leg.
#[must_use]
pub fn leads_to(step: Step) -> &'static [Purpose] {
    match step {
        Step::Approve => &[Purpose::Decide, Purpose::MoveOut, Purpose::Certify],
        Step::MoveOut => &[Purpose::Settle],
        Step::Lapse => &[Purpose::Restore],
        Step::StoreDocument
        | Step::RejectDocument
        | Step::DiscardDocument
        | Step::Correct
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

/// Whether the step closes the current leg and opens the next one.
#[must_use]
pub fn opens_next_leg(step: Step) -> bool {
    !leads_to(step).is_empty()
}

/// Index of the leg that a step on the leg `current` opens: the first later leg with a purpose that the step leads to.
/// `None` when the step opens no leg or no such leg follows.
#[must_use]
pub fn next_leg_of(legs: &[Purpose], current: usize, step: Step) -> Option<usize> {
    let later = legs.iter().enumerate().skip(current.saturating_add(1));
    later.filter(|(_, purpose)| leads_to(step).contains(purpose)).map(|(index, _)| index).next()
}
