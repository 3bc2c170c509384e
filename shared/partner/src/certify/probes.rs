//! The checks that put a bad message into the queue.

use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::desk::{Desk, is_message};
use super::operator::{Probe, ProbeKind};
use super::outcome::Unmet;
use super::turns;
use crate::queue::{BATCH, CaseQueue as _, Delivery};

/// How long a message that was looked at stays hidden at most.
const HIDDEN: Duration = Duration::from_secs(5);
/// Receives at once, each as long as this: the consumer waits for the same message.
const RECEIVES: usize = 4;
const WAIT: Duration = Duration::from_secs(2);
/// How long the consumer has a turn, between two looks.
const TURN: Duration = Duration::from_secs(1);
/// Looks in a row at an empty queue after which a message is gone.
const GONE: u32 = 4;

pub(super) async fn unreadable(desk: &Desk<'_>) -> Result<(), Unmet> {
    probe(desk, ProbeKind::Unreadable).await
}

pub(super) async fn forged(desk: &Desk<'_>) -> Result<(), Unmet> {
    probe(desk, ProbeKind::Forged).await
}

async fn probe(desk: &Desk<'_>, kind: ProbeKind) -> Result<(), Unmet> {
    let since = Timestamp::now();
    let probe = desk.needed_operator()?.probe(desk.agency(), kind).await?;
    let others = turns::ordinary(desk).await;
    // It is taken out again whatever the consumer did.
    let left = take_out(desk, &probe).await;
    let reported = desk.refused(probe.application, since).await?;
    if !reported.is_empty() {
        return Unmet::failed(format!(
            "{} reports came on a case that the hub never sent: verify the signature inside with the hub's keys, and the \
             envelope against it, before anything else",
            reported.len()
        ));
    }
    if let Err(Unmet::Failed(why)) = others {
        return Unmet::failed(format!("a message that cannot be read keeps other cases back: {why}"));
    }
    left
}

/// Receives until the message comes that the consumer has seen too, and deletes it. Everything else is given back.
async fn take_out(desk: &Desk<'_>, probe: &Probe) -> Result<(), Unmet> {
    let (queue, end) = (desk.queue(), Instant::now() + desk.timeout);
    let mut empty = 0;
    while Instant::now() < end {
        let failed = |error: crate::queue::QueueError| super::Trouble::Queue(error.to_string());
        // Several wait beside the consumer for the moment at which the message shows again.
        let receives = (0..RECEIVES).map(|_| queue.receive(BATCH, WAIT, HIDDEN));
        let received = try_join_all(receives).await.map_err(failed)?.into_iter().flatten();
        let (found, others): (Vec<Delivery>, Vec<Delivery>) =
            received.partition(|delivery| is_message(delivery, &probe.message_id));
        for others in others.chunks(BATCH) {
            queue.hide(others, Duration::ZERO).await.map_err(failed)?;
        }
        match found.first() {
            Some(delivery) if delivery.times > 1 => {
                queue.delete(delivery).await.map_err(failed)?;
                return Ok(());
            }
            // The consumer's turn first.
            Some(delivery) => {
                queue.hide(std::slice::from_ref(delivery), Duration::ZERO).await.map_err(failed)?;
            }
            None => {}
        }
        empty = if found.is_empty() && desk.depth().await? == 0 { empty + 1 } else { 0 };
        if empty >= GONE {
            return Unmet::failed(
                "a message that cannot be read is gone from the queue: leave it there, hidden for its time, neither \
                 deleted nor given back at once (after ten deliveries it is moved to the dead-letter queue)",
            );
        }
        sleep(TURN).await;
    }
    Unmet::failed(
        "the bad message stays in the consumer's hands: do not prolong the lease of what cannot be read",
    )
}
