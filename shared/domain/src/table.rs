//! Generates the transition table of this crate's README.

use std::fmt::Write as _;

use crate::stage::{Purpose, Stage, Taker, reachable, steps};

/// The table in Markdown: one row for each stage, one line for each step with its taker and the next stage. Brackets
/// list the legs when only some legs have the step.
#[must_use]
pub fn transition_table() -> String {
    let mut table = String::from("| stage | possible steps |\n|---|---|\n");
    for &stage in Stage::ALL {
        let on: Vec<Purpose> =
            Purpose::ALL.iter().copied().filter(|p| reachable(*p).contains(&stage)).collect();
        let mut rows: Vec<String> = Vec::new();
        let mut seen = Vec::new();
        for purpose in &on {
            for (step, to) in steps(stage, *purpose) {
                if seen.contains(&(*step, *to)) {
                    continue;
                }
                seen.push((*step, *to));
                let legs: Vec<&str> = on
                    .iter()
                    .filter(|other| steps(stage, **other).contains(&(*step, *to)))
                    .map(|other| other.name())
                    .collect();
                let legs =
                    if legs.len() == on.len() { String::new() } else { format!(" [{}]", legs.join(", ")) };
                rows.push(format!("{} ({}) → {}{legs}", step.name(), taker(step.taken_by()), to.name()));
            }
        }
        let rows = if rows.is_empty() { "final".to_owned() } else { rows.join("<br>") };
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| **{}** | {rows} |", stage.name());
    }
    table
}

fn taker(taker: Taker) -> &'static str {
    match taker {
        Taker::App => "app",
        Taker::Agency => "agency",
        Taker::Hub => "hub",
        Taker::AppOrAgency => "app or agency",
    }
}
