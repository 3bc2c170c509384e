//! Node packages in a folder of their own: linters and clients of other ecosystems, each pinned by its lock file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::terminal::Terminal;
use crate::workspace::{Workspace, write_whole};

/// The oldest Node the pinned packages run on.
const OLDEST: (u32, u32) = (20, 19);
/// What `npm ci` reads, and what a set of packages is named after.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// A set of installed packages.
#[derive(Clone, Debug)]
pub struct NodeTools {
    folder: PathBuf,
}

impl NodeTools {
    /// Installs what the lock file in a folder of the repository lists, unless it is there already. Scripts of the
    /// packages are not run. Call it under [`Workspace::lock`] where others may do the same.
    ///
    /// # Errors
    /// No Node or npm, one that is too old, or packages that cannot be fetched: each one sentence.
    pub fn install(workspace: &Workspace, folder: &str, terminal: &Terminal) -> Result<NodeTools> {
        let wanted = FILES.map(|file| workspace.text(&format!("{folder}/{file}")));
        let [manifest, lock] = wanted;
        let wanted = [manifest?, lock?];
        let digest = Sha256::digest(wanted.join("\0").as_bytes());
        let name: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let tools = NodeTools { folder: workspace.state(&format!("node-{name}")) };
        if tools.marker().is_file() {
            return Ok(tools);
        }
        let step = terminal.step("Installing Node packages");
        check_version(version()?)?;
        // What an interrupted run left is not to be trusted.
        if tools.folder.exists() {
            fs::remove_dir_all(&tools.folder)
                .with_context(|| format!("{} cannot be removed", tools.folder.display()))?;
        }
        fs::create_dir_all(&tools.folder)
            .with_context(|| format!("{} cannot be written", tools.folder.display()))?;
        for (file, text) in FILES.iter().zip(&wanted) {
            write_whole(&tools.folder.join(file), text.as_bytes(), false)?;
        }
        step.at("fetching packages");
        let fetched = run(Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=2"])
            .current_dir(&tools.folder))?;
        if !fetched.status.success() {
            let log = workspace.state("logs/npm.log");
            write_whole(&log, &[fetched.stdout, fetched.stderr.clone()].concat(), false)?;
            bail!("{}; see {}", fetch_problem(&String::from_utf8_lossy(&fetched.stderr)), log.display());
        }
        write_whole(&tools.marker(), b"", false)?;
        step.done("Node packages installed");
        Ok(tools)
    }

    /// The folder with `node_modules`: what lies in it, or below it, may import the packages.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program of one of the packages.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("node_modules/.bin").join(name)
    }

    fn marker(&self) -> PathBuf {
        self.folder.join("complete")
    }
}

/// What `node --version` says.
fn version() -> Result<String> {
    let output = run(Command::new("node").arg("--version"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Refuses a Node that is too old, or that is none.
fn check_version(text: String) -> Result<()> {
    let mut parts = text.trim_start_matches('v').split('.').map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        bail!("`node --version` does not name a version");
    };
    if (major, minor) < OLDEST {
        bail!("Node {}.{} or newer is needed; this one is {major}.{minor}", OLDEST.0, OLDEST.1);
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<Output> {
    let name = Path::new(command.get_program()).display().to_string();
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Ok(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{name} is not on the path: Node {}.{} or newer with npm is needed", OLDEST.0, OLDEST.1)
        }
        Err(error) => Err(error).with_context(|| format!("{name} cannot be run")),
    }
}

/// What npm's complaint comes down to.
fn fetch_problem(complaint: &str) -> &'static str {
    if complaint.contains("EINTEGRITY") {
        "a Node package is not the one that was pinned, and was not installed"
    } else if complaint.contains("EUSAGE") {
        "package.json and package-lock.json do not agree"
    } else if complaint.contains("ENOSPC") {
        "the disk is full"
    } else {
        "the Node packages cannot be fetched: is a package registry reachable?"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_node_is_refused_in_a_sentence() {
        assert!(check_version("v20.19.0".to_owned()).is_ok());
        assert!(check_version("v22.1.0".to_owned()).is_ok());
        let old = check_version("v18.20.4".to_owned()).expect_err("too old").to_string();
        assert_eq!(old, "Node 20.19 or newer is needed; this one is 18.20");
        assert!(check_version("node".to_owned()).is_err());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let problem = run(&mut Command::new("node-of-nobody")).expect_err("not there").to_string();
        assert!(problem.starts_with("node-of-nobody is not on the path"), "{problem}");
    }

    #[test]
    fn complaints_come_down_to_one_sentence() {
        assert!(fetch_problem("npm error code EINTEGRITY").contains("pinned"));
        assert!(fetch_problem("npm error code EUSAGE").contains("agree"));
        assert!(fetch_problem("npm error code ECONNREFUSED").contains("registry"));
    }
}
