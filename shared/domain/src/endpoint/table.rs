//! Generates the endpoint's transition table for the README.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::time::later;

use super::{DisabledReason, EndpointEffect, EndpointEvent, EndpointState, Jitter, WAITS, next};

/// The table in Markdown: a row for each event, a column for each state.
#[must_use]
pub fn endpoint_table() -> String {
    let since = Timestamp::UNIX_EPOCH;
    let now = later(since, SignedDuration::from_hours(1));
    let failing = |attempt| EndpointState::Failing { attempt, since, next_at: now };
    let last = u32::try_from(WAITS.len()).unwrap_or(u32::MAX);
    let columns: [&[EndpointState]; 5] = [
        &[EndpointState::Healthy { recovered: None }],
        &[EndpointState::Recovering { since }],
        &[failing(1), failing(last)],
        &[EndpointState::Disabled { reason: DisabledReason::Gone, since, at: since }],
        &[EndpointState::Paused { since, at: since }],
    ];
    let failed = EndpointEvent::Failed { retry_after: None, jitter: Jitter::default() };
    let rows = [
        ("a callback was delivered", EndpointEvent::Delivered),
        ("a direct delivery took 1.5 seconds", EndpointEvent::TooSlow),
        ("a process claims the attempt that is due", EndpointEvent::Claimed(Jitter::default())),
        ("an attempt failed", failed),
        ("the endpoint answered 410", EndpointEvent::AnsweredGone),
        ("a callback was stored", EndpointEvent::Stored),
        ("no callback is stored any more", EndpointEvent::Drained),
        ("the tenant pauses", EndpointEvent::PauseRequested),
        ("the tenant resumes", EndpointEvent::ResumeRequested),
        ("the tenant changes the URL", EndpointEvent::UrlChanged),
    ];
    let mut table = String::from("| event |");
    for states in columns {
        let _ = write!(table, " {} |", states.first().map_or("", |state| state.name()));
    }
    table.push_str("\n|---|---|---|---|---|---|\n");
    for (title, event) in rows {
        let _ = write!(table, "| {title} |");
        for states in columns {
            let mut cells: Vec<String> = states.iter().map(|state| cell(*state, event, now)).collect();
            cells.dedup();
            let _ = write!(table, " {} |", cells.join("; at the schedule's end "));
        }
        table.push('\n');
    }
    table
}

fn cell(state: EndpointState, event: EndpointEvent, now: Timestamp) -> String {
    let (after, effects) = next(state, event, now);
    let mut cell = if after == state { "–".to_owned() } else { format!("**{}**", after.name()) };
    for effect in effects {
        let name = match effect {
            EndpointEffect::WakeDrainer => "wake the drainer",
            EndpointEffect::NotifyDisabled(DisabledReason::Gone) => "notice: disabled, gone",
            EndpointEffect::NotifyDisabled(DisabledReason::Exhausted) => "notice: disabled, exhausted",
            EndpointEffect::NotifyPaused => "notice: paused",
            EndpointEffect::NotifyEnabled => "notice: enabled",
        };
        let _ = write!(cell, ", {name}");
    }
    cell
}
