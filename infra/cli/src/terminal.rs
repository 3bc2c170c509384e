//! What a person sees: steps with a spinner on a terminal, plain lines anywhere else.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Characters a spinner draws, the last one when it is done.
const TICKS: &str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ";

/// Where output goes.
#[derive(Clone, Debug)]
pub struct Terminal {
    bars: MultiProgress,
    silent: bool,
    moving: bool,
}

impl Terminal {
    /// Results on standard output; spinners on standard error where that is a terminal.
    #[must_use]
    pub fn new() -> Terminal {
        let moving = io::stderr().is_terminal() && io::stdout().is_terminal();
        let target = if moving { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Terminal { bars: MultiProgress::with_draw_target(target), silent: false, moving }
    }

    /// Says nothing: for tests.
    #[must_use]
    pub fn silent() -> Terminal {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        Terminal { bars, silent: true, moving: false }
    }

    /// Whether somebody watches: then bars move and colours are shown.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.moving
    }

    /// Prints one line above whatever moves. A closed pipe is no error: the reader has seen enough.
    pub fn line(&self, text: &str) {
        if !self.silent {
            self.bars.suspend(|| {
                let _ = writeln!(io::stdout(), "{text}");
            });
        }
    }

    /// Prints one line for whoever looks after errors, above whatever moves.
    pub fn complaint(&self, text: &str) {
        if !self.silent {
            self.bars.suspend(|| {
                let _ = writeln!(io::stderr(), "{text}");
            });
        }
    }

    /// Begins a step.
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

    /// A bar of `length` parts, for what is counted.
    #[must_use]
    pub fn bar(&self, text: &str, length: u64) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(length));
        if let Ok(look) = ProgressStyle::with_template("  {msg} {bar:24.cyan/dim} {pos}/{len}") {
            bar.set_style(look);
        }
        bar.set_message(text.to_owned());
        bar
    }

    /// A bar of `length` bytes.
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

/// A step under way. One that is dropped before it is done disappears: the error says the rest.
#[derive(Debug)]
pub struct Step {
    terminal: Terminal,
    bar: ProgressBar,
    since: Instant,
}

impl Step {
    /// Shows what the step is at, on a terminal only.
    pub fn at(&self, text: &str) {
        self.bar.set_prefix(console::truncate_str(text, 60, "…").into_owned());
    }

    /// Ends the step with what came of it.
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
