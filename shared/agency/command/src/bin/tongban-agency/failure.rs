//! How a command fails: the message, advice, and the exit code.

use std::io::Write as _;
use std::process::ExitCode;

use agency::HubClientError;
use agency::config::AgencyConfigError;
use console::style;

use crate::report::InvalidResult;
use crate::setting::MissingVariables;

/// Prints why a command failed.
///
/// Returns the exit code.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    let label = style("error").for_stderr().red().bold();
    // Standard error may be closed.
    let _told = writeln!(std::io::stderr(), "{label}: {error:#}");
    let refused = error.downcast_ref::<HubClientError>().and_then(HubClientError::problem);
    if let Some(problem) = refused {
        let fields = problem.errors.iter().map(|field| format!("  {} {}", field.pointer, field.detail));
        let hint = advice(problem.code()).map(|advice| format!("  {advice}"));
        for line in fields.chain(hint) {
            let _told = writeln!(std::io::stderr(), "{line}");
        }
        return ExitCode::from(7);
    }
    if error.is::<InvalidResult>() {
        return ExitCode::from(2);
    }
    let configuration = error.is::<AgencyConfigError>() || error.is::<MissingVariables>();
    ExitCode::from(if configuration { 3 } else { 1 })
}

/// Advice for a refusal.
pub(crate) fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "signature_expired" => "this machine's clock differs too much from the hub's: set it",
        "unknown_key" | "unauthorized" => {
            "the hub does not know this signing key: give its public part to the hub's operator"
        }
        "bad_signature" => {
            "the hub knows another key under this kid: compare the signing key with the operator's"
        }
        "stale_version" => "the case has moved on: `tongban-agency show` prints its version",
        "illegal_step" => {
            "the case does not accept this report at its stage: `tongban-agency show` prints the stage"
        }
        "other_leg" => "another leg of the case is in progress: this agency cannot report now",
        "not_found" => "this agency has no such case",
        _ => return None,
    })
}
