//! An agency's process: its program, its settings, its environment.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use domain::ids::AgencyCode;
use serde_json::{Value, json};
use tongban::aws::LOCAL_REGION;
use tongban::endpoints::account_of;
use tongban::local::LocalStack;

/// The program, beside the folder of a test's own.
const PROGRAM: &str = "tongban-agency";

/// What an agency's process is given: its own account, and where AWS is.
#[must_use]
pub fn environment(stack: &LocalStack, code: &AgencyCode) -> [(&'static str, String); 4] {
    [
        ("AWS_REGION", LOCAL_REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", account_of(code)),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_ENDPOINT_URL", stack.endpoint()),
    ]
}

/// The agency's program, built beside this test.
///
/// # Panics
/// It is not built.
#[must_use]
pub fn program() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    let program = own.ancestors().nth(2).expect("a folder above").join(PROGRAM);
    assert!(program.is_file(), "{} is not built", program.display());
    program
}

/// Its settings with its private keys.
///
/// # Panics
/// There is no such agency.
#[must_use]
pub fn settings(stack: &LocalStack, code: &AgencyCode) -> Value {
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
///
/// # Panics
/// It cannot be written.
pub fn write_private(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("a written file");
}
