//! Builds and runs tests in a copy of the tree, for the target `defects`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::repository::root;

/// Longest run of one test program.
const RUN_TIME: Duration = Duration::from_secs(600);

/// A copy of the tree, with build output of its own.
#[derive(Debug)]
pub struct TreeCopy {
    tree: PathBuf,
    build: PathBuf,
}

/// Outcome of the tests of one selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every test passed.
    Passed,
    /// This test failed.
    Failed(String),
    /// The selection does not compile; the compiler's last lines.
    NotBuilt(String),
    /// A test program did not end in time, or ended without a failed test.
    Ended(String),
}

/// A test program, and the folder in which Cargo would run it.
#[derive(Debug)]
struct Program {
    path: PathBuf,
    folder: PathBuf,
}

impl TreeCopy {
    /// Makes the copy under `target/planted-defects`, or brings an earlier one up to date. Unchanged files keep their
    /// time, so that Cargo builds only what depends on changed ones.
    ///
    /// # Errors
    /// When Git does not list the files of the tree, or a file cannot be copied.
    pub async fn make() -> io::Result<TreeCopy> {
        let folder = root().join("target/planted-defects");
        let copy = TreeCopy { tree: folder.join("tree"), build: folder.join("build") };
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
        let listed = git.output().await?;
        if !listed.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&listed.stderr).into_owned()));
        }
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let wanted: BTreeSet<PathBuf> =
            listed.split('\0').filter(|path| root().join(path).is_file()).map(PathBuf::from).collect();
        copy.remove_others(&copy.tree, &wanted)?;
        for path in &wanted {
            let (from, to) = (root().join(path), copy.tree.join(path));
            let bytes = fs::read(&from)?;
            if fs::read(&to).is_ok_and(|before| before == bytes) {
                continue;
            }
            fs::create_dir_all(to.parent().unwrap_or(&copy.tree))?;
            fs::copy(&from, &to)?;
            // Cargo compares times: an old time would hide that the copy has changed.
            fs::File::options().append(true).open(&to)?.set_modified(std::time::SystemTime::now())?;
        }
        Ok(copy)
    }

    /// Removes the files of an earlier copy that the tree does not have any more.
    fn remove_others(&self, folder: &Path, wanted: &BTreeSet<PathBuf>) -> io::Result<()> {
        if !folder.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.remove_others(&path, wanted)?;
            } else if path.strip_prefix(&self.tree).is_ok_and(|path| !wanted.contains(path)) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// A file of the copy.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, file: &str) -> io::Result<String> {
        fs::read_to_string(self.tree.join(file))
    }

    /// Replaces a file of the copy.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::write(self.tree.join(file), text)
    }

    /// Builds the selected tests and runs them until one fails.
    ///
    /// # Errors
    /// When Cargo or a test program cannot be started.
    pub async fn test(&self, (selection, filters): (Vec<&str>, Vec<&str>)) -> io::Result<Outcome> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.build)
            // Only a few lines change from build to build.
            .env("CARGO_INCREMENTAL", "1")
            .args(["test", "--locked", "--quiet", "--no-run", "--message-format=json-render-diagnostics"])
            .args(selection);
        let built = cargo.output().await?;
        if !built.status.success() {
            return Ok(Outcome::NotBuilt(last_lines(&built.stderr)));
        }
        for program in programs(&built.stdout) {
            let mut test = Command::new(&program.path);
            test.args(&filters)
                .current_dir(&program.folder)
                .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
                .stdin(Stdio::null())
                .kill_on_drop(true);
            let Ok(ran) = timeout(RUN_TIME, test.output()).await else {
                return Ok(Outcome::Ended(format!("{} did not end in time", program.path.display())));
            };
            let ran = ran?;
            if !ran.status.success() {
                let failed = failed_test(&ran);
                return Ok(failed.map_or_else(|| Outcome::Ended(last_lines(&ran.stderr)), Outcome::Failed));
            }
        }
        Ok(Outcome::Passed)
    }
}

/// The test programs that a build names.
fn programs(messages: &[u8]) -> Vec<Program> {
    let messages = String::from_utf8_lossy(messages);
    let program = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        if message["profile"]["test"] != true {
            return None;
        }
        let manifest = PathBuf::from(message["manifest_path"].as_str()?);
        let folder = manifest.parent()?.to_owned();
        Some(Program { path: message["executable"].as_str()?.into(), folder })
    };
    messages.lines().filter_map(program).collect()
}

/// The first failed test in the output of a test program.
fn failed_test(ran: &Output) -> Option<String> {
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let failed = text.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    failed.map(str::to_owned)
}

fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
