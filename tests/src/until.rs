//! Waiting for a condition: the shared wait, which fails the test at the deadline.

use std::time::Duration;

use app_client::DeadlineExceeded;

/// Repeats `check` until it returns a value, and returns that value.
///
/// # Panics
/// With `what` when no check returns a value within `deadline`.
pub async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    deadline: Duration,
    mut check: impl FnMut() -> F,
) -> T {
    let found = app_client::until(what, deadline, || {
        let checked = check();
        async move { Ok::<_, DeadlineExceeded>(checked.await) }
    })
    .await;
    found.unwrap_or_else(|error| panic!("{error}"))
}

/// As [`until`], for a test that is not asynchronous.
///
/// # Panics
/// As [`until`], and within an asynchronous test.
pub fn until_blocking<T>(what: &str, deadline: Duration, mut check: impl FnMut() -> Option<T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(until(what, deadline, || std::future::ready(check())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::until;

    #[tokio::test]
    #[should_panic(expected = "timed out after 0 s waiting for the impossible")]
    async fn the_deadline_fails_the_test() {
        until("the impossible", Duration::ZERO, || async { None::<()> }).await;
    }
}
