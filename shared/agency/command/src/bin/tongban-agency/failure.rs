//! How a command fails: the message, advice, and the exit code.

use std::io::Write as _;
use std::process::ExitCode;

use agency::HubClientError;
use agency::config::AgencyConfigError;
use console::style;
use protocol::problem::agency::for_agencies;

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

/// Advice for a refusal: what the guide says.
pub(crate) fn advice(code: &str) -> Option<&'static str> {
    for_agencies(code).map(|problem| problem.remedy)
}
