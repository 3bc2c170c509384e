//! An agency: a real process that reads the agency's queue and reports by a script.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use domain::ids::AgencyCode;
use rustix::process::{Pid, Signal, kill_process};
use tongban::local::LocalStack;
use tongban_tests::agency::{environment, program, settings, write_private};
use tongban_tests::until::until;

/// Deadline for the process to end after SIGTERM.
const END: Duration = Duration::from_secs(30);

/// A running agency.
pub(crate) struct Agency {
    code: AgencyCode,
    script: String,
    process: Child,
}

impl Agency {
    /// Starts the process. Its output goes into a log in the folder.
    pub(crate) fn start(stack: &LocalStack, code: &AgencyCode, script: &str, folder: &Path) -> Agency {
        let config = folder.join(format!("{code}.json"));
        write_private(&config, &settings(stack, code).to_string());
        let log = File::create(folder.join(format!("{code}.log"))).expect("a log");
        let process = Command::new(program())
            .args(["simulate", "--script", script, "--config"])
            .arg(&config)
            .env_clear()
            .envs(environment(stack, code))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the agency's program");
        Agency { code: code.clone(), script: script.to_owned(), process }
    }

    pub(crate) fn script(&self) -> &str {
        &self.script
    }

    /// Sends SIGTERM to the process and waits until it ends.
    pub(crate) async fn end(mut self) {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(id, Signal::TERM).expect("a running process");
        let name = format!("the end of agency {}", self.code);
        let process = &mut self.process;
        let status = until(&name, END, || std::future::ready(process.try_wait().expect("a child"))).await;
        assert!(status.success(), "agency {} ended with {status}", self.code);
    }
}

impl Drop for Agency {
    fn drop(&mut self) {
        // For an aborted run only. Killing a process that has ended has no effect.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
