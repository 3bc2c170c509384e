//! All agencies but one, simulated by one process.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use domain::ids::AgencyCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tongban::aws::LOCAL_ACCOUNT;
use tongban::local::LocalStack;
use tongban_tests::agency::{environment, program, settings, write_private};
use tongban_tests::until::until;

/// Deadline for the process to end after SIGTERM.
const END: Duration = Duration::from_secs(60);
/// Share of cases that are requested again, and share of messages during which a consumer crashes.
const RATE: &str = "0.05";

/// The running process of the agencies.
pub(crate) struct Agencies {
    process: Child,
    folder: PathBuf,
}

/// The summary that the process prints last, and its processor time.
pub(crate) struct Summary {
    summary: Value,
    cpu: Duration,
}

impl Agencies {
    /// Starts the process for every agency that offers a service, except the absent agency.
    pub(crate) fn start(stack: &LocalStack, absent: &AgencyCode) -> Agencies {
        let folder = stack.log().with_extension("soak");
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("a folder that can be removed");
        }
        fs::create_dir_all(&folder).expect("a folder");
        let rows = stack.agencies().agencies().iter();
        for row in rows.filter(|row| !row.offers.is_empty() && row.code != *absent) {
            let mut settings = settings(stack, &row.code);
            settings["inbox"] = format!("{}.sqlite", row.code).into();
            settings["visibility_seconds"] = 10.into();
            write_private(&folder.join(format!("{}.json", row.code)), &settings.to_string());
        }
        let log = fs::File::create(folder.join("simulate.log")).expect("a log");
        // One process reads all queues, with the credentials of the account that owns them.
        let access = environment(stack, absent).map(|(name, value)| match name {
            "AWS_ACCESS_KEY_ID" => (name, LOCAL_ACCOUNT.to_owned()),
            _ => (name, value),
        });
        let process = Command::new(program())
            .args(["simulate", "--script", "realistic", "--seed", "1", "--json"])
            .args(["--duplicates", RATE, "--crashes", RATE, "--mistakes", "0.02", "--configs"])
            .arg(&folder)
            .env_clear()
            .envs(access)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the agencies' program");
        Agencies { process, folder }
    }

    /// Sends SIGTERM and reads the summary.
    pub(crate) async fn end(mut self) -> Summary {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("a process id");
        let cpu = cpu_time(self.process.id());
        kill_process(id, Signal::TERM).expect("a running process");
        let process = &mut self.process;
        let ended =
            until("the agencies' end", END, || std::future::ready(process.try_wait().expect("a child")));
        let status = ended.await;
        let log = fs::read_to_string(self.folder.join("simulate.log")).expect("its log");
        assert!(
            status.success(),
            "the agencies ended with {status}: {}",
            log.lines().last().unwrap_or_default()
        );
        let summary = log.lines().last().and_then(|line| serde_json::from_str(line).ok());
        fs::remove_dir_all(&self.folder).expect("a folder that can be removed");
        Summary { summary: summary.expect("a summary in JSON"), cpu }
    }
}

impl Drop for Agencies {
    fn drop(&mut self) {
        // For an aborted run only. Killing a process that has ended has no effect.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Summary {
    pub(crate) fn figures(&self, cases: usize, took: Duration) -> String {
        let per_case = self.cpu.as_secs_f64() * 1000.0 / cases.max(1) as f64;
        format!(
            "{:.1} ms of processor a case in one process over {:.0} s; {}",
            per_case,
            took.as_secs_f64(),
            self.summary
        )
    }
}

/// Processor time of a process so far, including its threads. Zero on a system without `/proc`.
fn cpu_time(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields: Vec<i64> = stat
        .rsplit(')')
        .next()
        .map(|rest| rest.split_whitespace().filter_map(|field| field.parse().ok()).collect())
        .unwrap_or_default();
    // Fields `utime` and `stime` after name and state, in hundredths of a second.
    let ticks = fields.get(10).zip(fields.get(11)).map_or(0, |(user, system)| user + system);
    Duration::from_millis(u64::try_from(ticks * 10).unwrap_or_default())
}
