//! Output: lines, tables and spinners.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;
use console::{measure_text_width, style};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::Value;

pub(crate) fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// A spinner on a terminal; hidden elsewhere.
pub(crate) fn spinner(text: &str) -> ProgressBar {
    let moving = std::io::stderr().is_terminal();
    let target = if moving { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target).with_message(text.to_owned());
    if moving {
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
    }
    bar
}

/// Prints rows under a header, in columns.
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

/// Prints the members of an object, one a line, and list items below each other.
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

/// A JSON value as text, without quotes around strings.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
