//! The endpoint's state machine: its table in the README, and what holds whatever happens.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;

use domain::endpoint::{
    DisabledReason, EndpointEvent, EndpointState, Jitter, REMEMBERED, Route, endpoint_table, next,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const BEGIN: &str = "<!-- endpoint: begin -->\n";
const END: &str = "<!-- endpoint: end -->";

/// `UPDATE_README=1 cargo test -p domain --test endpoint` writes it.
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
    assert_eq!(&text[begin..end], table, "run UPDATE_README=1 cargo test -p domain --test endpoint");
}

fn start() -> Timestamp {
    Timestamp::constant(1_772_413_200, 0)
}

/// What an endpoint answers to an attempt.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Ok,
    Slow,
    Fails,
    Gone,
}

/// One step of the world around an endpoint.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next event of the application arrives at a process whose memory is this many seconds old.
    Arrives {
        memory: i64,
        repeated: bool,
        answer: Answer,
    },
    /// A drainer comes, whether it was woken or not.
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
        6 => (0..REMEMBERED.as_secs(), any::<bool>(), answer())
            .prop_map(|(memory, repeated, answer)| Step::Arrives { memory, repeated, answer }),
        3 => answer().prop_map(|answer| Step::Drainer { answer }),
        1 => Just(Step::Pause),
        1 => Just(Step::Resume),
        4 => prop_oneof![0..8_i64, 10..30_i64, 50..90_i64, 1_000..100_000_i64]
            .prop_map(|seconds| Step::Passes { seconds }),
    ]
}

/// One endpoint with one application, whose events arrive one after the other as in a FIFO group.
struct World {
    now: Timestamp,
    /// Every state so far, with the time of its write; the place is its revision.
    states: Vec<(Timestamp, EndpointState)>,
    next_version: u32,
    stored: BTreeSet<u32>,
    last_delivered: u32,
}

impl World {
    fn new() -> Self {
        let states = vec![(start(), EndpointState::default())];
        World { now: start(), states, next_version: 1, stored: BTreeSet::new(), last_delivered: 0 }
    }

    fn current(&self) -> (usize, EndpointState) {
        (self.states.len() - 1, self.states[self.states.len() - 1].1)
    }

    /// What a process knows whose memory is so old.
    fn known(&self, memory: i64) -> (usize, EndpointState) {
        let read_at = self.now - SignedDuration::from_secs(memory);
        let revision = self.states.iter().rposition(|(at, _)| *at <= read_at).unwrap_or(0);
        (revision, self.states[revision].1)
    }

    /// A conditional write: it does nothing where another process was faster.
    fn write(&mut self, seen: usize, state: EndpointState, event: EndpointEvent) -> bool {
        let (after, _) = next(state, event, self.now);
        if self.current().0 != seen {
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
        seen: usize,
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
        self.write(seen, state, event);
        delivered
    }

    fn store(&mut self, version: u32) {
        self.stored.insert(version);
        let (seen, state) = self.current();
        self.write(seen, state, EndpointEvent::Stored);
    }

    fn arrives(&mut self, memory: i64, repeated: bool, answer: Answer) {
        let version = self.next_version;
        let (mut seen, mut state) = self.known(memory);
        if repeated || state.is_settling(self.now) {
            (seen, state) = self.current();
        }
        let taken = match state.route_callback(self.now, repeated) {
            Route::Post => self.post(version, answer, seen, state, true),
            Route::PostUnlessStored if self.stored.is_empty() => {
                self.post(version, answer, seen, state, true)
            }
            Route::ClaimUnlessStored if self.stored.is_empty() => {
                let claimed = self.write(seen, state, EndpointEvent::Claimed(Jitter::default()));
                let seen = self.current().0;
                claimed && self.post(version, answer, seen, state, true)
            }
            Route::PostUnlessStored | Route::ClaimUnlessStored | Route::Store => {
                self.store(version);
                true
            }
            Route::Wait => false,
        };
        // What was not taken comes again.
        self.next_version += u32::from(taken);
    }

    fn drain(&mut self, answer: Answer) {
        loop {
            let (seen, state) = self.current();
            if !state.may_drain(self.now) {
                return;
            }
            let Some(first) = self.stored.first().copied() else {
                self.write(seen, state, EndpointEvent::Drained);
                return;
            };
            if !self.post(first, answer, seen, state, false) {
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
                let (seen, state) = self.current();
                self.write(seen, state, EndpointEvent::PauseRequested);
            }
            Step::Resume => {
                let (seen, state) = self.current();
                self.write(seen, state, EndpointEvent::ResumeRequested);
            }
            Step::Passes { seconds } => self.now += SignedDuration::from_secs(seconds),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// However old the memory of each process is, no callback is delivered while an earlier one of its application is
    /// stored.
    #[test]
    fn no_stored_callback_is_ever_overtaken(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
    }

    /// Whatever happened, a tenant who resumes an endpoint that answers again has every callback and a healthy endpoint.
    #[test]
    fn every_state_has_a_way_back(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.take(Step::Resume);
        world.take(Step::Passes { seconds: 100_000 });
        for _ in 0..3 {
            world.take(Step::Drainer { answer: Answer::Ok });
        }
        prop_assert!(world.stored.is_empty());
        prop_assert_eq!(world.current().1.name(), "healthy");
        world.arrives(0, false, Answer::Ok);
        prop_assert_eq!(world.last_delivered + 1, world.next_version);
    }
}

/// A state with callbacks that nobody would ever deliver again: disabled and paused need the tenant, all others are
/// in the index of what is due, or healthy.
#[test]
fn every_state_is_looked_after_by_the_schedule_or_by_its_tenant() {
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
