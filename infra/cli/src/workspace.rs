//! Paths of the repository and of the command's own files under `target`.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The repository and the command's own folder in it.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    state: PathBuf,
}

impl Workspace {
    /// Finds the repository in the current folder or a folder above.
    ///
    /// # Errors
    /// The current folder is outside the repository, or the `target` folder cannot be written.
    pub fn find() -> Result<Workspace> {
        let here = env::current_dir().context("the current folder cannot be read")?;
        Workspace::above(&here)
    }

    fn above(here: &Path) -> Result<Workspace> {
        let Some(root) = here.ancestors().find(|folder| {
            folder.join("infra/template.yaml").is_file() && folder.join("Cargo.toml").is_file()
        }) else {
            bail!("this is not inside the repository: no folder above holds infra/template.yaml");
        };
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |path| root.join(path));
        let state = target.join("tongban");
        fs::create_dir_all(state.join("logs"))
            .with_context(|| format!("{} cannot be written", state.display()))?;
        Ok(Workspace { root: root.to_owned(), state })
    }

    /// The repository's top folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file of the repository.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A file of the command's own folder, which `cargo clean` removes.
    #[must_use]
    pub fn state(&self, path: &str) -> PathBuf {
        self.state.join(path)
    }

    /// Reads a text file of the repository.
    ///
    /// # Errors
    /// The file is missing or not UTF-8.
    pub fn text(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.file(path)).with_context(|| format!("{path} cannot be read"))
    }

    /// Locks the command's shared files against other runs until the returned file is dropped.
    ///
    /// # Errors
    /// The lock file cannot be written, or the file system has no locks.
    pub fn lock(&self) -> Result<File> {
        let path = self.state("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        file.lock().with_context(|| format!("{} cannot be locked", path.display()))?;
        Ok(file)
    }
}

/// Writes a file atomically. With `private`, only the owner may read the file.
///
/// # Errors
/// The folder cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8], private: bool) -> Result<()> {
    let draft = path.with_extension("draft");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    if private {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let write = || -> std::io::Result<()> {
        // An existing draft of an interrupted run would keep its old mode, so remove it first.
        if draft.exists() {
            fs::remove_file(&draft)?;
        }
        let mut file = options.open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// Creates a file that only its owner may read.
///
/// # Errors
/// The file exists, or the folder cannot be written.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let file = options.open(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    file.with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;

    #[test]
    fn the_repository_is_found_from_below_and_not_from_elsewhere() {
        let here = Workspace::above(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(here.file("infra/agencies.toml").is_file());
        let refusal = Workspace::above(Path::new("/")).unwrap_err().to_string();
        assert!(refusal.contains("infra/template.yaml"), "{refusal}");
    }
}
