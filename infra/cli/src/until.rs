//! Waiting for a condition, never longer than a deadline. The waits of the walk and of an app backend.

use std::time::Duration;

use anyhow::{Result, anyhow};

/// Between two looks: short for an eye, long for a local AWS.
const LOOK: Duration = Duration::from_millis(150);

/// Looks until `look` gives something, and gives that.
///
/// # Errors
/// What `look` fails with; where it gives nothing until the deadline, a sentence with `what`.
pub(crate) async fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let looking = async {
        loop {
            if let Some(seen) = look().await? {
                return Ok(seen);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let seen = tokio::time::timeout(deadline, looking).await;
    seen.unwrap_or_else(|_| Err(anyhow!("waited {} s in vain for {what}", deadline.as_secs())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use anyhow::bail;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn looks_until_it_sees_and_no_longer_than_the_deadline() {
        let mut looks = 0;
        let third = until("a third look", Duration::from_secs(1), async || {
            looks += 1;
            Ok((looks == 3).then_some("seen"))
        });
        assert_eq!(third.await.unwrap(), "seen");
        let never = until("nothing", Duration::from_secs(7), async || Ok(None::<()>)).await;
        assert_eq!(never.unwrap_err().to_string(), "waited 7 s in vain for nothing");
        let stuck = until("an answer", Duration::from_secs(7), async || {
            std::future::pending::<Result<Option<()>>>().await
        });
        assert_eq!(stuck.await.unwrap_err().to_string(), "waited 7 s in vain for an answer");
        let broken = until::<()>("nothing", Duration::from_secs(7), async || bail!("broken")).await;
        assert_eq!(broken.unwrap_err().to_string(), "broken");
    }
}
