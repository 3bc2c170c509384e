//! What is shown: tables on a terminal, plain lines elsewhere, and errors.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use agency::HubClientError;
use agency::config::ConfigError;
use anyhow::Result;
use console::{measure_text_width, style};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::Value;

use crate::report::Wrong;
use crate::setting::Missing;

pub(crate) fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Tells why a command failed.
///
/// Returns its exit code.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    let label = style("error").for_stderr().red().bold();
    // Nobody is left to tell where standard error is closed.
    let _told = writeln!(std::io::stderr(), "{label}: {error:#}");
    let refused = error.downcast_ref::<HubClientError>().and_then(HubClientError::problem);
    if let Some(problem) = refused {
        let fields = problem.errors.iter().map(|wrong| format!("  {} {}", wrong.pointer, wrong.detail));
        let hint = advice(problem.code()).map(|advice| format!("  {advice}"));
        for line in fields.chain(hint) {
            let _told = writeln!(std::io::stderr(), "{line}");
        }
        return ExitCode::from(7);
    }
    if error.is::<Wrong>() {
        return ExitCode::from(2);
    }
    let wrong = error.is::<ConfigError>() || error.is::<Missing>();
    ExitCode::from(if wrong { 3 } else { 1 })
}

/// What helps against a refusal.
pub(crate) fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "signature_expired" => "this machine's clock is too far from the hub's: set it",
        "unknown_key" | "unauthorized" => {
            "the hub does not know this signing key: hand its public part to the hub's operator"
        }
        "bad_signature" => "the signing key is not the one that the hub knows under its name",
        "stale_version" => "the case has moved on: `tongban-agency show` tells its version",
        "illegal_step" => "the case does not take this report now: `tongban-agency show` tells its stage",
        "other_leg" => "the agency's part in the case is over, or has not yet come",
        "not_found" => "no such case of this agency",
        _ => return None,
    })
}

/// A spinner on a terminal, nothing elsewhere.
pub(crate) fn spinner(text: &str) -> ProgressBar {
    let moving = std::io::stderr().is_terminal();
    let target = if moving { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target).with_message(text.to_owned());
    if moving {
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
    }
    bar
}

/// Rows under a head, in columns.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Result<()> {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| measure_text_width(&row[column]));
        widths.chain([measure_text_width(head[column])]).max().unwrap_or(0)
    };
    let line = |cells: [&str; N]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let pad = width(column).saturating_sub(measure_text_width(cell));
            format!("{cell}{}", " ".repeat(pad))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    print(&style(line(head)).bold().to_string())?;
    rows.iter().try_for_each(|row| print(&line(row.each_ref().map(String::as_str))))
}

/// The members of an object, one a line; those of a list below each other.
pub(crate) fn members(shown: &Value) -> Result<()> {
    for (name, value) in shown.as_object().into_iter().flatten() {
        let rows = match value {
            Value::Array(rows) => rows.iter().map(plain).collect(),
            other => vec![plain(other)],
        };
        for (index, row) in rows.iter().enumerate() {
            let label = style(format!("{:<16}", if index == 0 { name.as_str() } else { "" })).cyan();
            print(&format!("{label}{row}"))?;
        }
    }
    Ok(())
}

/// A value without quotes around a text.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
