//! Installs Python tools, each file pinned by its hash: the local AWS and the template's linter.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::children;
use crate::terminal::Terminal;
use crate::tool_folder::{ToolFolder, check_fetched, run};
use crate::workspace::Workspace;

/// The oldest Python the pinned packages run on.
const MIN_VERSION: (u32, u32) = (3, 10);
/// The remedy where no Python is new enough.
const NEEDED: &str = "install Python 3.10 or newer";
/// Names of the interpreter, the versions that the packages were tested with first.
const NAMES: [&str; 6] = ["python3.12", "python3.11", "python3.10", "python3", "python3.13", "python"];

/// A set of installed tools.
#[derive(Clone, Debug)]
pub struct Tools {
    folder: ToolFolder,
}

impl Tools {
    /// Installs the packages that a requirements file of the repository lists, unless they are installed.
    ///
    /// # Errors
    /// Python or `venv` is missing, or a package cannot be fetched.
    pub fn install(workspace: &Workspace, requirements: &str, terminal: &Terminal) -> Result<Tools> {
        let text = workspace.text(requirements)?;
        let tools = Tools { folder: ToolFolder::of(workspace, "venv", &[&text]) };
        if tools.folder.is_complete() && tools.python().is_file() {
            return Ok(tools);
        }
        let step = terminal.step("Installing the local tools");
        tools.folder.clear()?;
        let python = find()?;
        step.at("creating a Python environment");
        let mut venv = Command::new(&python);
        let created = run(venv.args(["-m", "venv"]).arg(tools.folder.path()), NEEDED)?;
        if !created.status.success() {
            bail!(
                "Python cannot create a virtual environment; on Debian and Ubuntu install the package python3-venv"
            );
        }
        step.at("fetching packages");
        let mut pip = Command::new(tools.python());
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
            .args(["--retries", "2", "--only-binary", ":all:", "--require-hashes", "--requirement"])
            .arg(workspace.file(requirements));
        let fetched = run(&mut pip, NEEDED)?;
        check_fetched(workspace, "logs/pip.log", &fetched, fetch_problem)?;
        tools.folder.mark_complete()?;
        step.done("Tools installed");
        Ok(tools)
    }

    /// The Python interpreter of the environment.
    #[must_use]
    pub fn python(&self) -> PathBuf {
        self.program("python")
    }

    /// A program of one of the packages.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.path().join("bin").join(name)
    }

    /// The folder of the packages' programs.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }
}

/// The first Python on the path that is new enough.
fn find() -> Result<PathBuf> {
    let mut too_old = None;
    for name in NAMES {
        match version(OsStr::new(name)) {
            Some(version) if version >= MIN_VERSION => return Ok(PathBuf::from(name)),
            Some(version) => too_old = Some(version),
            None => {}
        }
    }
    match too_old {
        Some((major, minor)) => bail!("this Python is {major}.{minor}; {NEEDED}"),
        None => bail!("Python is not on the path; {NEEDED}"),
    }
}

fn version(python: &OsStr) -> Option<(u32, u32)> {
    let program = "import sys; print(sys.version_info[0], sys.version_info[1])";
    let output = children::output(Command::new(python).args(["-c", program])).ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    output.status.success().then_some((major.parse().ok()?, minor.parse().ok()?))
}

/// The cause behind pip's output, as one sentence.
fn fetch_problem(complaint: &str) -> &'static str {
    if complaint.contains("DO NOT MATCH THE HASHES") {
        "a Python package differs from the pinned one and was not installed"
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
    fn the_output_of_pip_becomes_one_sentence() {
        let changed = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.";
        assert!(fetch_problem(changed).contains("pinned"));
        assert!(fetch_problem("Could not find a version that satisfies x").contains("registry"));
    }
}
