//! The local AWS as a process group that never outlives this process.
//!
//! The local AWS enforces IAM, and each function has its own role. Its environment is empty except for a few variables,
//! because functions inherit it: a variable of this machine must not hide one that the template lacks.

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

/// Default port of the local AWS.
pub const PORT: u16 = 4580;
/// File of the deployed agencies, in the folder of the running local AWS.
const AGENCIES_FILE: &str = "agencies.json";
/// Python program that runs the local AWS and ends it with this process.
const GUARD: &str = include_str!("guard.py");
/// How long the local AWS may take to become healthy.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two health checks.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The running local AWS. Dropping the value ends it and every function process.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    port: u16,
    folder: PathBuf,
    log: PathBuf,
}

impl Emulator {
    /// Starts the local AWS on a port of 127.0.0.1; port 0 chooses a free port.
    ///
    /// # Errors
    /// The port is in use, or the local AWS does not answer within half a minute.
    pub async fn start(
        workspace: &Workspace,
        tools: &Tools,
        port: u16,
        http: &reqwest::Client,
    ) -> Result<Emulator> {
        let port = available_port(port)?;
        let folder = workspace.state(&format!("run/{port}"));
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be written", folder.display()))?;
        let log = workspace.state(&format!("logs/local-aws-{port}.log"));
        let child = spawn(tools, port, &folder, &log)?;
        let mut emulator = Emulator { child, port, folder, log };
        emulator.wait_until_healthy(http).await?;
        Ok(emulator)
    }

    async fn wait_until_healthy(&mut self, http: &reqwest::Client) -> Result<()> {
        let address = format!("{}/_ministack/health", self.endpoint());
        let until = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.ended()? {
                bail!("the local AWS stopped during its start ({status}); see {}", self.log.display());
            }
            let answer = http.get(&address).timeout(Duration::from_secs(2)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!(
                    "the local AWS does not answer after {} s; see {}",
                    START_TIMEOUT.as_secs(),
                    self.log.display()
                );
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Saves the deployed agencies for the operator's commands.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save_agencies(&self, rows: &[u8]) -> Result<()> {
        write_whole(&self.folder.join(AGENCIES_FILE), rows, false)
    }

    /// The id of the process whose children are the function processes.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The log, including the functions' output.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The exit status if the local AWS has ended.
    ///
    /// # Errors
    /// The status of the process cannot be read.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("the status of the local AWS cannot be read")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Ends the process group at once. The guard does the same when this process is killed before.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// File with the deployed agencies of the hub on a port of this machine.
#[must_use]
pub fn agencies_file(workspace: &Workspace, port: u16) -> PathBuf {
    workspace.state(&format!("run/{port}/{AGENCIES_FILE}"))
}

/// Checks that a port of 127.0.0.1 is free; 0 chooses a free port.
///
/// # Errors
/// The port is in use.
pub fn available_port(port: u16) -> Result<u16> {
    match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        Ok(listener) => Ok(listener.local_addr().context("the number of the port cannot be read")?.port()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!(
                "port {port} is in use: end the program that listens on it, or choose another port with --port. Kits and \
                 shells that name this port then need the new one: `agency kit CODE --out DIR --renew`, `token --export`"
            )
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

/// The environment of the local AWS, and so of each function, besides three paths.
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
    fn a_port_in_use_is_reported() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = available_port(port).unwrap_err().to_string();
        assert!(error.starts_with(&format!("port {port} is in use")), "{error}");
        assert!(available_port(0).unwrap() > 0);
    }
}
