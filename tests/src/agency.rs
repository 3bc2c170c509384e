//! The agency program `tongban-agency`: its path, configuration and environment.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use domain::ids::AgencyCode;
use serde_json::{Value, json};
use tongban::aws::LOCAL_REGION;
use tongban::endpoints::account_of;
use tongban::local::LocalStack;

/// File name of the program. Cargo builds it one folder above the test's own executable.
const PROGRAM: &str = "tongban-agency";

/// Environment of an agency's process: the credentials of its AWS account, and the local AWS endpoint.
#[must_use]
pub fn environment(stack: &LocalStack, code: &AgencyCode) -> [(&'static str, String); 4] {
    [
        ("AWS_REGION", LOCAL_REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", account_of(code)),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_ENDPOINT_URL", stack.endpoint()),
    ]
}

/// Path of the agency program of this build.
///
/// # Panics
/// The program is not built.
#[must_use]
pub fn program() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    let program = own.ancestors().nth(2).expect("a folder above").join(PROGRAM);
    assert!(program.is_file(), "{} is not built", program.display());
    program
}

/// The configuration of an agency, with its private keys inline.
///
/// # Panics
/// The stack has no agency with this code.
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

/// Writes a file that only this user may read.
///
/// # Panics
/// The file cannot be written.
pub fn write_private(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("a written file");
}
