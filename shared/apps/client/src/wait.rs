//! Waiting for a condition, never longer than a deadline.

use std::time::Duration;

use thiserror::Error;

/// Pause between two checks: short for a reader, long enough not to keep a local hub busy.
const INTERVAL: Duration = Duration::from_millis(100);

/// A condition did not hold before its deadline.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("timed out after {} s waiting for {what}", deadline.as_secs())]
pub struct DeadlineExceeded {
    /// The condition, as the caller named it.
    pub what: String,
    /// How long the caller waited.
    pub deadline: Duration,
}

/// Repeats `check` until it returns a value, and returns that value. A check that is still running at the deadline is
/// cancelled.
///
/// # Errors
/// The first error of `check`, or [`DeadlineExceeded`], which names `what`.
pub async fn until<T, E: From<DeadlineExceeded>, F: Future<Output = Result<Option<T>, E>>>(
    what: &str,
    deadline: Duration,
    mut check: impl FnMut() -> F,
) -> Result<T, E> {
    let checks = async {
        loop {
            if let Some(value) = check().await? {
                return Ok(value);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    let result = tokio::time::timeout(deadline, checks).await;
    result.unwrap_or_else(|_| Err(DeadlineExceeded { what: what.to_owned(), deadline }.into()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct CheckFailed(String);

    impl From<DeadlineExceeded> for CheckFailed {
        fn from(error: DeadlineExceeded) -> CheckFailed {
            CheckFailed(error.to_string())
        }
    }

    const DEADLINE: Duration = Duration::from_secs(7);

    #[tokio::test(start_paused = true)]
    async fn checks_are_repeated_until_one_returns_a_value() {
        let checks = Cell::new(0);
        let third = until("a third check", DEADLINE, || {
            checks.set(checks.get() + 1);
            let done = checks.get() == 3;
            async move { Ok::<_, CheckFailed>(done.then_some("value")) }
        });
        assert_eq!(third.await, Ok("value"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_a_wait_even_during_a_check() {
        let expected = Err(CheckFailed("timed out after 7 s waiting for nothing".to_owned()));
        let never = until("nothing", DEADLINE, async || Ok::<_, CheckFailed>(None::<()>)).await;
        assert_eq!(never, expected);
        let stuck = until("nothing", DEADLINE, async || {
            std::future::pending::<Result<Option<()>, CheckFailed>>().await
        });
        assert_eq!(stuck.await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_a_check_ends_the_wait() {
        let failed =
            until("nothing", DEADLINE, async || Err::<Option<()>, _>(CheckFailed("broken".to_owned())));
        assert_eq!(failed.await, Err(CheckFailed("broken".to_owned())));
    }
}
