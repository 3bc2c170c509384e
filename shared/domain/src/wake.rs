//! When the hub must look at an application again, without anybody asking.

use jiff::{SignedDuration, Timestamp, civil::Date};

use crate::application::Application;
use crate::command::Command;
use crate::decide::CHINA;
use crate::effect::undelivered;
use crate::limits;
use crate::stage::{Step, next};

/// How long a step that should happen at once may take before the sweeper looks: an upload event, a
/// dispatch by the router.
pub const GRACE: SignedDuration = SignedDuration::from_mins(5);
/// How often it looks again while nothing moves.
pub const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// The end of a day in China.
#[must_use]
pub fn end_of(day: Date) -> Timestamp {
    day.tomorrow().and_then(|next| CHINA.to_timestamp(next.at(0, 0, 0, 0))).unwrap_or(Timestamp::MAX)
}

/// The hub's own step that time has made due, if any.
#[must_use]
pub fn due(head: &Application, now: Timestamp) -> Option<Command> {
    deadlines(head).into_iter().filter(|(at, _)| *at <= now).map(|(_, command)| command).next()
}

/// When to look next, after `now`. `None` for a final stage: nobody looks again.
#[must_use]
pub fn next_wake(head: &Application, now: Timestamp) -> Option<Timestamp> {
    if head.is_final() {
        return None;
    }
    let deadline = deadlines(head).into_iter().map(|(at, _)| at).min();
    let look = looks_again(head).then(|| {
        let first = head.changed_at + GRACE;
        if first > now { first } else { now + AGAIN }
    });
    match (deadline, look) {
        (Some(deadline), Some(look)) => Some(deadline.min(look)),
        (Some(at), None) | (None, Some(at)) => Some(at),
        // Waiting for a hand-over: nothing runs out, so nobody needs to look.
        (None, None) => None,
    }
}

/// Something outside may have been missed: an upload event, or the router's send.
fn looks_again(head: &Application) -> bool {
    let purpose = head.purpose();
    let uploads = next(head.stage, purpose, Step::StoreDocument).is_some() && head.missing().next().is_some();
    uploads || undelivered(head).is_some()
}

fn deadlines(head: &Application) -> Vec<(Timestamp, Command)> {
    let possible = |step| next(head.stage, head.purpose(), step).is_some();
    let mut found = Vec::new();
    if possible(Step::Lapse)
        && let Some(until) = head.certificate_until
    {
        found.push((end_of(until), Command::Lapse));
    }
    if possible(Step::Expire) {
        let at = match head.supplement_until {
            Some(until) => end_of(until),
            None => head.opened_at + SignedDuration::from_hours(24 * limits::DRAFT_DAYS),
        };
        found.push((at, Command::Expire));
    }
    if possible(Step::MarkOverdue)
        && !head.overdue
        && let Some(due) = head.due
    {
        found.push((end_of(due.date), Command::MarkOverdue));
    }
    found
}
