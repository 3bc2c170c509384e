//! The timeline: a line for each event that the app backend receives, and on a terminal a progress bar for each
//! application.

use std::time::{Duration, Instant};

use console::{Alignment, Color, Term, pad_str, style, truncate_str};
use domain::catalogue::Title;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;
use protocol::app::ActorView;

use super::scenario::Scenario;
use super::words;
use crate::terminal::Terminal;

/// Columns of the event.
pub(crate) const WHAT: usize = 21;
/// Columns of the time since the start.
const SINCE: usize = 8;
/// Columns of an application: with both names, and with the Chinese name only.
const APPLICATION: (usize, usize) = (18, 8);
/// Columns of the party that caused the event.
const WHO: usize = 17;
/// Columns of a callback.
const CALLBACK: usize = 8;
/// A terminal with fewer columns gets the short layout: the Chinese name of an application, and no details.
const NARROW: usize = 110;
/// A colour for each application: of its lines, and of its bar.
const COLOURS: [(Color, &str); 4] =
    [(Color::Cyan, "cyan"), (Color::Magenta, "magenta"), (Color::Yellow, "yellow"), (Color::Blue, "blue")];

/// Prints the walk.
pub(crate) struct Timeline {
    terminal: Terminal,
    begun: Instant,
    bars: Vec<ProgressBar>,
}

/// One line of the timeline.
pub(crate) struct TimelineEntry<'a> {
    /// The event in words.
    pub(crate) what: String,
    /// The party that caused the event.
    pub(crate) who: &'a ActorView,
    /// Delay of the callback; `None` for an event without callback.
    pub(crate) callback: Option<SignedDuration>,
    /// Details of the event.
    pub(crate) how: String,
}

impl Timeline {
    /// Prints the column heads, and shows a bar for each application.
    pub(crate) fn begin(terminal: &Terminal, scenarios: &[Scenario]) -> Timeline {
        let timeline = Timeline {
            terminal: terminal.clone(),
            begun: Instant::now(),
            bars: scenarios.iter().map(|scenario| bar(terminal, scenario)).collect(),
        };
        let heads = ["   since", "application", "event", "caused by", "callback", "details"];
        let width = timeline.width();
        terminal
            .line(&style(row(heads.map(str::to_owned), application_width(width), width)).dim().to_string());
        timeline
    }

    /// Prints one line.
    pub(crate) fn line(&self, scenario: &Scenario, entry: &TimelineEntry<'_>) {
        let width = self.width();
        let Title { zh, en } = &scenario.short;
        let narrow = application_width(width) == APPLICATION.1;
        let application = if narrow {
            format!("{} {zh}", scenario.number)
        } else {
            format!("{} {zh} {en}", scenario.number)
        };
        let callback = entry.callback.map(|after| format!("✓ {}", seconds(after.unsigned_abs())));
        let who = style(words::who(entry.who));
        let cells = [
            style(format!("{:>SINCE$}", seconds(self.begun.elapsed()))).dim().to_string(),
            style(application).fg(colour(scenario).0).to_string(),
            style(entry.what.clone()).bold().to_string(),
            match entry.who {
                ActorView::App => who.blue(),
                ActorView::Agency(_) => who.green(),
                ActorView::Hub | ActorView::Unknown => who.dim(),
            }
            .to_string(),
            style(callback.unwrap_or_default()).green().to_string(),
            style(entry.how.clone()).dim().to_string(),
        ];
        self.terminal.line(&row(cells, application_width(width), width));
    }

    /// Moves the bar of an application to one of its events.
    pub(crate) fn at(&self, scenario: &Scenario, version: u32, what: &str) {
        if let Some(bar) = self.bar(scenario) {
            bar.set_position(u64::from(version));
            bar.set_message(what.to_owned());
        }
    }

    /// Removes the bars.
    pub(crate) fn end(&self) {
        for bar in &self.bars {
            bar.finish_and_clear();
        }
    }

    fn bar(&self, scenario: &Scenario) -> Option<&ProgressBar> {
        self.bars.get(scenario.number.checked_sub(1)?)
    }

    /// Columns of the terminal; `None` for a pipe.
    fn width(&self) -> Option<usize> {
        let size = Term::stdout().size_checked().filter(|_| self.terminal.is_moving());
        size.map(|(_, columns)| usize::from(columns))
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.end();
    }
}

fn bar(terminal: &Terminal, scenario: &Scenario) -> ProgressBar {
    let length = u64::try_from(scenario.events().len()).unwrap_or_default();
    let bar = terminal.bar("", length);
    let template =
        format!("{{prefix}} {{bar:30.{}/dim}} {{pos:>2}}/{{len}} {{wide_msg}}", colour(scenario).1);
    if let Ok(look) = ProgressStyle::with_template(&template) {
        bar.set_style(look.progress_chars("━╸─"));
    }
    let Title { zh, en } = &scenario.short;
    let name = format!("{} {zh} {en}", scenario.number);
    bar.set_prefix(pad_str(&name, APPLICATION.0, Alignment::Left, None).into_owned());
    if terminal.is_moving() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}

fn colour(scenario: &Scenario) -> (Color, &'static str) {
    COLOURS[scenario.number.saturating_sub(1) % COLOURS.len()]
}

fn application_width(width: Option<usize>) -> usize {
    if width.is_some_and(|width| width < NARROW) { APPLICATION.1 } else { APPLICATION.0 }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f32())
}

/// Joins cells to a row and cuts it at the width of the terminal. A Chinese character takes two columns.
fn row(cells: [String; 6], application: usize, width: Option<usize>) -> String {
    let widths = [SINCE, application, WHAT, WHO, CALLBACK];
    let [head @ .., how] = &cells;
    let mut row = String::new();
    for (cell, width) in head.iter().zip(widths) {
        row.push_str(&pad_str(cell, width, Alignment::Left, Some("")));
        row.push_str("  ");
    }
    if application == APPLICATION.0 {
        row.push_str(how);
    }
    let row = row.trim_end();
    match width {
        Some(width) => truncate_str(row, width, "…").into_owned(),
        None => row.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::*;

    fn cells(how: &str) -> [String; 6] {
        ["  1.20 s", "3 证明 certificate", "已接收 received", "河北省 Hebei", "✓ 0.21 s", how]
            .map(str::to_owned)
    }

    #[test]
    fn columns_align_for_chinese_and_latin_text() {
        let full = row(cells("taken"), APPLICATION.0, None);
        assert_eq!(
            full,
            "  1.20 s  3 证明 certificate  已接收 received        河北省 Hebei       ✓ 0.21 s  taken"
        );
        let latin = ["  1.20 s", "3 x certificate", "received", "Hebei", "", "taken"].map(str::to_owned);
        let before = |row: &str| measure_text_width(row.split("taken").next().unwrap_or_default());
        assert_eq!(before(&full), before(&row(latin, APPLICATION.0, None)));
    }

    #[test]
    fn a_row_fits_the_terminal() {
        for width in [20, 60, 80, 100] {
            let application = application_width(Some(width));
            let cut = row(cells(&"long ".repeat(40)), application, Some(width));
            assert!(measure_text_width(&cut) <= width, "{cut}");
        }
        assert!(row(cells(&"long ".repeat(40)), APPLICATION.0, None).ends_with("long long"));
        // The widest line without details fits a terminal of 80 columns.
        assert!(SINCE + APPLICATION.1 + WHAT + WHO + CALLBACK + 8 <= 80);
    }
}
