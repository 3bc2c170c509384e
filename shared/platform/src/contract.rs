//! What every implementation of a port must do: one suite, run against the fake and against the AWS
//! adapter. It panics where one does not, and leaves everything usable in a table that others use too:
//! ids and tenants are new at each run.

pub mod sample;
mod settings;
mod store;

use std::future::Future;
use std::time::Duration;

pub use settings::settings_contract;
pub use store::store_contract;

/// How long an eventually consistent read may take to show a write.
const DEADLINE: Duration = Duration::from_secs(10);

/// Repeats a read until it satisfies, or gives the last answer after [`DEADLINE`].
async fn eventually<T, F: Future<Output = T>>(read: impl Fn() -> F, satisfies: impl Fn(&T) -> bool) -> T {
    let begun = tokio::time::Instant::now();
    let mut beat = tokio::time::interval(Duration::from_millis(50));
    loop {
        beat.tick().await;
        let answer = read().await;
        if satisfies(&answer) || begun.elapsed() > DEADLINE {
            return answer;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::FakeSettings;
    use crate::store::FakeStore;

    #[tokio::test]
    async fn the_fake_store_keeps_the_contract() {
        super::store_contract(|| async { FakeStore::default() }).await;
    }

    #[tokio::test]
    async fn the_fake_settings_keep_the_contract() {
        super::settings_contract(|| async { FakeSettings::default() }).await;
    }
}
