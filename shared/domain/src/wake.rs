//! Computes when the sweeper must check an application again.

use jiff::{SignedDuration, Span, Timestamp, civil::Date};

use crate::application::Application;
use crate::calendar::Calendar;
use crate::command::Command;
use crate::effect::{QUEUE_KEEPS, in_queue_since, undelivered};
use crate::limits;
use crate::stage::{Step, next};
use crate::time::{CHINA, later, today};

/// Time after which the sweeper checks a step that should happen at once: an upload event, or a dispatch by the router.
pub const GRACE: SignedDuration = SignedDuration::from_mins(5);
/// Longest wait between two checks while the application does not change.
pub const LONGEST_RETRY_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// Time after which no link can bring another file that the application does not need: no link is valid any more.
pub const LINKS_END: SignedDuration = SignedDuration::from_mins(limits::UPLOAD_LINK_MINUTES + 5);

/// The end of a day in China.
#[must_use]
pub fn end_of(day: Date) -> Timestamp {
    day.tomorrow().and_then(|next| CHINA.to_timestamp(next.at(0, 0, 0, 0))).unwrap_or(Timestamp::MAX)
}

/// The hub's own step that is due, if any. None of an incomplete record.
#[must_use]
pub fn due(state: &Application, now: Timestamp) -> Option<Command> {
    if state.is_incomplete() {
        return None;
    }
    deadlines(state).into_iter().filter(|(at, _)| *at <= now).map(|(_, command)| command).next()
}

/// Time of the next check, after `now`; `None` at a final stage whose leftover files are removed.
#[must_use]
pub fn next_wake(state: &Application, now: Timestamp) -> Option<Timestamp> {
    let removal = next_removal(state, now);
    if state.is_final() {
        return removal;
    }
    let deadline = deadlines(state).into_iter().map(|(at, _)| at).min();
    let look =
        may_have_lost_event(state).then(|| later(now, retry_policy(now.duration_since(state.changed_at))));
    let stored = in_queue_since(state).map(|since| next_loss(since, now));
    // `None` before a hand-over: no time limit runs, so no check is needed.
    [deadline, look, stored, removal, counts_again(state, now)].into_iter().flatten().min()
}

/// The next time, after `now`, at which the sweeper removes files that the application does not need: at once, and
/// again when the last link has ended, through which such a file may have come.
fn next_removal(state: &Application, now: Timestamp) -> Option<Timestamp> {
    let since = state.leftovers_since?;
    // The record rounds times to milliseconds.
    [SignedDuration::from_millis(1), LINKS_END]
        .map(|wait| later(since, wait))
        .into_iter()
        .find(|at| *at > now)
}

/// Wait before the next check of an application that has not changed for `age`: the wait equals the age, within
/// [`GRACE`] and [`LONGEST_RETRY_WAIT`]. A short failure is retried soon, and a long failure costs one check an hour.
fn retry_policy(age: SignedDuration) -> SignedDuration {
    if age < GRACE {
        GRACE.saturating_sub(age.max(SignedDuration::ZERO))
    } else {
        age.min(LONGEST_RETRY_WAIT)
    }
}

/// The next time, after `now`, at which the queue deletes a message that was sent at `since` and again after every
/// [`QUEUE_KEEPS`].
fn next_loss(since: Timestamp, now: Timestamp) -> Timestamp {
    const PERIOD: i64 = QUEUE_KEEPS.as_secs();
    let periods = (now.duration_since(since).as_secs().max(0) / PERIOD).saturating_add(1);
    later(since, SignedDuration::from_secs(periods.saturating_mul(PERIOD)))
}

/// Time at which a draft, or an application with an open supplement request, expires if the citizen does nothing.
#[must_use]
pub fn expires_at(state: &Application) -> Option<Timestamp> {
    next(state.stage, state.purpose(), Step::Expire)?;
    Some(match state.supplement_until {
        Some(until) => end_of(until),
        None => draft_ends(state.opened_at),
    })
}

/// Time at which a draft expires: [`limits::DRAFT_DAYS`] after it was opened, and at the end of the next working day
/// when that is a day off.
fn draft_ends(opened_at: Timestamp) -> Timestamp {
    let at = later(opened_at, SignedDuration::from_hours(24 * limits::DRAFT_DAYS));
    let last = today(at);
    let day = Calendar::official().working_day_from(last).date;
    if day == last { at } else { end_of(day) }
}

/// Time at which a provisional time limit is counted again before it ends, since the calendar of its year may have been
/// published, with a weekend day that is worked and so with an earlier end.
fn counts_again(state: &Application, now: Timestamp) -> Option<Timestamp> {
    let due = state.due.filter(|due| due.provisional)?;
    let early = end_of(due.date.saturating_sub(Span::new().days(limits::EARLY_DAYS)));
    Some(early).filter(|early| *early > now)
}

/// Whether an upload event or a dispatch of the router may have been lost.
fn may_have_lost_event(state: &Application) -> bool {
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
