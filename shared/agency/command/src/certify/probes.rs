//! The checks that put a bad message into the queue.

use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::error::CertifyError;
use super::operator::{BadMessage, BadMessageKind};
use super::outcome::NotPassed;
use super::session::Session;
use super::single_case;
use agency::queue::{BATCH, CaseQueue as _, ReceivedMessage};

/// Visibility timeout of a message that certification received.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(5);
/// Concurrent receives, their long-poll time, and the pause between their starts: the consumer competes for the same
/// message, and more receives win it sooner.
const RECEIVES: u32 = 8;
const WAIT: Duration = Duration::from_secs(2);
const START_INTERVAL: Duration = Duration::from_millis(13);
/// How long certification leaves the message to the consumer, which has not received it yet.
const CONSUMER_HEAD_START: Duration = Duration::from_secs(1);
/// Polls in a row of an empty queue that prove that the message is gone.
const EMPTY_POLLS: u32 = 4;

pub(super) async fn unreadable(session: &Session<'_>) -> Result<(), NotPassed> {
    probe(session, BadMessageKind::Unreadable).await
}

pub(super) async fn forged(session: &Session<'_>) -> Result<(), NotPassed> {
    probe(session, BadMessageKind::Forged).await
}

async fn probe(session: &Session<'_>, kind: BadMessageKind) -> Result<(), NotPassed> {
    let since = Timestamp::now();
    let probe = session.needed_operator()?.probe(session.agency(), kind).await?;
    session.note_case(probe.application);
    let others = single_case::ordinary(session).await;
    // Remove the bad message whatever the consumer did.
    let removed = remove_message(session, &probe).await;
    let reported = session.refused(probe.application, since).await?;
    if !reported.is_empty() {
        return NotPassed::failed(format!(
            "the consumer sent {} reports on a case that the hub never sent: first verify the signature with the hub's keys, \
             then compare the envelope with the signed case",
            reported.len()
        ));
    }
    if let Err(NotPassed::Failed(why)) = others {
        return NotPassed::failed(format!("an unreadable message blocks other cases: {why}"));
    }
    removed
}

/// Receives until the message arrives that the consumer has received too, and deletes it. Releases every other message.
async fn remove_message(session: &Session<'_>, probe: &BadMessage) -> Result<(), NotPassed> {
    let (queue, end) = (session.queue(), Instant::now() + session.timeout);
    let failed = |error: agency::queue::QueueError| CertifyError::Queue(error.to_string());
    let (mut own, mut empty) = (0, 0);
    while Instant::now() < end {
        // The consumer polls without a pause, so this loop does too.
        let receives = (0..RECEIVES).map(async |turn| {
            sleep(START_INTERVAL * turn).await;
            queue.receive(BATCH, WAIT, VISIBILITY_TIMEOUT).await
        });
        let received = try_join_all(receives).await.map_err(failed)?.into_iter().flatten();
        let (found, others): (Vec<ReceivedMessage>, Vec<ReceivedMessage>) =
            received.partition(|delivery| delivery.message == probe.message_id);
        for others in others.chunks(BATCH) {
            queue.hide(others, Duration::ZERO).await.map_err(failed)?;
        }
        if let Some(delivery) = found.first() {
            own += 1;
            if delivery.times > own {
                queue.delete(delivery).await.map_err(failed)?;
                return Ok(());
            }
            queue.hide(std::slice::from_ref(delivery), Duration::ZERO).await.map_err(failed)?;
            sleep(CONSUMER_HEAD_START).await;
        }
        empty = if found.is_empty() && session.depth().await? == 0 { empty + 1 } else { 0 };
        if empty >= EMPTY_POLLS {
            return NotPassed::failed(
                "an unreadable message is gone from the queue: do not delete or release an unreadable message; let its \
                 visibility timeout pass (after ten deliveries SQS moves it to the dead-letter queue)",
            );
        }
    }
    NotPassed::failed(
        "the bad message stays hidden: do not extend the visibility timeout of an unreadable message",
    )
}
