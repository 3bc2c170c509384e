//! Tests the endpoint's state machine: its table in the README, and its invariants over random steps.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;

use domain::endpoint::{
    CAUTION_PERIOD, DisabledReason, EndpointEffect, EndpointEvent, EndpointState, Jitter, PROPAGATION_DELAY,
    Route, SUBSCRIPTION_CACHE_TTL, endpoint_table, next,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const BEGIN: &str = "<!-- endpoint: begin -->\n";
const END: &str = "<!-- endpoint: end -->";

/// `UPDATE_README=1 cargo test -p domain --test endpoint` writes the table.
#[test]
fn the_readme_shows_the_endpoint_table_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let begin = text.find(BEGIN).unwrap() + BEGIN.len();
    let end = text.find(END).unwrap();
    let table = endpoint_table();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{}{table}{}", &text[..begin], &text[end..])).unwrap();
        return;
    }
    assert_eq!(
        &text[begin..end],
        table,
        "the README has an old table: run UPDATE_README=1 cargo test -p domain --test endpoint"
    );
}

fn start() -> Timestamp {
    Timestamp::constant(1_772_413_200, 0)
}

/// Response of an endpoint to an attempt.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Ok,
    Slow,
    Fails,
    Gone,
}

/// One step of a scenario.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next event arrives at a process whose cached state is this many seconds old.
    Arrives {
        memory: i64,
        repeated: bool,
        answer: Answer,
    },
    /// A drainer runs, whether or not it was woken.
    Drainer {
        answer: Answer,
    },
    Pause,
    Resume,
    Passes {
        seconds: i64,
    },
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![4 => Just(Answer::Ok), 1 => Just(Answer::Slow), 3 => Just(Answer::Fails), 1 => Just(Answer::Gone)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..SUBSCRIPTION_CACHE_TTL.as_secs(), any::<bool>(), answer())
            .prop_map(|(memory, repeated, answer)| Step::Arrives { memory, repeated, answer }),
        3 => answer().prop_map(|answer| Step::Drainer { answer }),
        1 => Just(Step::Pause),
        1 => Just(Step::Resume),
        4 => prop_oneof![0..8_i64, 10..30_i64, 50..90_i64, 1_000..100_000_i64]
            .prop_map(|seconds| Step::Passes { seconds }),
    ]
}

/// One endpoint and one application, whose events arrive one after the other as in a FIFO group.
struct Scenario {
    now: Timestamp,
    /// Every state so far with the time of its write. The index is the revision.
    states: Vec<(Timestamp, EndpointState)>,
    next_version: u32,
    stored: BTreeSet<u32>,
    last_delivered: u32,
}

impl Scenario {
    fn new() -> Self {
        let states = vec![(start(), EndpointState::default())];
        Scenario { now: start(), states, next_version: 1, stored: BTreeSet::new(), last_delivered: 0 }
    }

    fn current(&self) -> (usize, EndpointState) {
        (self.states.len() - 1, self.states[self.states.len() - 1].1)
    }

    /// Revision and state that a process has cached for this many seconds.
    fn known(&self, memory: i64) -> (usize, EndpointState) {
        let read_at = self.now - SignedDuration::from_secs(memory);
        let revision = self.states.iter().rposition(|(at, _)| *at <= read_at).unwrap_or(0);
        (revision, self.states[revision].1)
    }

    /// Writes the next state, unless another process has changed the revision.
    fn write(&mut self, expected_revision: usize, state: EndpointState, event: EndpointEvent) -> bool {
        let (after, _) = next(state, event, self.now);
        if self.current().0 != expected_revision {
            return false;
        }
        if after != self.current().1 {
            self.states.push((self.now, after));
        }
        true
    }

    fn post(
        &mut self,
        version: u32,
        answer: Answer,
        expected_revision: usize,
        state: EndpointState,
        direct: bool,
    ) -> bool {
        let event = match answer {
            Answer::Slow if direct => EndpointEvent::TooSlow,
            Answer::Ok | Answer::Slow => EndpointEvent::Delivered,
            Answer::Fails => EndpointEvent::Failed { retry_after: None, jitter: Jitter::default() },
            Answer::Gone => EndpointEvent::AnsweredGone,
        };
        // A direct delivery that was too slow is given up, and its callback comes again.
        let delivered = matches!(answer, Answer::Ok) || (matches!(answer, Answer::Slow) && !direct);
        if delivered {
            assert!(
                self.stored.first().is_none_or(|first| *first >= version),
                "version {version} overtook {:?} at {} in {state:?}",
                self.stored,
                self.now
            );
            assert!(version > self.last_delivered, "{version} came after {}", self.last_delivered);
            self.last_delivered = version;
        }
        self.write(expected_revision, state, event);
        delivered
    }

    fn store(&mut self, version: u32) {
        self.stored.insert(version);
        let (expected_revision, state) = self.current();
        self.write(expected_revision, state, EndpointEvent::Stored);
    }

    fn arrives(&mut self, memory: i64, repeated: bool, answer: Answer) {
        let version = self.next_version;
        let (mut expected_revision, mut state) = self.known(memory);
        if repeated || state.is_propagating(self.now) {
            (expected_revision, state) = self.current();
        }
        let taken = match state.route_callback(self.now, repeated) {
            Route::Post => self.post(version, answer, expected_revision, state, true),
            Route::PostUnlessStored if self.stored.is_empty() => {
                self.post(version, answer, expected_revision, state, true)
            }
            Route::ClaimUnlessStored if self.stored.is_empty() => {
                let claimed = self.write(expected_revision, state, EndpointEvent::Claimed(Jitter::default()));
                let expected_revision = self.current().0;
                claimed && self.post(version, answer, expected_revision, state, true)
            }
            Route::PostUnlessStored | Route::ClaimUnlessStored | Route::Store => {
                self.store(version);
                true
            }
            Route::Wait => false,
        };
        // A callback that was left in its queue arrives again.
        self.next_version += u32::from(taken);
    }

    fn drain(&mut self, answer: Answer) {
        loop {
            let (expected_revision, state) = self.current();
            if !state.may_drain(self.now) {
                return;
            }
            let Some(first) = self.stored.first().copied() else {
                self.write(expected_revision, state, EndpointEvent::Drained);
                return;
            };
            if !self.post(first, answer, expected_revision, state, false) {
                return;
            }
            self.stored.remove(&first);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Arrives { memory, repeated, answer } => self.arrives(memory, repeated, answer),
            Step::Drainer { answer } => self.drain(answer),
            Step::Pause => {
                let (expected_revision, state) = self.current();
                self.write(expected_revision, state, EndpointEvent::PauseRequested);
            }
            Step::Resume => {
                let (expected_revision, state) = self.current();
                self.write(expected_revision, state, EndpointEvent::ResumeRequested);
            }
            Step::Passes { seconds } => self.now += SignedDuration::from_secs(seconds),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// However old the cached state of each process is, no callback is delivered while an earlier callback of its
    /// application is stored.
    #[test]
    fn no_stored_callback_is_ever_overtaken(steps in proptest::collection::vec(step(), 1..60)) {
        let mut scenario = Scenario::new();
        for step in steps {
            scenario.take(step);
        }
    }

    /// After any steps, when the endpoint answers again and the tenant resumes it, every callback is delivered and the
    /// endpoint is healthy.
    #[test]
    fn every_state_can_become_healthy(steps in proptest::collection::vec(step(), 1..60)) {
        let mut scenario = Scenario::new();
        for step in steps {
            scenario.take(step);
        }
        scenario.take(Step::Resume);
        scenario.take(Step::Passes { seconds: 100_000 });
        for _ in 0..3 {
            scenario.take(Step::Drainer { answer: Answer::Ok });
        }
        prop_assert!(scenario.stored.is_empty());
        prop_assert_eq!(scenario.current().1.name(), "healthy");
        scenario.arrives(0, false, Answer::Ok);
        prop_assert_eq!(scenario.last_delivered + 1, scenario.next_version);
    }
}

/// No state loses its stored callbacks: the tenant resumes disabled and paused endpoints, and the schedule wakes a
/// drainer for the others unless the endpoint is healthy.
#[test]
fn the_schedule_or_the_tenant_can_drain_every_state() {
    let now = start();
    let all = [
        EndpointState::default(),
        EndpointState::Recovering { since: now },
        EndpointState::Failing { attempt: 13, since: now, next_at: now },
        EndpointState::Disabled { reason: DisabledReason::Gone, since: now, at: now },
        EndpointState::Paused { since: now, at: now },
    ];
    for state in all {
        let by_schedule = state.due().is_some();
        let by_tenant = next(state, EndpointEvent::ResumeRequested, now).0 != state;
        let healthy = state == EndpointState::default();
        assert!(by_schedule || by_tenant || healthy, "{state:?}");
    }
}

/// A state of each kind that left health at the start. The next attempt of the failing one is due in a minute.
fn one_of_each() -> [EndpointState; 5] {
    let now = start();
    [
        EndpointState::default(),
        EndpointState::Recovering { since: now },
        EndpointState::Failing { attempt: 3, since: now, next_at: now + SignedDuration::from_secs(60) },
        EndpointState::Disabled { reason: DisabledReason::Exhausted, since: now, at: now },
        EndpointState::Paused { since: now, at: now },
    ]
}

#[test]
fn each_state_says_what_a_caller_needs() {
    let (all, now) = (one_of_each(), start());
    assert_eq!(all.map(EndpointState::name), ["healthy", "recovering", "failing", "disabled", "paused"]);
    assert_eq!(all.map(EndpointState::since), [None, Some(now), Some(now), Some(now), Some(now)]);
    let next_at = now + SignedDuration::from_secs(60);
    assert_eq!(all.map(EndpointState::due), [None, Some(now), Some(next_at), None, None]);
    assert_eq!(all.map(EndpointState::failures), [0, 0, 3, 0, 0]);
    assert_eq!(all.map(EndpointState::takes_directly), [true, true, false, false, false]);
    let known = Some(now + PROPAGATION_DELAY);
    assert_eq!(all.map(EndpointState::propagated_at), [None, known, known, known, known]);
}

#[test]
fn nothing_is_stored_before_every_process_knows_the_state() {
    use Route::{ClaimUnlessStored, Post, PostUnlessStored, Store, Wait};
    let routes = |seconds: i64| {
        let now = start() + SignedDuration::from_secs(seconds);
        one_of_each().map(|state| (state.is_propagating(now), state.route_callback(now, false)))
    };
    let early = [(false, Post), (false, PostUnlessStored), (true, Wait), (true, Wait), (true, Wait)];
    let late = [(false, Post), (false, PostUnlessStored), (false, Store), (false, Store), (false, Store)];
    assert_eq!((routes(0), routes(19)), (early, early));
    assert_eq!(routes(20), late);
    let failing = |next_at| EndpointState::Failing {
        attempt: 1,
        since: start(),
        next_at: start() + SignedDuration::from_secs(next_at),
    };
    let at = start() + SignedDuration::from_secs(5);
    assert_eq!([5, 6].map(|next_at| failing(next_at).route_callback(at, false)), [ClaimUnlessStored, Wait]);
}

#[test]
fn a_repeat_or_a_recent_recovery_first_looks_for_stored_callbacks() {
    let healthy = EndpointState::Healthy { recovered: Some(start()) };
    let route = |seconds: i64| healthy.route_callback(start() + SignedDuration::from_secs(seconds), false);
    let caution = CAUTION_PERIOD.as_secs();
    assert_eq!(
        [0, caution - 1, caution].map(route),
        [Route::PostUnlessStored, Route::PostUnlessStored, Route::Post]
    );
    assert_eq!(EndpointState::default().route_callback(start(), true), Route::PostUnlessStored);
}

#[test]
fn a_drainer_sends_to_an_endpoint_that_may_answer() {
    let drains = |seconds: i64| {
        let now = start() + SignedDuration::from_secs(seconds);
        one_of_each().map(|state| state.may_drain(now))
    };
    assert_eq!(drains(59), [true, true, false, false, false]);
    assert_eq!(drains(60), [true, true, true, false, false]);
    let soon = EndpointState::Failing { attempt: 1, since: start(), next_at: start() };
    let at = |seconds: i64| soon.may_drain(start() + SignedDuration::from_secs(seconds));
    assert_eq!((at(19), at(20)), (false, true), "after the other processes know");
}

#[test]
fn the_next_attempt_waits_as_long_as_the_schedule_and_the_endpoint_say() {
    let now = start();
    let wait = |retry_after: Option<i64>| {
        let event = EndpointEvent::Failed {
            retry_after: retry_after.map(SignedDuration::from_secs),
            jitter: Jitter::default(),
        };
        let (state, effects) = next(EndpointState::default(), event, now);
        assert_eq!((state.failures(), state.since(), effects), (1, Some(now), Vec::new()));
        state.due().unwrap().duration_since(now).as_secs()
    };
    assert_eq!((wait(None), wait(Some(0)), wait(Some(4)), wait(Some(600))), (5, 5, 5, 600));
    let failing = EndpointState::Failing { attempt: 13, since: now, next_at: now };
    let later = now + SignedDuration::from_hours(1);
    let failed = EndpointEvent::Failed { retry_after: None, jitter: Jitter::default() };
    let reason = DisabledReason::Exhausted;
    let disabled = EndpointState::Disabled { reason, since: now, at: later };
    assert_eq!(next(failing, failed, later), (disabled, vec![EndpointEffect::NotifyDisabled(reason)]));
    let claimed = next(
        EndpointState::Failing { attempt: 1, since: now, next_at: now },
        EndpointEvent::Claimed(Jitter::default()),
        later,
    );
    let next_at = later + SignedDuration::from_secs(30);
    assert_eq!(claimed, (EndpointState::Failing { attempt: 2, since: now, next_at }, Vec::new()));
    let slow = next(EndpointState::default(), EndpointEvent::TooSlow, now).0;
    assert_eq!(slow, EndpointState::Failing { attempt: 0, since: now, next_at: now + PROPAGATION_DELAY });
}
