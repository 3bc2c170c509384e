//! All agencies but one, played by one process.

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

/// How long the process may take to end once it is asked to.
const END: Duration = Duration::from_secs(60);
/// Of 100: cases asked for once more, and crashes of a consumer in the middle of a case.
const RATE: &str = "0.05";

/// The running process.
pub(crate) struct Agencies {
    process: Child,
    folder: PathBuf,
}

/// What the process tells in its last line, and what it cost.
pub(crate) struct Summary {
    told: Value,
    cpu: Duration,
}

impl Agencies {
    /// Starts it for every agency that offers anything, but the absent one.
    pub(crate) fn start(stack: &LocalStack, absent: Option<&AgencyCode>) -> Agencies {
        let folder = stack.log().with_extension("soak");
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("a folder that can be removed");
        }
        fs::create_dir_all(&folder).expect("a folder");
        let rows = stack.agencies().agencies();
        for row in rows.iter().filter(|row| !row.offers.is_empty() && Some(&row.code) != absent) {
            let mut settings = settings(stack, &row.code);
            settings["inbox"] = format!("{}.sqlite", row.code).into();
            settings["visibility_seconds"] = 10.into();
            write_private(&folder.join(format!("{}.json", row.code)), &settings.to_string());
        }
        let log = fs::File::create(folder.join("simulate.log")).expect("a log");
        // One process for all of them: it reads their queues as the account that owns these.
        let access = environment(stack, &rows[0].code).map(|(name, value)| match name {
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

    /// Asks it to end, and reads what it tells.
    pub(crate) async fn end(mut self) -> Summary {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("a process id");
        let cpu = cpu_time(self.process.id());
        kill_process(id, Signal::TERM).expect("a running process");
        let process = &mut self.process;
        let ended =
            until("the agencies' end", END, || std::future::ready(process.try_wait().expect("a child")));
        let status = ended.await;
        let log = fs::read_to_string(self.folder.join("simulate.log")).expect("its log");
        assert!(status.success(), "it ended with {status}: {}", log.lines().last().unwrap_or_default());
        let told = log.lines().last().and_then(|line| serde_json::from_str(line).ok());
        fs::remove_dir_all(&self.folder).expect("a folder that can be removed");
        Summary { told: told.expect("a summary in JSON"), cpu }
    }
}

impl Drop for Agencies {
    fn drop(&mut self) {
        // Only for a run that broke off: whoever has ended already is not killed again.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Summary {
    /// A number that it tells.
    #[allow(dead_code, reason = "the chaos trial alone looks at single numbers")]
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.told["summary"][name].as_u64()
    }

    pub(crate) fn figures(&self, cases: usize, took: Duration) -> String {
        let per_case = self.cpu.as_secs_f64() * 1000.0 / cases.max(1) as f64;
        format!(
            "{:.1} ms of processor a case in one process over {:.0} s; {}",
            per_case,
            took.as_secs_f64(),
            self.told
        )
    }
}

/// Processor time of a process so far, its threads included; zero where the system does not tell.
fn cpu_time(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields: Vec<i64> = stat
        .rsplit(')')
        .next()
        .map(|rest| rest.split_whitespace().filter_map(|field| field.parse().ok()).collect())
        .unwrap_or_default();
    // Of the numbers after the name and the state: utime and stime, in hundredths of a second.
    let ticks = fields.get(10).zip(fields.get(11)).map_or(0, |(user, system)| user + system);
    Duration::from_millis(u64::try_from(ticks * 10).unwrap_or_default())
}
