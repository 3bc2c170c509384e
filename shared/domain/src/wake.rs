//! When the hub must look at an application again, without anybody asking.

use jiff::{SignedDuration, Timestamp, civil::Date};

use crate::application::Application;
use crate::command::Command;
use crate::effect::{QUEUE_KEEPS, in_queue_since, undelivered};
use crate::limits;
use crate::stage::{Step, next};
use crate::time::CHINA;

/// How long a step that should happen at once may take before the sweeper looks: an upload event, a
/// dispatch by the router.
pub const GRACE: SignedDuration = SignedDuration::from_mins(5);
/// The longest it waits before it looks again while nothing moves.
pub const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// The end of a day in China.
#[must_use]
pub fn end_of(day: Date) -> Timestamp {
    day.tomorrow().and_then(|next| CHINA.to_timestamp(next.at(0, 0, 0, 0))).unwrap_or(Timestamp::MAX)
}

/// The hub's own step that time has made due, if any.
#[must_use]
pub fn due(state: &Application, now: Timestamp) -> Option<Command> {
    deadlines(state).into_iter().filter(|(at, _)| *at <= now).map(|(_, command)| command).next()
}

/// When to look next, after `now`. `None` for a final stage: nobody looks again.
#[must_use]
pub fn next_wake(state: &Application, now: Timestamp) -> Option<Timestamp> {
    if state.is_final() {
        return None;
    }
    let deadline = deadlines(state).into_iter().map(|(at, _)| at).min();
    let look = looks_again(state).then(|| now + retry_policy(now.duration_since(state.changed_at)));
    let stored = in_queue_since(state).map(|since| next_loss(since, now));
    // None: it waits for a hand-over. Nothing runs out, so nobody needs to look.
    [deadline, look, stored].into_iter().flatten().min()
}

/// How long to wait before looking once more at what has not moved for `age`: as long again, from [`GRACE`] to
/// [`AGAIN`]. So what fails for a moment is sent again soon, and what fails for days costs a look an hour.
fn retry_policy(age: SignedDuration) -> SignedDuration {
    if age < GRACE { GRACE - age.max(SignedDuration::ZERO) } else { age.min(AGAIN) }
}

/// The next time, after `now`, that a queue has forgotten what was put into it at `since` and every
/// [`QUEUE_KEEPS`] after.
fn next_loss(since: Timestamp, now: Timestamp) -> Timestamp {
    let periods = now.duration_since(since).as_secs().max(0) / QUEUE_KEEPS.as_secs() + 1;
    since.saturating_add(SignedDuration::from_secs(QUEUE_KEEPS.as_secs() * periods)).unwrap_or(Timestamp::MAX)
}

/// When the application expires if the citizen does nothing: a draft, or one that waits for the answer to a supplement.
#[must_use]
pub fn expires_at(state: &Application) -> Option<Timestamp> {
    next(state.stage, state.purpose(), Step::Expire)?;
    Some(match state.supplement_until {
        Some(until) => end_of(until),
        None => state.opened_at + SignedDuration::from_hours(24 * limits::DRAFT_DAYS),
    })
}

/// Something outside may have been missed: an upload event, or the router's send.
fn looks_again(state: &Application) -> bool {
    let purpose = state.purpose();
    let uploads =
        next(state.stage, purpose, Step::StoreDocument).is_some() && state.missing().next().is_some();
    uploads || undelivered(state).is_some()
}

fn deadlines(state: &Application) -> Vec<(Timestamp, Command)> {
    let possible = |step| next(state.stage, state.purpose(), step).is_some();
    let mut found = Vec::new();
    if possible(Step::Lapse)
        && let Some(until) = state.certificate_until
    {
        found.push((end_of(until), Command::Lapse));
    }
    if let Some(at) = expires_at(state) {
        found.push((at, Command::Expire));
    }
    if possible(Step::MarkOverdue)
        && !state.overdue
        && let Some(due) = state.due
    {
        found.push((end_of(due.date), Command::MarkOverdue));
    }
    found
}
