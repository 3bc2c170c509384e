//! Output of the command: steps with a spinner on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Characters of a spinner; the last character is for a finished step.
const TICKS: &str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ";

/// Prints lines and progress.
#[derive(Clone, Debug)]
pub struct Terminal {
    bars: MultiProgress,
    silent: bool,
    moving: bool,
}

impl Terminal {
    /// Prints results on standard output, and spinners on standard error when both streams are terminals.
    #[must_use]
    pub fn new() -> Terminal {
        let moving = io::stderr().is_terminal() && io::stdout().is_terminal();
        let target = if moving { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Terminal { bars: MultiProgress::with_draw_target(target), silent: false, moving }
    }

    /// Prints nothing, for tests.
    #[must_use]
    pub fn silent() -> Terminal {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        Terminal { bars, silent: true, moving: false }
    }

    /// Whether standard output and standard error are terminals, so that bars move.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.moving
    }

    /// Prints one line on standard output, above the bars. A closed pipe is no error.
    pub fn line(&self, text: &str) {
        if !self.silent {
            self.bars.suspend(|| {
                let _ = writeln!(io::stdout(), "{text}");
            });
        }
    }

    /// Prints one line on standard error, above the bars.
    pub fn complaint(&self, text: &str) {
        if !self.silent {
            self.bars.suspend(|| {
                let _ = writeln!(io::stderr(), "{text}");
            });
        }
    }

    /// Begins a step with a spinner.
    #[must_use]
    pub fn step(&self, text: &str) -> Step {
        let bar = self.bars.add(ProgressBar::new_spinner());
        if let Ok(look) = ProgressStyle::with_template("{spinner:.cyan} {msg} {prefix:.dim}") {
            bar.set_style(look.tick_chars(TICKS));
        }
        bar.set_message(text.to_owned());
        if self.moving {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Step { terminal: self.clone(), bar, since: Instant::now() }
    }

    /// A progress bar of `length` items.
    #[must_use]
    pub fn bar(&self, text: &str, length: u64) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(length));
        if let Ok(look) = ProgressStyle::with_template("  {msg} {bar:24.cyan/dim} {pos}/{len}") {
            bar.set_style(look);
        }
        bar.set_message(text.to_owned());
        bar
    }

    /// A progress bar of `length` bytes.
    #[must_use]
    pub fn bytes(&self, text: &str, length: u64) -> ProgressBar {
        let bar = self.bar(text, length);
        if let Ok(look) =
            ProgressStyle::with_template("  {msg} {bar:24.cyan/dim} {bytes}/{total_bytes} {bytes_per_sec}")
        {
            bar.set_style(look);
        }
        bar
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Terminal::new()
    }
}

/// A step in progress. Dropping an unfinished step removes its line: the command's error names the cause.
#[derive(Debug)]
pub struct Step {
    terminal: Terminal,
    bar: ProgressBar,
    since: Instant,
}

impl Step {
    /// Shows the step's current item, on a terminal only.
    pub fn at(&self, text: &str) {
        self.bar.set_prefix(console::truncate_str(text, 60, "…").into_owned());
    }

    /// Ends the step and prints its result and duration.
    pub fn done(self, text: &str) {
        let took = self.since.elapsed();
        self.bar.finish_and_clear();
        let mark = style("✓").green();
        let took = style(format!("{:.1} s", took.as_secs_f32())).dim();
        self.terminal.line(&format!("{mark} {text} {took}"));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
