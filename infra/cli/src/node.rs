//! Installs Node packages, each pinned by a lock file: linters and clients of other ecosystems.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::terminal::Terminal;
use crate::tool_folder::{ToolFolder, check_fetched, run};
use crate::workspace::{Workspace, write_whole};

/// The oldest Node the pinned packages run on.
const MIN_VERSION: (u32, u32) = (20, 19);
/// The files that `npm ci` reads; the folder's name is their hash.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// A set of installed packages.
#[derive(Clone, Debug)]
pub struct NodeTools {
    folder: ToolFolder,
}

impl NodeTools {
    /// Installs what the lock file in a folder of the repository lists, unless they are installed. Scripts of the
    /// packages are not run. Hold [`Workspace::lock`] during the call: other processes may install the same packages.
    ///
    /// # Errors
    /// Node or npm is missing or too old, or a package cannot be fetched.
    pub fn install(workspace: &Workspace, folder: &str, terminal: &Terminal) -> Result<NodeTools> {
        let [manifest, lock] = FILES.map(|file| workspace.text(&format!("{folder}/{file}")));
        let texts = [manifest?, lock?];
        let folder = ToolFolder::of(workspace, "node", &[&texts[0], &texts[1]]);
        if folder.is_complete() {
            return Ok(NodeTools { folder });
        }
        let step = terminal.step("Installing Node packages");
        check_version(version()?)?;
        folder.clear()?;
        let path = folder.path();
        fs::create_dir_all(path).with_context(|| format!("{} cannot be written", path.display()))?;
        for (file, text) in FILES.iter().zip(&texts) {
            write_whole(&path.join(file), text.as_bytes(), false)?;
        }
        step.at("fetching packages");
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=2"]);
        let fetched = run(npm.current_dir(path), &needed())?;
        check_fetched(workspace, "logs/npm.log", &fetched, fetch_problem)?;
        folder.mark_complete()?;
        step.done("Node packages installed");
        Ok(NodeTools { folder })
    }

    /// The folder that holds `node_modules`. Programs in it or below it can import the packages.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A program of one of the packages.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.path().join("node_modules/.bin").join(name)
    }
}

/// The version that `node --version` prints.
fn version() -> Result<String> {
    let output = run(Command::new("node").arg("--version"), &needed())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The remedy where no Node is new enough.
fn needed() -> String {
    format!("install Node {}.{} or newer with npm", MIN_VERSION.0, MIN_VERSION.1)
}

/// Checks that this Node is new enough.
fn check_version(text: String) -> Result<()> {
    let mut parts = text.trim_start_matches('v').split('.').map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        bail!("`node --version` prints no version; {}", needed());
    };
    if (major, minor) < MIN_VERSION {
        bail!("this Node is {major}.{minor}; {}", needed());
    }
    Ok(())
}

/// The cause behind npm's output, as one sentence.
fn fetch_problem(complaint: &str) -> &'static str {
    if complaint.contains("EINTEGRITY") {
        "a Node package differs from the pinned one and was not installed"
    } else if complaint.contains("EUSAGE") {
        "package.json and package-lock.json do not agree; run npm install and commit both"
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
    fn an_old_node_is_refused_with_the_version_that_is_needed() {
        assert!(check_version("v20.19.0".to_owned()).is_ok());
        assert!(check_version("v22.1.0".to_owned()).is_ok());
        let old = check_version("v18.20.4".to_owned()).expect_err("too old").to_string();
        assert_eq!(old, "this Node is 18.20; install Node 20.19 or newer with npm");
        assert!(check_version("node".to_owned()).is_err());
    }

    #[test]
    fn the_output_of_npm_becomes_one_sentence() {
        assert!(fetch_problem("npm error code EINTEGRITY").contains("pinned"));
        assert!(fetch_problem("npm error code EUSAGE").contains("agree"));
        assert!(fetch_problem("npm error code ECONNREFUSED").contains("registry"));
    }
}
