//! An inbox in an SQLite file, for an agency that does not keep the inbox in a database of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::ids::{ApplicationId, EventId};
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use thiserror::Error;

use super::port::{Inbox, InboxError};

/// Days that an application is remembered after its last message. A case can be open for over a year, and the hub
/// resends old messages of open cases.
pub const RETENTION_DAYS: i64 = 400;
/// How long one access waits for a write lock of another process.
const BUSY: Duration = Duration::from_secs(5);
/// Wait between two attempts to prepare a file that another process prepares.
const BUSY_RETRY: Duration = Duration::from_millis(10);
/// Seconds between two deletions of old rows.
const PRUNE_SECONDS: i64 = 24 * 60 * 60;
/// Most rows of one deletion, so that no message waits long for it.
const PRUNE_ROWS: i64 = 10_000;
/// Schema version of the file, stored as `user_version`.
const LAYOUT: i64 = 1;

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS handled (
        application TEXT PRIMARY KEY,
        version     INTEGER NOT NULL,
        at          INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS handled_at ON handled (at);";

/// The file was written by a later version of this library.
#[derive(Debug, Error)]
#[error("the inbox file has schema version {0}, but this library only knows version {LAYOUT}")]
struct UnknownSchema(i64);

/// An inbox in an SQLite file: one row an application, with the highest handled version. The file survives crashes and
/// power loss, and several processes may share the file. The inbox holds ids and versions but no personal data, and
/// forgets an application [`RETENTION_DAYS`] after its last message.
#[derive(Clone, Debug)]
pub struct SqliteInbox {
    path: PathBuf,
    open: Arc<Mutex<Option<Open>>>,
}

/// The open connection.
#[derive(Debug)]
struct Open {
    file: Connection,
    /// Time of the last deletion of old rows, in seconds since 1970.
    pruned: i64,
}

impl SqliteInbox {
    /// The inbox at a path. The first use opens or creates the file.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> SqliteInbox {
        SqliteInbox { path: path.into(), open: Arc::default() }
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of applications that the inbox remembers.
    ///
    /// # Errors
    /// [`InboxError`].
    pub async fn applications(&self) -> Result<i64, InboxError> {
        self.with(|file, _| file.query_row("SELECT count(*) FROM handled", [], |row| row.get(0))).await
    }

    /// Runs `work` on tokio's blocking threads.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, i64) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, InboxError> {
        let (path, open) = (self.path.clone(), Arc::clone(&self.open));
        let task = move || -> Result<T, InboxError> {
            let now = Timestamp::now().as_second();
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.is_none() {
                *open = Some(Open { file: opened(&path)?, pruned: 0 });
            }
            let Some(Open { file, pruned }) = open.as_mut() else {
                return Err(failed(rusqlite::Error::InvalidQuery));
            };
            if now.saturating_sub(*pruned) >= PRUNE_SECONDS {
                *pruned = now;
                prune(file, now).map_err(failed)?;
            }
            work(file, now).map_err(failed)
        };
        tokio::task::spawn_blocking(task).await.map_err(|error| InboxError(error.into()))?
    }
}

fn failed(error: rusqlite::Error) -> InboxError {
    InboxError(error.into())
}

/// Opens the file, and creates it when missing.
fn opened(path: &Path) -> Result<Connection, InboxError> {
    let file = Connection::open(path).map_err(failed)?;
    let layout = prepared(&file).map_err(failed)?;
    if layout == LAYOUT { Ok(file) } else { Err(InboxError(UnknownSchema(layout).into())) }
}

/// [`lay_out`], again while another process prepares the same file, for up to [`BUSY`]. SQLite does not apply the busy
/// timeout to the switch to WAL: of two connections that switch at once, one gets "busy" immediately.
#[allow(
    clippy::disallowed_methods,
    reason = "SQLite offers no condition to wait for; the retries are bounded"
)]
fn prepared(file: &Connection) -> rusqlite::Result<i64> {
    let started = Instant::now();
    loop {
        match lay_out(file) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && started.elapsed() < BUSY =>
            {
                std::thread::sleep(BUSY_RETRY);
            }
            result => return result,
        }
    }
}

/// Creates the schema in a new file.
///
/// Returns the file's schema version.
fn lay_out(file: &Connection) -> rusqlite::Result<i64> {
    file.busy_timeout(BUSY)?;
    // WAL: readers and a writer do not block each other. FULL: a handled message is on disk before it is deleted from
    // the queue.
    file.pragma_update(None, "journal_mode", "WAL")?;
    file.pragma_update(None, "synchronous", "FULL")?;
    let layout: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if layout != 0 {
        return Ok(layout);
    }
    file.execute_batch(TABLE)?;
    file.pragma_update(None, "user_version", LAYOUT)?;
    Ok(LAYOUT)
}

fn prune(file: &Connection, now: i64) -> rusqlite::Result<usize> {
    let before = now.saturating_sub(RETENTION_DAYS * 24 * 60 * 60);
    file.execute(
        "DELETE FROM handled WHERE application IN (SELECT application FROM handled WHERE at < ?1 LIMIT ?2)",
        params![before, PRUNE_ROWS],
    )
}

impl Inbox for SqliteInbox {
    async fn prepare(&self) -> Result<(), InboxError> {
        self.with(|_, _| Ok(())).await
    }

    async fn handled(&self, event: EventId) -> Result<bool, InboxError> {
        self.with(move |file, _| {
            let mut query = file.prepare("SELECT version FROM handled WHERE application = ?1")?;
            let application = event.application().to_string();
            let highest: Option<u32> = query.query_row([application], |row| row.get(0)).optional()?;
            Ok(highest.is_some_and(|highest| event.version() <= highest))
        })
        .await
    }

    async fn remember(&self, event: EventId) -> Result<(), InboxError> {
        self.with(move |file, now| {
            let mut row = file.prepare(
                "INSERT INTO handled (application, version, at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (application) DO UPDATE SET version = max(version, excluded.version), at = excluded.at",
            )?;
            row.execute(params![event.application().to_string(), event.version(), now])?;
            Ok(())
        })
        .await
    }

    async fn forget(&self, application: ApplicationId) -> Result<(), InboxError> {
        self.with(move |file, _| {
            file.execute("DELETE FROM handled WHERE application = ?1", [application.to_string()])?;
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestFolder, application};

    #[tokio::test]
    async fn old_applications_are_pruned_and_recent_ones_stay() {
        let folder = TestFolder::new();
        let path = folder.path("inbox.sqlite");
        let event = |number| EventId::new(application(number), 4).expect("an id");
        let inbox = SqliteInbox::at(&path);
        for number in [1, 2] {
            inbox.remember(event(number)).await.expect("written");
        }
        let aged = "UPDATE handled SET at = at - ?1 WHERE application = ?2";
        let seconds = RETENTION_DAYS * 24 * 60 * 60;
        for (number, age) in [(1, seconds + 60), (2, seconds - 60)] {
            let application = application(number).to_string();
            let change = move |file: &Connection, _| file.execute(aged, params![age, application]);
            inbox.with(change).await.expect("aged");
        }
        let again = SqliteInbox::at(&path);
        assert!(!again.handled(event(1)).await.expect("read"));
        assert!(again.handled(event(2)).await.expect("read"));
        assert_eq!(again.applications().await.expect("read"), 1);
    }

    #[tokio::test]
    async fn two_processes_share_one_file() {
        let folder = TestFolder::new();
        let path = folder.path("inbox.sqlite");
        let (one, other) = (SqliteInbox::at(&path), SqliteInbox::at(&path));
        let events: Vec<_> = (1..40).filter_map(|version| EventId::new(application(1), version)).collect();
        for pair in events.chunks(2) {
            let last = pair.last().copied().expect("an event");
            let (a, b) = tokio::join!(one.remember(pair[0]), other.remember(last));
            a.and(b).expect("both written");
        }
        assert!(one.handled(events[38]).await.expect("read"));
    }

    /// SQLite answers "busy" at once, whatever the timeout, when two connections switch one new file to WAL.
    #[tokio::test]
    async fn processes_that_create_the_file_at_once_all_open_it() {
        for _ in 0..50 {
            let folder = TestFolder::new();
            let path = folder.path("inbox.sqlite");
            let all = (0..8).map(|_| SqliteInbox::at(&path)).collect::<Vec<_>>();
            for opened in futures_util::future::join_all(all.iter().map(Inbox::prepare)).await {
                opened.expect("opened");
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_a_database_is_refused_before_the_first_message() {
        let folder = TestFolder::new();
        let path = folder.write("inbox.sqlite", "this is no database, and long enough to be told from one");
        assert!(SqliteInbox::at(path).prepare().await.is_err());
        assert!(SqliteInbox::at(folder.path("none/inbox.sqlite")).prepare().await.is_err());
        let later = folder.path("later.sqlite");
        let file = Connection::open(&later).expect("a file");
        file.pragma_update(None, "user_version", 9).expect("written");
        let error = SqliteInbox::at(later).prepare().await.expect_err("another layout");
        assert_eq!(
            error.0.to_string(),
            "the inbox file has schema version 9, but this library only knows version 1"
        );
    }
}
