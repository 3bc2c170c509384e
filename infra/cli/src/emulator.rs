//! The local AWS as one process group that never outlives this process.
//!
//! It runs with IAM enforced, each function under its own role, in an environment of its own: functions inherit
//! it, and a variable that the template forgot must not be hidden by one of this machine.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::aws::LOCAL_REGION;
use crate::python::Tools;
use crate::workspace::{Workspace, write_whole};

/// Port of the local AWS unless another is asked for.
pub const PORT: u16 = 4580;
/// The agencies as they were deployed, in the folder of what runs.
const ROWS: &str = "agencies.json";
/// What runs it; see there.
const GUARD: &str = include_str!("guard.py");
/// How long it may take to answer.
const START: Duration = Duration::from_secs(30);
/// Between two looks at something that is awaited.
const LOOK: Duration = Duration::from_millis(50);

/// The running local AWS. Dropping it ends it and every function process.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    port: u16,
    folder: PathBuf,
    log: PathBuf,
}

impl Emulator {
    /// Starts it on a port of 127.0.0.1; port 0 takes any that is free.
    ///
    /// # Errors
    /// The port is in use, or it does not answer within half a minute.
    pub async fn start(
        workspace: &Workspace,
        tools: &Tools,
        port: u16,
        http: &reqwest::Client,
    ) -> Result<Emulator> {
        let port = free(port)?;
        let folder = workspace.state(&format!("run/{port}"));
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be written", folder.display()))?;
        let log = workspace.state(&format!("logs/local-aws-{port}.log"));
        let child = spawn(tools, port, &folder, &log)?;
        let mut emulator = Emulator { child, port, folder, log };
        emulator.answers(http).await?;
        Ok(emulator)
    }

    async fn answers(&mut self, http: &reqwest::Client) -> Result<()> {
        let address = format!("{}/_ministack/health", self.endpoint());
        let until = Instant::now() + START;
        loop {
            if let Some(status) = self.ended()? {
                bail!("the local AWS ended at once ({status}); see {}", self.log.display());
            }
            let answer = http.get(&address).timeout(Duration::from_secs(2)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("the local AWS does not answer; see {}", self.log.display());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Its address.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Keeps the agencies as they were deployed beside what runs, for the operator's commands.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn keep_rows(&self, rows: &[u8]) -> Result<()> {
        write_whole(&self.folder.join(ROWS), rows, false)
    }

    /// The id of the process whose children are the function processes.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it writes, function output included.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether it has ended by itself, and how.
    ///
    /// # Errors
    /// The system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("the local AWS cannot be watched")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The guard is for when nobody is left to do this: here the whole group is ended at once.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where the hub on a port of this machine keeps its agencies as they were deployed.
#[must_use]
pub fn rows_of(workspace: &Workspace, port: u16) -> PathBuf {
    workspace.state(&format!("run/{port}/{ROWS}"))
}

/// A port of 127.0.0.1 that can be listened on: this one, or with 0 any.
///
/// # Errors
/// It is in use.
pub fn free(port: u16) -> Result<u16> {
    match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        Ok(listener) => Ok(listener.local_addr().context("the port has no number")?.port()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("port {port} is in use: end what listens there, or choose another with --port")
        }
        Err(error) => Err(error).with_context(|| format!("port {port} cannot be listened on")),
    }
}

fn spawn(tools: &Tools, port: u16, folder: &Path, log: &Path) -> Result<Child> {
    let output = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
    let errors = output.try_clone().context("the log cannot be shared")?;
    Command::new(tools.python())
        .args(["-c", GUARD])
        .env_clear()
        .envs(environment(port))
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .context("the local AWS cannot be started")
}

/// All that it, and so a function, finds in its environment besides three paths.
fn environment(port: u16) -> Vec<(&'static str, String)> {
    vec![
        ("LANG", "C.UTF-8".to_owned()),
        ("PYTHONUNBUFFERED", "1".to_owned()),
        ("BIND_HOST", "127.0.0.1".to_owned()),
        // Names ending in .localhost lead to this machine in curl and in browsers: the API gets one.
        ("MINISTACK_HOST", "localhost".to_owned()),
        ("MINISTACK_REGION", LOCAL_REGION.to_owned()),
        ("GATEWAY_PORT", port.to_string()),
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AUTH", "true".to_owned()),
        ("SFTP_ENABLED", "0".to_owned()),
        ("IOT_MTLS_ENABLED", "0".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;

    #[test]
    fn a_port_in_use_is_one_sentence() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let told = free(port).unwrap_err().to_string();
        assert!(told.starts_with(&format!("port {port} is in use")), "{told}");
        assert!(free(0).unwrap() > 0);
    }
}
