//! An agency: a real process of its own that reads its queue and reports by a script.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use domain::ids::AgencyCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tongban::aws::LOCAL_REGION;
use tongban::local::{LocalStack, account_of};
use tongban_tests::until::until;

/// The program, beside the folder of this test's own.
const PROGRAM: &str = "tongban-partner";
/// How long it may take to end once it is asked to.
const END: Duration = Duration::from_secs(30);

/// A running agency.
pub(crate) struct Agency {
    code: AgencyCode,
    script: String,
    process: Child,
}

impl Agency {
    /// Starts its process; what it writes goes into the folder.
    pub(crate) fn start(stack: &LocalStack, code: &AgencyCode, script: &str, folder: &Path) -> Agency {
        let config = folder.join(format!("{code}.json"));
        write_private(&config, &settings(stack, code).to_string());
        let log = File::create(folder.join(format!("{code}.log"))).expect("a log");
        let process = Command::new(program())
            .args(["simulate", "--script", script, "--config"])
            .arg(&config)
            .env_clear()
            .envs(environment(stack, code))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the agency's program");
        Agency { code: code.clone(), script: script.to_owned(), process }
    }

    pub(crate) fn script(&self) -> &str {
        &self.script
    }

    /// Asks the process to end as an operator would, and waits for it.
    pub(crate) async fn end(mut self) {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(id, Signal::TERM).expect("a running process");
        let name = format!("the end of agency {}", self.code);
        let process = &mut self.process;
        let status = until(&name, END, || std::future::ready(process.try_wait().expect("a child"))).await;
        assert!(status.success(), "agency {} ended with {status}", self.code);
    }
}

impl Drop for Agency {
    fn drop(&mut self) {
        // Only for a run that broke off: whoever has ended already is not killed again.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What an agency's process is given: its own account, and where AWS is.
pub(crate) fn environment(stack: &LocalStack, code: &AgencyCode) -> [(&'static str, String); 4] {
    [
        ("AWS_REGION", LOCAL_REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", account_of(code)),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_ENDPOINT_URL", stack.endpoint()),
    ]
}

/// The agency's program, built beside this test.
pub(crate) fn program() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    let program = own.ancestors().nth(2).expect("a folder above").join(PROGRAM);
    assert!(program.is_file(), "{} is not built", program.display());
    program
}

/// Its settings with its private keys.
pub(crate) fn settings(stack: &LocalStack, code: &AgencyCode) -> Value {
    let agency = stack.agency(code).expect("an agency");
    json!({
        "agency": code,
        "queue_url": agency.queue_url,
        "reports_queue_url": agency.reports_queue_url,
        "hub_url": stack.api_url_by_number().expect("an address"),
        "hub_keys": [stack.hub_key().to_jwk().expect("a public key")],
        "signing_key": agency.keys.signing.to_jwk().expect("a private key"),
        "encryption_keys": [agency.keys.encryption.to_jwk().expect("a private key")],
        "wait_seconds": 5,
    })
}

/// Writes a file that this user alone may read.
pub(crate) fn write_private(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("a written file");
}
