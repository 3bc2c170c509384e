//! Python tools in a folder of their own: the local AWS and the template's linter, each file pinned by its hash.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::terminal::Terminal;
use crate::workspace::{Workspace, write_whole};

/// The oldest Python the pinned packages run on.
const OLDEST: (u32, u32) = (3, 10);
/// Names a Python may have, the ones the packages were tried with first.
const NAMES: [&str; 6] = ["python3.12", "python3.11", "python3.10", "python3", "python3.13", "python"];

/// A set of installed tools.
#[derive(Clone, Debug)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Installs what a requirements file of the repository lists, unless it is there already.
    ///
    /// # Errors
    /// No Python, no `venv`, or packages that cannot be fetched: each one sentence.
    pub fn install(workspace: &Workspace, requirements: &str, terminal: &Terminal) -> Result<Tools> {
        let wanted = workspace.text(requirements)?;
        let digest = Sha256::digest(wanted.as_bytes());
        let name: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let tools = Tools { folder: workspace.state(&format!("venv-{name}")) };
        if tools.marker().is_file() && tools.python().is_file() {
            return Ok(tools);
        }
        let step = terminal.step("Installing the local tools");
        // What an interrupted run left is not to be trusted.
        if tools.folder.exists() {
            fs::remove_dir_all(&tools.folder)
                .with_context(|| format!("{} cannot be removed", tools.folder.display()))?;
        }
        let python = find()?;
        step.at("creating a Python environment");
        let made = run(Command::new(&python).arg("-m").arg("venv").arg(&tools.folder))?;
        if !made.status.success() {
            bail!(
                "Python cannot make an environment of its own; on Debian and Ubuntu the package python3-venv is missing"
            );
        }
        step.at("fetching packages");
        let log = workspace.state("logs/pip.log");
        let fetched = run(Command::new(tools.python())
            .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
            .args(["--retries", "2", "--only-binary", ":all:", "--require-hashes", "--requirement"])
            .arg(workspace.file(requirements)))?;
        if !fetched.status.success() {
            write_whole(&log, &[fetched.stdout, fetched.stderr.clone()].concat(), false)?;
            bail!("{}; see {}", fetch_problem(&String::from_utf8_lossy(&fetched.stderr)), log.display());
        }
        write_whole(&tools.marker(), b"", false)?;
        step.done("Tools installed");
        Ok(tools)
    }

    /// Its Python.
    #[must_use]
    pub fn python(&self) -> PathBuf {
        self.program("python")
    }

    /// A program of one of its packages.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// The folder of its programs.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    fn marker(&self) -> PathBuf {
        self.folder.join("complete")
    }
}

/// The first Python on the path that is new enough.
fn find() -> Result<PathBuf> {
    let mut seen = None;
    for name in NAMES {
        match version(OsStr::new(name)) {
            Some(version) if version >= OLDEST => return Ok(PathBuf::from(name)),
            Some(version) => seen = Some(version),
            None => {}
        }
    }
    match seen {
        Some((major, minor)) => bail!("Python 3.10 or newer is needed; this one is {major}.{minor}"),
        None => bail!("Python 3.10 or newer is needed and is not on the path; install it and run this again"),
    }
}

fn version(python: &OsStr) -> Option<(u32, u32)> {
    let output = Command::new(python)
        .args(["-c", "import sys; print(sys.version_info[0], sys.version_info[1])"])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    output.status.success().then_some((major.parse().ok()?, minor.parse().ok()?))
}

fn run(command: &mut Command) -> Result<Output> {
    let name = Path::new(command.get_program()).display().to_string();
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Ok(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("{name} is not there"),
        Err(error) => Err(error).with_context(|| format!("{name} cannot be run")),
    }
}

/// What pip's complaint comes down to.
fn fetch_problem(complaint: &str) -> &'static str {
    if complaint.contains("DO NOT MATCH THE HASHES") {
        "a Python package is not the one that was pinned, and was not installed"
    } else if complaint.contains("No space left") {
        "the disk is full"
    } else {
        "the Python packages cannot be fetched: is a package registry reachable?"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_that_is_not_there_has_no_version() {
        assert_eq!(version(OsStr::new("python-of-nobody")), None);
    }

    #[test]
    fn complaints_come_down_to_one_sentence() {
        let changed = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.";
        assert!(fetch_problem(changed).contains("pinned"));
        assert!(fetch_problem("Could not find a version that satisfies x").contains("registry"));
    }
}
