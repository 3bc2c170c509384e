//! Contract suites: one suite for each port, run against the fake and against the AWS adapter. A suite panics when the
//! implementation breaks the contract. Ids and tenants are new in each run, so a suite may run on a shared table.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, reason = "a suite panics at a fault")]
#![allow(clippy::indexing_slicing, clippy::string_slice, reason = "a suite panics at a fault")]

mod agency_registry;
mod deliveries;
mod documents;
mod queues;
pub mod sample;
mod store;
mod tenant_rows;
mod vault;

use std::future::Future;
use std::time::Duration;

pub use agency_registry::{Operator, agency_registry_contract};
pub use deliveries::deliveries_contract;
pub use documents::{LinkClient, documents_contract};
pub use queues::{QueuedMessage, Reader, queues_contract};
pub use store::store_contract;
pub use tenant_rows::{subscribe, tenant_rows_contract};
pub use vault::vault_contract;

/// How long an eventually consistent read may take to show a write.
const DEADLINE: Duration = Duration::from_secs(10);
/// Time between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Repeats a read until its answer satisfies the condition, at most for [`DEADLINE`]. Returns the last answer.
async fn eventually<T, F: Future<Output = T>>(read: impl Fn() -> F, satisfies: impl Fn(&T) -> bool) -> T {
    let begun = tokio::time::Instant::now();
    let mut poll = tokio::time::interval(POLL_INTERVAL);
    loop {
        poll.tick().await;
        let answer = read().await;
        if satisfies(&answer) || begun.elapsed() > DEADLINE {
            return answer;
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::agency_override::AgencyOverride;
    use domain::ids::AgencyCode;
    use protocol::report::Link;

    use super::{LinkClient, Operator, QueuedMessage, Reader};
    use crate::agency_registry::FakeAgencyRegistry;
    use crate::clock::FakeClock;
    use crate::deliveries::FakeDeliveries;
    use crate::documents::FakeDocuments;
    use crate::faults::Faults;
    use crate::queues::{FakeQueues, Queue};
    use crate::store::FakeStore;
    use crate::tenant_rows::MemoryTenantRows;
    use crate::vault::FakeVault;

    #[tokio::test]
    async fn the_fake_store_keeps_the_contract() {
        super::store_contract(|| async { FakeStore::default() }).await;
    }

    #[tokio::test]
    async fn the_rows_in_memory_keep_the_contract() {
        super::tenant_rows_contract(|| async { MemoryTenantRows::default() }).await;
    }

    #[tokio::test]
    async fn the_fake_deliveries_keep_the_contract() {
        super::deliveries_contract(&FakeDeliveries::default()).await;
    }

    impl Operator for FakeAgencyRegistry {
        async fn override_agency(&self, agency: &AgencyCode, change: AgencyOverride) {
            FakeAgencyRegistry::override_agency(self, &super::sample::agencies(), agency, change);
        }
    }

    #[tokio::test]
    async fn the_fake_agency_registry_keeps_the_contract() {
        let agency_registry = FakeAgencyRegistry::default();
        super::agency_registry_contract(&agency_registry, &agency_registry).await;
    }

    impl Reader for FakeQueues {
        async fn take(&self, queue: &Queue) -> Vec<QueuedMessage> {
            let group = |group| if *queue == Queue::Quarantine { None } else { Some(group) };
            let messages = self.drain(queue).into_iter();
            messages
                .map(|message| QueuedMessage { group: group(message.group), body: message.body })
                .collect()
        }
    }

    #[tokio::test]
    async fn the_fake_queues_keep_the_contract() {
        let queues = FakeQueues::new(Faults::default(), FakeClock::default());
        queues.remove(Queue::Agency("46".parse().expect("an agency")));
        super::queues_contract(&queues, &queues.unconfigured(), &queues).await;
    }

    impl LinkClient for FakeDocuments {
        async fn put(&self, link: &Link, bytes: &[u8]) -> bool {
            self.upload(link, bytes).is_some()
        }

        async fn get(&self, link: &Link) -> Option<Vec<u8>> {
            self.fetch(link)
        }

        async fn store(&self, key: &str, media_type: &str, bytes: &[u8]) -> String {
            FakeDocuments::put(self, key, media_type, None, bytes)
        }
    }

    #[tokio::test]
    async fn the_fake_documents_keep_the_contract() {
        let documents = FakeDocuments::new(Faults::default(), FakeClock::default());
        super::documents_contract(&documents, &documents).await;
    }

    #[tokio::test]
    async fn the_fake_vault_keeps_the_contract() {
        super::vault_contract(|| async { FakeVault::default() }).await;
    }
}
