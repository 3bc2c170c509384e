//! The programs that this command starts: builds, package managers, linters.
//!
//! Each program and its own children are one process group. A signal that ends this command ends
//! every group ([`end_all`]); so does the drop of a [`ChildProcess`]. The local AWS is not among them: see
//! [`crate::emulator`].

use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

static GROUPS: Mutex<Groups> = Mutex::new(Groups { ending: false, running: Vec::new() });

#[derive(Debug)]
struct Groups {
    /// Set by a signal: no further program starts.
    ending: bool,
    running: Vec<Pid>,
}

impl Groups {
    /// Removes a group from the list. Returns whether it was there.
    fn remove(&mut self, group: Pid) -> bool {
        let before = self.running.len();
        self.running.retain(|running| *running != group);
        self.running.len() < before
    }
}

fn groups() -> MutexGuard<'static, Groups> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends every running program with what it started. From then on no program starts.
pub fn end_all() {
    let mut groups = groups();
    groups.ending = true;
    for group in &groups.running {
        let _ = kill_process_group(*group, Signal::KILL);
    }
}

/// A running program. Dropping the value ends its process group.
#[derive(Debug)]
pub(crate) struct ChildProcess {
    child: Child,
    group: Pid,
}

impl ChildProcess {
    /// Starts a program without standard input.
    pub(crate) fn start(command: &mut Command) -> io::Result<ChildProcess> {
        command.stdin(Stdio::null()).process_group(0);
        // Held while the program starts, so that a signal finds it in the list.
        let mut groups = groups();
        if groups.ending {
            return Err(interrupted());
        }
        let child = command.spawn()?;
        let group = Pid::from_child(&child);
        groups.running.push(group);
        Ok(ChildProcess { child, group })
    }

    /// The pipes of standard output and standard error, where the command has them.
    pub(crate) fn pipes(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        Some((self.child.stdout.take()?, self.child.stderr.take()?))
    }

    /// Waits for the end of the program. A program that a signal to this command ended is an error.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        // The process is not reaped here: as long as it is in the list, its id is no other process's.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(error) = waitid(WaitId::Pid(self.group), ended) {
            if error != rustix::io::Errno::INTR {
                return Err(error.into());
            }
        }
        let mut groups = groups();
        groups.remove(self.group);
        let status = self.child.wait()?;
        if groups.ending { Err(interrupted()) } else { Ok(status) }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let mut groups = groups();
        if groups.remove(self.group) {
            let _ = kill_process_group(self.group, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Runs a program to its end and collects its output.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    let mut child = ChildProcess::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (stdout, stderr) = child.pipes().ok_or_else(|| io::Error::other("the program has no pipes"))?;
    let (stdout, stderr) = std::thread::scope(|scope| {
        let stderr = scope.spawn(|| read(stderr));
        (read(stdout), stderr.join())
    });
    let stderr = stderr.map_err(|_| io::Error::other("the errors of the program cannot be read"))?;
    Ok(Output { status: child.wait()?, stdout: stdout?, stderr: stderr? })
}

fn read(mut pipe: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn interrupted() -> io::Error {
    io::Error::other("interrupted by a signal")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;

    #[test]
    fn the_output_and_the_exit_code_of_a_program_are_collected() {
        let told = output(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap();
        assert_eq!(
            (told.status.code(), &told.stdout[..], &told.stderr[..]),
            (Some(3), &b"out\n"[..], &b"err\n"[..])
        );
        assert!(output(&mut Command::new("no-such-program")).is_err());
    }

    #[test]
    fn o10_a_dropped_program_ends_with_what_it_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & wait"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = ChildProcess::start(&mut command).unwrap();
        let (stdout, _) = child.pipes().unwrap();
        drop(child);
        // The pipe ends when every process that holds it has ended, the one in the background too.
        assert_eq!(read(stdout).unwrap(), b"");
    }
}
