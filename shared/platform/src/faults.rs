//! Fault injection: fails chosen calls of the fakes, before or after they take effect.
//!
//! All fakes of a [`crate::hub::FakeHub`] share one [`Faults`], which counts the calls over all ports in the order of
//! the handler. A harness runs a handler once to learn the number of calls, and then again with a fault at each call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A fault of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails without effect.
    Before,
    /// The call takes effect, but its answer is lost.
    AnswerLost,
    /// The call is throttled, without effect.
    Throttled,
    /// The process dies before the call: this call and all later ones fail without effect, until
    /// [`Faults::revive`].
    DiesBefore,
    /// The process dies after the call: the call takes effect, its answer and all later calls are lost, until
    /// [`Faults::revive`].
    DiesAfter,
}

/// The outcome that a fake must give to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// Succeed.
    Succeeds,
    /// Fail without effect.
    Fails,
    /// Answer that the service is throttled, without effect.
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

/// The planned faults and the calls made. Clones share both.
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

    /// Starts the process again after its death. The count of calls and the plan stay.
    pub fn revive(&self) {
        self.lock().dead = false;
    }

    /// Clears the plan, the calls and the death.
    pub fn restart(&self) {
        *self.lock() = Plan::default();
    }

    /// Records a call, and returns its outcome. Every call of every fake begins here.
    pub fn next_call(&self, call: &'static str) -> CallOutcome {
        let mut plan = self.lock();
        if plan.dead {
            return CallOutcome::Fails;
        }
        plan.calls.push(call);
        let number = plan.calls.len();
        match plan.planned.remove(&number) {
            None => CallOutcome::Succeeds,
            Some(Fault::Before) => CallOutcome::Fails,
            Some(Fault::Throttled) => CallOutcome::Throttles,
            Some(Fault::AnswerLost) => CallOutcome::LosesAnswer,
            Some(Fault::DiesBefore) => {
                plan.dead = true;
                CallOutcome::Fails
            }
            Some(Fault::DiesAfter) => {
                plan.dead = true;
                CallOutcome::LosesAnswer
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
    fn a_dead_process_fails_every_call_until_revived() {
        let faults = Faults::default();
        faults.plan(2, Fault::DiesAfter);
        assert_eq!(faults.next_call("store.get"), CallOutcome::Succeeds);
        assert_eq!(faults.clone().next_call("store.append"), CallOutcome::LosesAnswer);
        assert_eq!(faults.next_call("queues.send"), CallOutcome::Fails);
        faults.revive();
        assert_eq!(faults.next_call("queues.send"), CallOutcome::Succeeds);
        assert_eq!(faults.calls(), ["store.get", "store.append", "queues.send"]);
    }

    #[test]
    fn a_planned_fault_happens_once() {
        let faults = Faults::default();
        faults.plan(1, Fault::Throttled);
        assert_eq!(faults.next_call("store.get"), CallOutcome::Throttles);
        assert_eq!(faults.next_call("store.get"), CallOutcome::Succeeds);
    }
}
