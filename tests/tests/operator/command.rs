//! Runs the operator's command as a process.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde::de::DeserializeOwned;
use tongban_tests::repository::root;

use crate::test_hub::TestHub;

/// The output and exit code of a command.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl CommandOutput {
    /// The standard output of a successful command.
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// The standard error of a command that failed with this code.
    pub(crate) fn failure(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        self.err
    }

    /// The JSON output of a successful command.
    pub(crate) fn json<T: DeserializeOwned>(self) -> T {
        let out = self.success();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }
}

/// Runs `tongban agency` with these arguments.
pub(crate) async fn agency_command(test_hub: &TestHub, words: &[&str]) -> CommandOutput {
    let mut command = Command::new(program());
    command
        .arg("agency")
        .args(words)
        .current_dir(root())
        .env("TONGBAN_PORT", test_hub.port())
        .env("TONGBAN_STACK", test_hub.name())
        .env("USER", "tester")
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
    let Output { status, stdout, stderr } = output.expect("the operator's program");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text").trim_end().to_owned();
    CommandOutput { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// Path of the operator's program of this build.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    let program = own.ancestors().nth(2).expect("a folder above").join("tongban");
    assert!(program.is_file(), "{} is not built", program.display());
    program
}
