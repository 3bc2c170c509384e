//! Builds the functions and packs each into a zip for Lambda: `bootstrap`, and the files beside it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::children::{self, ChildProcess};
use crate::reference;
use crate::terminal::{Step, Terminal};
use crate::workspace::Workspace;

/// The functions. Crate, binary and zip have the same name.
pub const FUNCTIONS: [&str; 7] =
    ["intake", "subscriptions", "documents", "router", "reports", "callbacks", "sweeper"];
/// Limit of AWS Lambda for an unpacked function, in bytes.
const MAX_BYTES: u64 = 250 * 1024 * 1024;

/// Each function's binary.
pub type Binaries = BTreeMap<&'static str, PathBuf>;

/// The files beside each binary: what a function reads at its start and what would not fit into its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageFiles {
    /// The agencies, as JSON.
    pub agencies: Vec<u8>,
    /// The accepted token issuers, as JSON.
    pub issuers: String,
    /// The published keys of the hub, as a JWK set.
    pub hub_keys: String,
    /// The reference pages, in the package of one function only.
    pub reference: reference::Files,
}

/// Name of the file of token issuers in a package.
pub const ISSUERS_FILE: &str = "token-issuers.json";
/// Name of the file of the hub's published keys in a package.
pub const HUB_KEYS_FILE: &str = "hub-keys.json";

impl PackageFiles {
    /// The files in the package of this function, by name.
    fn of(&self, function: &str) -> Vec<(&str, &[u8])> {
        let mut files: Vec<(&str, &[u8])> = vec![
            ("agencies.json", &self.agencies),
            (ISSUERS_FILE, self.issuers.as_bytes()),
            (HUB_KEYS_FILE, self.hub_keys.as_bytes()),
        ];
        if function == reference::FUNCTION {
            files.extend(self.reference.iter().map(|(name, content)| (name.as_str(), content.as_slice())));
        }
        files
    }
}

/// The zips of one build.
#[derive(Clone, Debug)]
pub struct Package {
    /// Key prefix in the bucket, derived from the content of the zips.
    pub prefix: String,
    /// Each function's zip.
    pub zips: BTreeMap<&'static str, PathBuf>,
}

/// Builds the functions with the profile of local runs and tests.
///
/// # Errors
/// A function does not compile; the error has the compiler's output.
pub fn build(workspace: &Workspace, terminal: &Terminal) -> Result<Binaries> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--bins", "--message-format", "json-render-diagnostics"]);
    // The agencies' command is built for developers who act as an agency. This crate is in the list so that cargo
    // chooses the same features as for the other builds.
    for package in FUNCTIONS.into_iter().chain(["tongban-agency", "tongban"]) {
        command.args(["--package", package]);
    }
    run(workspace, &mut command, terminal)
}

/// Runs a build and returns the binaries that cargo reports.
pub(crate) fn run(workspace: &Workspace, command: &mut Command, terminal: &Terminal) -> Result<Binaries> {
    let step = terminal.step("Building the functions");
    // `cargo run` sets variables for its package. Some build scripts (ring's) run again whenever these change, which
    // costs a minute each time this command and a plain `cargo build` alternate.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(names_a_package) {
            command.env_remove(name);
        }
    }
    command.current_dir(workspace.root()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = ChildProcess::start(command).context("cargo cannot be run")?;
    let (stdout, stderr) = child.pipes().context("the output of cargo cannot be read")?;
    let (found, errors) = std::thread::scope(|scope| {
        let errors = scope.spawn(|| progress(stderr, &step));
        (binaries(stdout), errors.join().unwrap_or_default())
    });
    let status = child.wait().context("the build did not finish")?;
    if !status.success() {
        drop(step);
        bail!("the functions do not build:\n{}", errors.trim_end());
    }
    let found = found?;
    let missing: Vec<&str> = FUNCTIONS.into_iter().filter(|name| !found.contains_key(name)).collect();
    if !missing.is_empty() {
        bail!("the build has no binary for {}", missing.join(", "));
    }
    step.done("Functions built");
    Ok(found)
}

/// Whether cargo sets this variable for the package that it runs. Variables that a person sets for cargo do not count.
fn names_a_package(variable: &str) -> bool {
    ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"].iter().any(|begin| variable.starts_with(begin))
        || ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"].contains(&variable)
}

/// Shows the current crate, and collects the compiler's errors.
fn progress(stderr: impl io::Read, step: &Step) -> String {
    let mut errors = String::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let text = line.trim_start();
        if ["Compiling", "Building", "Downloaded", "Downloading", "Finished", "Blocking"]
            .iter()
            .any(|word| text.starts_with(word))
        {
            step.at(text);
        } else {
            errors.push_str(&line);
            errors.push('\n');
        }
    }
    errors
}

/// The executables among cargo's messages.
fn binaries(stdout: impl io::Read) -> Result<Binaries> {
    let mut found = Binaries::new();
    for line in BufReader::new(stdout).lines() {
        let line = line.context("the output of cargo cannot be read")?;
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        let name = message.pointer("/target/name").and_then(Value::as_str);
        let path = message.get("executable").and_then(Value::as_str);
        if let (Some(name), Some(path)) = (name, path)
            && let Some(function) = FUNCTIONS.into_iter().find(|function| *function == name)
        {
            found.insert(function, PathBuf::from(path));
        }
    }
    Ok(found)
}

/// Packs each binary with the files. Unchanged zips are reused.
///
/// # Errors
/// A file cannot be read or written, or a function exceeds the limit of Lambda.
pub fn pack(workspace: &Workspace, binaries: &Binaries, files: &PackageFiles, kind: &str) -> Result<Package> {
    let folder = workspace.state("zips").join(kind);
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be written", folder.display()))?;
    let mut zips = BTreeMap::new();
    let mut build = Sha256::new();
    for (name, binary) in binaries {
        let zip = folder.join(format!("{name}.zip"));
        let stamp = folder.join(format!("{name}.stamp"));
        let files = files.of(name);
        let wanted = stamp_of(binary, &files)?;
        let stored = fs::read_to_string(&stamp).unwrap_or_default();
        let digest = match stored.split_once(' ') {
            Some((stamp, digest)) if stamp == wanted && zip.is_file() => digest.to_owned(),
            Some(_) | None => {
                let _ = fs::remove_file(&stamp);
                pack_one(&zip, binary, &files, kind)?;
                let digest = digest_of(&zip)?;
                fs::write(&stamp, format!("{wanted} {digest}"))
                    .with_context(|| format!("{} cannot be written", stamp.display()))?;
                digest
            }
        };
        build.update(name.as_bytes());
        build.update(digest.as_bytes());
        zips.insert(*name, zip);
    }
    let prefix = format!("functions/{}", &hex(&build.finalize())[..16]);
    Ok(Package { prefix, zips })
}

/// A hash of the inputs of a zip: the binary's size and modification time, and the files.
fn stamp_of(binary: &Path, files: &[(&str, &[u8])]) -> Result<String> {
    let metadata = fs::metadata(binary).with_context(|| format!("{} cannot be read", binary.display()))?;
    if metadata.len() > MAX_BYTES {
        bail!("{} exceeds Lambda's limit of 250 MiB", binary.display());
    }
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(metadata.len().to_be_bytes());
    hash.update(changed.as_nanos().to_be_bytes());
    for (name, bytes) in files {
        hash.update(name.as_bytes());
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    }
    Ok(hex(&hash.finalize()))
}

fn pack_one(zip: &Path, binary: &Path, files: &[(&str, &[u8])], kind: &str) -> Result<()> {
    // Local zips are read at once on the same machine: compression costs more time than it saves.
    let method =
        if kind.starts_with("local") { CompressionMethod::Stored } else { CompressionMethod::Deflated };
    let file = File::create(zip).with_context(|| format!("{} cannot be written", zip.display()))?;
    let mut writer = ZipWriter::new(BufWriter::new(file));
    let options = SimpleFileOptions::default().compression_method(method);
    writer.start_file("bootstrap", options.unix_permissions(0o755))?;
    let stripped = zip.with_extension("stripped");
    let source = if strip(binary, &stripped) { &stripped } else { binary };
    io::copy(&mut File::open(source)?, &mut writer)
        .with_context(|| format!("{} cannot be packed", binary.display()))?;
    for (name, bytes) in files {
        writer.start_file(*name, options.unix_permissions(0o644))?;
        writer.write_all(bytes)?;
    }
    writer.finish()?.flush()?;
    let _ = fs::remove_file(&stripped);
    Ok(())
}

/// Removes debug information if `strip` is installed. The zip then has a third of the size.
fn strip(from: &Path, to: &Path) -> bool {
    let done = children::output(Command::new("strip").arg("--strip-debug").arg("-o").args([to, from]));
    done.is_ok_and(|done| done.status.success()) && to.is_file()
}

fn digest_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut hash = Sha256::new();
    let mut part = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut part)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&part[..read]);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;
    use zip::ZipArchive;

    #[test]
    fn executables_are_found_among_cargos_messages() {
        let errors = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"domain"},"executable":null}"#,
            "\nnot json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"router"},"executable":"/t/router"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"tongban"},"executable":"/t/tongban"}"#,
        );
        let found = binaries(errors.as_bytes()).unwrap();
        assert_eq!(found, BTreeMap::from([("router", PathBuf::from("/t/router"))]));
    }

    #[test]
    fn a_build_inherits_settings_but_no_package_variables() {
        for stored in ["CARGO", "CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE", "PATH"] {
            assert!(!names_a_package(stored), "{stored}");
        }
        for dropped in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PRIMARY_PACKAGE"] {
            assert!(names_a_package(dropped), "{dropped}");
        }
    }

    #[test]
    fn a_zip_has_the_binary_and_the_files() {
        let folder = std::env::temp_dir().join(format!("tongban-zip-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let binary = folder.join("binary");
        fs::write(&binary, "#!/bin/sh\n").unwrap();
        let zip = folder.join("intake.zip");
        let files = PackageFiles {
            agencies: b"{}".to_vec(),
            issuers: "[]".into(),
            hub_keys: "{ }".into(),
            reference: vec![("reference/page.html".into(), b"<!doctype html>".to_vec())],
        };
        pack_one(&zip, &binary, &files.of("router"), "live").unwrap();
        assert!(ZipArchive::new(File::open(&zip).unwrap()).unwrap().by_name("reference/page.html").is_err());
        pack_one(&zip, &binary, &files.of("intake"), "live").unwrap();
        let mut archive = ZipArchive::new(File::open(&zip).unwrap()).unwrap();
        assert_eq!(archive.by_name("bootstrap").unwrap().unix_mode().unwrap() & 0o777, 0o755);
        for (name, size) in
            [("agencies.json", 2), (ISSUERS_FILE, 2), (HUB_KEYS_FILE, 3), ("reference/page.html", 15)]
        {
            assert_eq!(archive.by_name(name).unwrap().size(), size, "{name}");
        }
        let first = digest_of(&zip).unwrap();
        pack_one(&zip, &binary, &files.of("intake"), "live").unwrap();
        assert_eq!(digest_of(&zip).unwrap(), first, "the same content makes the same zip");
        let other = PackageFiles { issuers: "[ ]".into(), ..files.clone() };
        let stamp = |files: &PackageFiles, function| stamp_of(&binary, &files.of(function)).unwrap();
        assert_ne!(stamp(&files, "intake"), stamp(&other, "intake"));
        let without = PackageFiles { reference: Vec::new(), ..files.clone() };
        assert_ne!(stamp(&files, "intake"), stamp(&without, "intake"));
        assert_eq!(stamp(&files, "router"), stamp(&without, "router"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
