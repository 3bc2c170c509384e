//! Kills function processes of one local AWS, and no other process.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::watch;
use tongban_agency::seeded_rng::SeededRng;

/// Time from one kill to the next.
pub(crate) const PACE: Duration = Duration::from_secs(2);
/// The program of every function.
const PROGRAM: &str = "bootstrap";

/// Kills children of one process.
pub(crate) struct Killer {
    parent: u32,
    rng: SeededRng,
}

impl Killer {
    /// A killer of the function processes whose parent is this local AWS.
    pub(crate) fn new(parent: u32, rng: SeededRng) -> Killer {
        Killer { parent, rng }
    }

    /// Kills one function process every [`PACE`], and tells how often it has come to that. Returns the number of killed
    /// processes by function.
    pub(crate) async fn kill(&self, turns: usize, done: &watch::Sender<usize>) -> BTreeMap<String, usize> {
        let mut victims = BTreeMap::new();
        let mut pace = tokio::time::interval(PACE);
        for turn in 0..turns {
            pace.tick().await;
            if let Some(function) = self.kill_one(turn) {
                *victims.entry(function).or_default() += 1;
            }
            done.send_replace(turn + 1);
        }
        victims
    }

    /// Kills a function process by chance; the function's name, if there was a process.
    fn kill_one(&self, turn: usize) -> Option<String> {
        let mut functions = BTreeMap::<String, Vec<i32>>::new();
        for (function, id) in self.function_processes() {
            functions.entry(function).or_default().push(id);
        }
        // The function first, then one of its processes: functions with few processes are killed as often as the
        // others.
        let function = functions.keys().nth(self.below(functions.len(), "function", turn))?.clone();
        let mut processes = functions.remove(&function)?;
        processes.sort_unstable();
        let id = *processes.get(self.below(processes.len(), "process", turn))?;
        let process = pidfd_open(Pid::from_raw(id)?, PidfdFlags::empty()).ok()?;
        // The handle stays with the process that is looked at here, even if its id is given to another one.
        (self.parent_of(id) == Some(self.parent)).then_some(())?;
        pidfd_send_signal(process, Signal::KILL).ok()?;
        Some(function)
    }

    fn below(&self, count: usize, what: &str, turn: usize) -> usize {
        let number = self.rng.below(u32::try_from(count).unwrap_or(u32::MAX), &[&what, &turn]);
        usize::try_from(number).unwrap_or_default()
    }

    /// Function and process id of every function process.
    fn function_processes(&self) -> Vec<(String, i32)> {
        let entries = fs::read_dir("/proc").expect("the list of processes");
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        ids.filter(|id| self.parent_of(*id) == Some(self.parent))
            .filter(|id| {
                fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.trim() == PROGRAM)
            })
            .filter_map(|id| Some((function_of(id)?, id)))
            .collect()
    }

    fn parent_of(&self, id: i32) -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // After the name in parentheses: state, parent.
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    }
}

/// The name of the function that a process serves, from the process's environment.
fn function_of(id: i32) -> Option<String> {
    let environment = fs::read(format!("/proc/{id}/environ")).ok()?;
    let name = environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(b"AWS_LAMBDA_FUNCTION_NAME="))?;
    Some(String::from_utf8_lossy(name).into_owned())
}
