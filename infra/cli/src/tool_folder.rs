//! Folders of installed tools, one for each set of pinned packages. Only a completely installed folder is used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::children;
use crate::workspace::{Workspace, write_whole};

/// A folder whose name derives from the pinned packages, so that two sets of packages never share a folder.
#[derive(Clone, Debug)]
pub(crate) struct ToolFolder {
    path: PathBuf,
}

impl ToolFolder {
    /// The folder for the packages that these texts pin. Does not create the folder.
    pub(crate) fn of(workspace: &Workspace, prefix: &str, pinned: &[&str]) -> ToolFolder {
        let digest = Sha256::digest(pinned.join("\0").as_bytes());
        let name: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        ToolFolder { path: workspace.state(&format!("{prefix}-{name}")) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an installation has finished in this folder.
    pub(crate) fn is_complete(&self) -> bool {
        self.marker().is_file()
    }

    /// Removes the folder, which an interrupted installation may have left incomplete.
    pub(crate) fn clear(&self) -> Result<()> {
        if self.path.exists() {
            fs::remove_dir_all(&self.path)
                .with_context(|| format!("{} cannot be removed", self.path.display()))?;
        }
        Ok(())
    }

    pub(crate) fn mark_complete(&self) -> Result<()> {
        write_whole(&self.marker(), b"", false)
    }

    fn marker(&self) -> PathBuf {
        self.path.join("complete")
    }
}

/// Runs a program to its end. `missing` completes the error for a program that is not on the path.
pub(crate) fn run(command: &mut Command, missing: &str) -> Result<Output> {
    let name = Path::new(command.get_program()).display().to_string();
    match children::output(command) {
        Ok(output) => Ok(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{name} is not on the path: {missing}")
        }
        Err(error) => Err(error).with_context(|| format!("{name} cannot be run")),
    }
}

/// Fails with `reason` if a package manager failed, and writes the complete output to a log that the error names.
pub(crate) fn check_fetched(
    workspace: &Workspace,
    log: &str,
    output: &Output,
    reason: impl Fn(&str) -> &'static str,
) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let log = workspace.state(log);
    write_whole(&log, &[output.stdout.as_slice(), &output.stderr].concat(), false)?;
    bail!("{}; see {}", reason(&String::from_utf8_lossy(&output.stderr)), log.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named_with_the_remedy() {
        let error =
            run(&mut Command::new("no-such-program"), "install it").expect_err("not there").to_string();
        assert_eq!(error, "no-such-program is not on the path: install it");
    }
}
