//! A running consumer at an agency's queue, and its certification.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tongban_tests::agency::program;
use tongban_tests::progress::say;

use crate::fixture::{CONSUMERS, Fixture, folder};

/// The program of a consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    Python,
    Node,
    Rust,
    /// The consumer in Rust, which reports by the reports queue.
    RustByQueue,
    /// The consumer in Python that is written from the contracts alone.
    Literal,
    /// The consumer in Python with this fault.
    Broken(&'static str),
}

/// A process that gets SIGTERM when this value is dropped.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn of(child: Child) -> Running {
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let id = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        // Some broken consumers end by themselves.
        let _ = id.map(|id| kill_process(id, Signal::TERM));
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running consumer and its folder. The folder is kept when a test fails, for its log.
pub(crate) struct RunningConsumer {
    fixture: Fixture,
    folder: PathBuf,
    running: Option<Running>,
}

/// The result of a certification.
#[derive(Debug)]
pub(crate) struct CertifyOutput {
    pub(crate) code: Option<i32>,
    /// The outcome of each check by name.
    pub(crate) checks: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Drop for RunningConsumer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // The consumer may still write its log. Remaining files are in `target`.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl RunningConsumer {
    /// Takes an agency's kit from the operator and starts a consumer with it.
    pub(crate) fn take(fixture: &Fixture, code: &str, wanted: Program) -> RunningConsumer {
        RunningConsumer::take_with(fixture, code, wanted, |_| {})
    }

    /// As [`RunningConsumer::take`], with changed settings.
    pub(crate) fn take_with(
        fixture: &Fixture,
        code: &str,
        wanted: Program,
        change: impl FnOnce(&mut Value),
    ) -> RunningConsumer {
        let folder = folder(&format!("{}-{code}", fixture.stack));
        let mut kit = fixture.command(&Fixture::operator());
        let kit =
            kit.args(["agency", "kit", code, "--out"]).arg(&folder).output().expect("the operator's command");
        assert!(kit.status.success(), "{}", String::from_utf8_lossy(&kit.stderr));
        let settings = folder.join("agency.json");
        let mut changed: Value =
            serde_json::from_slice(&fs::read(&settings).expect("settings")).expect("settings in JSON");
        // A short visibility timeout, so that unhandled messages are delivered again soon.
        changed["visibility_seconds"] = 8.into();
        changed["wait_seconds"] = 5.into();
        if matches!(wanted, Program::RustByQueue) {
            changed["reports_by"] = "queue".into();
        }
        change(&mut changed);
        fs::write(&settings, changed.to_string()).expect("settings");
        let log = File::create(folder.join("consumer.log")).expect("a log");
        let mut command = wanted.command(fixture, &settings);
        command.envs(variables(&folder)).stdout(log.try_clone().expect("a log")).stderr(log);
        let running = Running(command.spawn().expect("a consumer"));
        RunningConsumer { fixture: fixture.clone(), folder, running: Some(running) }
    }

    /// The path of a file in the consumer's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Stops the consumer.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    /// Runs a command of the agency or of the operator and parses its JSON output.
    pub(crate) fn json_output(&self, program: &Path, words: &[&str]) -> Value {
        let mut command = self.fixture.command(program);
        let output = command.args(words).envs(variables(&self.folder)).output().expect("a command");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Certifies the consumer until a condition holds, then stops certification as ctrl-c does. Returns exit code and
    /// standard error.
    pub(crate) fn certify_until(&self, check: &str, condition: impl Fn() -> bool) -> (Option<i32>, String) {
        let mut command = self.fixture.command(&program());
        command.args(["certify", "--only", check, "--burst", "10", "--config"]).arg(self.file("agency.json"));
        command.arg("--operator").arg(Fixture::operator()).stdout(Stdio::null()).stderr(Stdio::piped());
        let certify = command.spawn().expect("tongban-agency");
        let end = Instant::now() + Duration::from_secs(90);
        while !condition() {
            assert!(Instant::now() < end, "{check}: the condition for the stop was not met");
        }
        let id = i32::try_from(certify.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(id, Signal::INT).expect("a process to stop");
        let output = certify.wait_with_output().expect("tongban-agency");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Certifies the consumer.
    pub(crate) fn certify(&self, more: &[&str]) -> CertifyOutput {
        let (json, junit) = (self.file("certify.json"), self.file("certify.xml"));
        let mut command = self.fixture.command(&program());
        command.args(["certify", "--config"]).arg(self.file("agency.json"));
        command.arg("--operator").arg(Fixture::operator());
        command.arg("--json").arg(&json).arg("--junit").arg(&junit).args(more);
        say(&format!("certifying {}: {}", self.folder.display(), more.join(" ")));
        let output = command.output().expect("tongban-agency");
        let log = fs::read_to_string(self.file("consumer.log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let printed = format!(
            "{}{}\nthe consumer's last log lines: {last:?}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let result: Value = fs::read(&json)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_else(|| panic!("no result: {printed}"));
        let checks = result["checks"].as_array().expect("checks").iter();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let checks = checks.map(|check| (text(&check["check"]), text(&check["outcome"]))).collect();
        CertifyOutput { code: output.status.code(), checks, text: printed }
    }
}

impl Program {
    fn command(self, fixture: &Fixture, settings: &Path) -> Command {
        let python = fixture.workspace().file(&format!("{CONSUMERS}/python"));
        let mut command = match self {
            Program::Python => {
                let mut command = fixture.command(&fixture.python);
                command.arg(python.join("decisions.py"));
                command
            }
            Program::Broken(bug) => {
                let mut command = fixture.command(&fixture.python);
                command.arg(fixture.workspace().file("tests/tests/certify/broken.py")).arg(bug);
                command.env("PYTHONPATH", &python);
                command
            }
            Program::Node => {
                let mut command = fixture.command(Path::new("node"));
                command.arg(fixture.node.join("consumer.mjs"));
                command
            }
            Program::Literal => {
                let mut command = fixture.command(&fixture.literal);
                command.arg(fixture.workspace().file("tests/tests/certify/literal.py"));
                command
            }
            Program::Rust | Program::RustByQueue => {
                let mut command = fixture.command(&program());
                command.args(["simulate", "--script", "certify", "--config"]);
                command
            }
        };
        command.arg(settings).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
        command
    }
}

/// The variables of a kit's `agency.env`.
fn variables(folder: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder.join("agency.env")).expect("the kit's variables");
    let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
