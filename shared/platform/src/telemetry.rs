//! The log: JSON lines on standard output, which Lambda writes to CloudWatch.
//!
//! One rule for the level: a fault that needs a person is ERROR, which raises the function's alarm; a fault that passes by
//! itself, or that its sender must fix, is WARN. A fault that is found again with every retry is ERROR once, see
//! [`log_fault`](crate::log_fault), so that its alarm rings once.
//!
//! Never log: bodies, headers, names, numbers, addresses, URLs with a query, keys, tokens, panic messages, answers of
//! AWS. Log: ids, stages, versions, codes, counts, durations. Crates outside this workspace log `warn` at most, at
//! every level, because an SDK logs its requests at `debug`.

use std::io::Write;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use tracing::level_filters::LevelFilter;
use tracing::{Level as TracingLevel, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

/// The hub's own crates, whose level `LOG_LEVEL` sets.
const CRATES: [&str; 11] = [
    "domain",
    "protocol",
    "platform",
    "http_kit",
    "intake",
    "subscriptions",
    "documents",
    "router",
    "reports",
    "callbacks",
    "sweeper",
];

/// Log level of the hub's own crates. Each level includes the levels before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Failures that need a person.
    Error,
    /// Failures that pass without a person.
    Warn,
    /// A line for each request and each message.
    #[default]
    Info,
    /// Steps within a request or a message.
    Debug,
}

impl Level {
    /// The values of `LOG_LEVEL`.
    pub const NAMED: [(&str, Level); 4] =
        [("error", Level::Error), ("warn", Level::Warn), ("info", Level::Info), ("debug", Level::Debug)];

    fn filter(self) -> LevelFilter {
        LevelFilter::from_level(match self {
            Level::Error => TracingLevel::ERROR,
            Level::Warn => TracingLevel::WARN,
            Level::Info => TracingLevel::INFO,
            Level::Debug => TracingLevel::DEBUG,
        })
    }
}

/// Starts logging and installs the panic hook. Only the first call of a process has an effect.
///
/// The hook logs the location of a panic and aborts the process, as a release build does. The hook does not log the
/// panic's message, because the message may quote personal data.
pub fn init(level: Level) {
    if tracing::subscriber::set_global_default(subscriber(level, std::io::stdout)).is_ok() {
        std::panic::set_hook(Box::new(|info| {
            panicked(info.location());
            std::process::abort();
        }));
    }
}

/// Logs a panic. Takes only the location, so that it cannot log the message.
fn panicked(location: Option<&Location<'_>>) {
    let file = location.map_or("unknown", Location::file);
    let line = location.map_or(0, Location::line);
    tracing::error!(file, line, "the process panicked and ends");
}

fn subscriber<W>(level: Level, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let ours = CRATES.map(|target| (target, level.filter()));
    let targets = Targets::new().with_default(LevelFilter::WARN.min(level.filter())).with_targets(ours);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(targets).with(lines)
}

/// Most faults that a process remembers.
const REMEMBERED_FAULTS: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();
/// Time after which a fault that is still there is logged as an error again, so that its alarm rings again.
const LOGGED_AGAIN: Duration = Duration::from_secs(12 * 60 * 60);

/// The faults that were logged as errors, each with the time.
struct LoggedFaults(LruCache<String, Instant>);

impl LoggedFaults {
    fn is_new(&mut self, fault: &str, now: Instant) -> bool {
        let is_logged = self.0.get(fault).is_some_and(|at| now.saturating_duration_since(*at) < LOGGED_AGAIN);
        if !is_logged {
            self.0.put(fault.to_owned(), now);
        }
        !is_logged
    }
}

/// Whether this process has not logged this fault in the last twelve hours. A permanent fault that is found again and
/// again is logged as an error once, so that its alarm rings once.
#[must_use]
pub fn is_new_fault(fault: &str) -> bool {
    static LOGGED: LazyLock<Mutex<LoggedFaults>> =
        LazyLock::new(|| Mutex::new(LoggedFaults(LruCache::new(REMEMBERED_FAULTS))));
    LOGGED.lock().unwrap_or_else(PoisonError::into_inner).is_new(fault, Instant::now())
}

/// Logs a fault: at level ERROR when it needs a person and this process has not logged it before ([`is_new_fault`]), else at
/// level WARN. The first two arguments say whether it needs a person, and which fault it is; the others are those of
/// `tracing::warn!`.
#[macro_export]
macro_rules! log_fault {
    ($needs_person:expr, $fault:expr, $($line:tt)+) => {
        if $needs_person && $crate::telemetry::is_new_fault($fault) {
            ::tracing::error!($($line)+);
        } else {
            ::tracing::warn!($($line)+);
        }
    };
}

/// Writes to standard error why a function cannot start, and exits with 1. For `main`, before the log starts.
pub fn cannot_start(error: &dyn std::error::Error) -> ! {
    let line = serde_json::json!({ "level": "ERROR", "message": "the function cannot start", "error": error.to_string() });
    // The process exits next, so a failed write cannot be reported.
    let _ = writeln!(std::io::stderr(), "{line}");
    std::process::exit(1)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::sync::Arc;

    use super::*;

    /// A buffer for the written lines.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `work` logs.
    pub(crate) fn logged(level: Level, work: impl FnOnce()) -> Vec<serde_json::Value> {
        let page = Page::default();
        let writer = page.clone();
        tracing::subscriber::with_default(subscriber(level, move || writer.clone()), work);
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_a_json_object() {
        let lines = logged(Level::Info, || tracing::info!(application = "a-1", version = 3, "applied"));
        assert_eq!(lines.len(), 1);
        assert_eq!((&lines[0]["application"], &lines[0]["version"]), (&"a-1".into(), &3.into()));
        assert_eq!((&lines[0]["level"], &lines[0]["message"]), (&"INFO".into(), &"applied".into()));
    }

    #[test]
    fn other_crates_log_warnings_and_errors_only() {
        let work = || {
            tracing::debug!(target: "aws_smithy_runtime", "request canary");
            tracing::info!(target: "lambda_runtime", "event canary");
            tracing::warn!(target: "hyper", "heard");
            tracing::debug!("ours");
        };
        assert_eq!(logged(Level::Debug, work).len(), 2);
        assert_eq!(logged(Level::Error, work).len(), 0);
    }

    #[test]
    fn o6_a_fault_that_stays_rings_once_in_twelve_hours() {
        let mut logged = LoggedFaults(LruCache::new(NonZeroUsize::new(2).unwrap()));
        let start = Instant::now();
        assert_eq!(["a", "b", "a", "b"].map(|fault| logged.is_new(fault, start)), [true, true, false, false]);
        assert!(!logged.is_new("a", start + LOGGED_AGAIN - Duration::from_secs(1)));
        assert!(logged.is_new("a", start + LOGGED_AGAIN));
        assert!(!logged.is_new("a", start + LOGGED_AGAIN + Duration::from_secs(1)));
        assert!(logged.is_new("c", start), "the number of remembered faults is bounded");
        assert!(logged.is_new("b", start));
    }

    #[test]
    fn o6_a_fault_is_an_error_only_when_it_needs_a_person_and_the_first_time() {
        let lines = logged(Level::Info, || {
            for needs_person in [false, true, true] {
                log_fault!(needs_person, "o6 a queue is gone", queue = "11", "the queue is gone");
            }
        });
        let levels: Vec<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
        assert_eq!(levels, ["WARN", "ERROR", "WARN"]);
        assert_eq!((&lines[1]["queue"], &lines[1]["message"]), (&"11".into(), &"the queue is gone".into()));
    }

    #[test]
    fn a_panic_is_logged_by_its_place() {
        let lines = logged(Level::Error, || panicked(Some(Location::caller())));
        assert_eq!(lines[0]["message"], "the process panicked and ends");
        assert!(lines[0]["file"].as_str().unwrap().ends_with("telemetry.rs"));
    }
}
