//! The contract of [`Inbox`], run against every implementation.

use std::num::NonZeroUsize;

use domain::ids::EventId;

use super::*;
use crate::testing::{TestFolder, application};

fn event(number: u8, version: u32) -> EventId {
    EventId::new(application(number), version).expect("an id")
}

/// The contract of every inbox.
async fn keeps_the_highest_version(inbox: &impl Inbox) {
    inbox.prepare().await.expect("an inbox");
    let handled = async |event| inbox.handled(event).await.expect("an inbox");
    assert!(!handled(event(1, 5)).await);
    for version in [5, 3, 5] {
        inbox.remember(event(1, version)).await.expect("an inbox");
    }
    assert!(handled(event(1, 5)).await && handled(event(1, 4)).await && handled(event(1, 1)).await);
    assert!(!handled(event(1, 6)).await, "a later version is news");
    assert!(!handled(event(2, 1)).await, "so is another application");
    inbox.remember(event(2, u32::MAX)).await.expect("an inbox");
    assert!(handled(event(2, u32::MAX)).await);
    inbox.forget(application(1)).await.expect("an inbox");
    inbox.forget(application(9)).await.expect("nothing to forget");
    assert!(!handled(event(1, 4)).await && handled(event(2, 7)).await);
    inbox.remember(event(1, 4)).await.expect("an inbox");
    assert!(handled(event(1, 4)).await && !handled(event(1, 5)).await);
}

#[tokio::test]
async fn the_inbox_in_memory_keeps_the_contract() {
    keeps_the_highest_version(&MemoryInbox::default()).await;
}

#[tokio::test]
async fn the_inbox_in_a_file_keeps_the_contract_and_outlives_its_process() {
    let folder = TestFolder::new();
    let path = folder.path("inbox.sqlite");
    let inbox = SqliteInbox::at(&path);
    assert!(!path.exists(), "nothing is made before it is used");
    keeps_the_highest_version(&inbox).await;
    drop(inbox);
    let again = SqliteInbox::at(&path);
    assert!(again.handled(event(1, 4)).await.expect("an inbox"));
    assert!(!again.handled(event(1, 5)).await.expect("an inbox"));
    assert!(again.handled(event(2, 9)).await.expect("an inbox"));
}

#[tokio::test]
async fn memory_is_bounded() {
    let inbox = MemoryInbox::bounded(NonZeroUsize::new(2).expect("2"));
    for number in 1..=3 {
        inbox.remember(event(number, 5)).await.expect("memory");
    }
    assert!(!inbox.handled(event(1, 5)).await.expect("memory"), "the quietest is forgotten");
}
