//! A consumer at an agency's queue, and its judge.

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

/// What runs at the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    Python,
    Node,
    Rust,
    /// The one in Python, with one thing wrong.
    Broken(&'static str),
}

/// A process that ends with this value, as its operator would end it.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn of(child: Child) -> Running {
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let id = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself, as some of the broken ones do.
        let _ = id.map(|id| kill_process(id, Signal::TERM));
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A consumer at work. Its folder goes with it, unless a test failed: then its log is worth a look.
pub(crate) struct RunningConsumer {
    fixture: Fixture,
    folder: PathBuf,
    running: Option<Running>,
}

/// What certification told.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) code: Option<i32>,
    /// How each check ended, by its name.
    pub(crate) checks: BTreeMap<String, String>,
    pub(crate) told: String,
}

impl Drop for RunningConsumer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // The consumer may still write its last words; what is left is in `target`.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl RunningConsumer {
    /// Takes an agency's kit from the operator and starts a consumer with it.
    pub(crate) fn take(fixture: &Fixture, code: &str, wanted: Program) -> RunningConsumer {
        let folder = folder(&format!("{}-{code}", fixture.stack));
        let mut kit = fixture.command(&Fixture::operator());
        let kit =
            kit.args(["agency", "kit", code, "--out"]).arg(&folder).output().expect("the operator's command");
        assert!(kit.status.success(), "{}", String::from_utf8_lossy(&kit.stderr));
        let settings = folder.join("agency.json");
        let mut changed: Value =
            serde_json::from_slice(&fs::read(&settings).expect("settings")).expect("settings in JSON");
        // What is left in the queue comes again soon.
        changed["visibility_seconds"] = 8.into();
        changed["wait_seconds"] = 5.into();
        fs::write(&settings, changed.to_string()).expect("settings");
        let log = File::create(folder.join("consumer.log")).expect("a log");
        let mut command = wanted.command(fixture, &settings);
        command.envs(variables(&folder)).stdout(log.try_clone().expect("a log")).stderr(log);
        let running = Running(command.spawn().expect("a consumer"));
        RunningConsumer { fixture: fixture.clone(), folder, running: Some(running) }
    }

    /// A file of its folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Its consumer goes home.
    pub(crate) fn leave(&mut self) {
        self.running = None;
    }

    /// What a command of the agency or of the operator prints, in JSON.
    pub(crate) fn asks(&self, program: &Path, words: &[&str]) -> Value {
        let mut command = self.fixture.command(program);
        let output = command.args(words).envs(variables(&self.folder)).output().expect("a command");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Has the consumer judged until something is so, and stops it then, as ctrl-c does: its code, and what it told.
    pub(crate) fn stopped_once(&self, check: &str, is_so: impl Fn() -> bool) -> (Option<i32>, String) {
        let mut command = self.fixture.command(&program());
        command.args(["certify", "--only", check, "--burst", "10", "--config"]).arg(self.file("agency.json"));
        command.arg("--operator").arg(Fixture::operator()).stdout(Stdio::null()).stderr(Stdio::piped());
        let judge = command.spawn().expect("tongban-agency");
        let end = Instant::now() + Duration::from_secs(90);
        while !is_so() {
            assert!(Instant::now() < end, "{check}: nothing to stop");
        }
        let id = i32::try_from(judge.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(id, Signal::INT).expect("a process to stop");
        let output = judge.wait_with_output().expect("tongban-agency");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Has the consumer judged.
    pub(crate) fn certify(&self, more: &[&str]) -> Verdict {
        let (json, junit) = (self.file("certify.json"), self.file("certify.xml"));
        let mut command = self.fixture.command(&program());
        command.args(["certify", "--config"]).arg(self.file("agency.json"));
        command.arg("--operator").arg(Fixture::operator());
        command.arg("--json").arg(&json).arg("--junit").arg(&junit).args(more);
        say(&format!("certifying {}: {}", self.folder.display(), more.join(" ")));
        let output = command.output().expect("tongban-agency");
        let log = fs::read_to_string(self.file("consumer.log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let told = format!(
            "{}{}\nthe consumer's last words: {last:?}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let result: Value = fs::read(&json)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_else(|| panic!("no result: {told}"));
        let checks = result["checks"].as_array().expect("checks").iter();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let checks = checks.map(|check| (text(&check["check"]), text(&check["outcome"]))).collect();
        Verdict { code: output.status.code(), checks, told }
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
            Program::Rust => {
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
