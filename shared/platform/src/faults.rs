//! Faults on purpose: which outside call of the fakes fails, and whether it took effect first.
//!
//! All fakes of one [`crate::hub::FakeHub`] share one [`Faults`], so calls are counted over every port in
//! the order a handler makes them. A harness runs a handler once to learn the number of calls, then again
//! with a fault at each of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and had no effect.
    Before,
    /// It took effect, but its answer is lost.
    AnswerLost,
    /// It is throttled and had no effect.
    Throttled,
    /// The process dies before it: this call and all later ones fail without effect, until
    /// [`Faults::revive`].
    DiesBefore,
    /// The process dies after it: it takes effect, its answer and all later calls are lost, until
    /// [`Faults::revive`].
    DiesAfter,
}

/// How a fake must behave in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// As usual.
    Works,
    /// Fail, without effect.
    Fails,
    /// Answer "throttled", without effect.
    Throttles,
    /// Take effect, then fail.
    LosesAnswer,
}

#[derive(Debug, Default)]
struct Plan {
    calls: Vec<&'static str>,
    planned: BTreeMap<usize, Fault>,
    dead: bool,
}

/// The plan of faults and the record of calls. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

impl Faults {
    /// Plans a fault for a call, counted from 1 since the last [`Faults::restart`].
    pub fn plan(&self, call: usize, fault: Fault) {
        self.lock().planned.insert(call, fault);
    }

    /// The calls made so far, each as `port.operation`.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.lock().calls.clone()
    }

    /// Starts the process again after a death. The counting and the plan go on.
    pub fn revive(&self) {
        self.lock().dead = false;
    }

    /// Forgets the plan, the calls and a death.
    pub fn restart(&self) {
        *self.lock() = Plan::default();
    }

    /// Records a call and tells the fake what to do. Every call of every fake begins here.
    pub fn turn(&self, call: &'static str) -> Turn {
        let mut plan = self.lock();
        if plan.dead {
            return Turn::Fails;
        }
        plan.calls.push(call);
        let number = plan.calls.len();
        match plan.planned.remove(&number) {
            None => Turn::Works,
            Some(Fault::Before) => Turn::Fails,
            Some(Fault::Throttled) => Turn::Throttles,
            Some(Fault::AnswerLost) => Turn::LosesAnswer,
            Some(Fault::DiesBefore) => {
                plan.dead = true;
                Turn::Fails
            }
            Some(Fault::DiesAfter) => {
                plan.dead = true;
                Turn::LosesAnswer
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_lasts_until_it_is_revived() {
        let faults = Faults::default();
        faults.plan(2, Fault::DiesAfter);
        assert_eq!(faults.turn("store.get"), Turn::Works);
        assert_eq!(faults.clone().turn("store.append"), Turn::LosesAnswer);
        assert_eq!(faults.turn("queues.send"), Turn::Fails);
        faults.revive();
        assert_eq!(faults.turn("queues.send"), Turn::Works);
        assert_eq!(faults.calls(), ["store.get", "store.append", "queues.send"]);
    }

    #[test]
    fn a_fault_strikes_once() {
        let faults = Faults::default();
        faults.plan(1, Fault::Throttled);
        assert_eq!(faults.turn("store.get"), Turn::Throttles);
        assert_eq!(faults.turn("store.get"), Turn::Works);
    }
}
