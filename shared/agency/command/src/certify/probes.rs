//! The checks that put a bad message into the queue.

use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::operator::{Probe, ProbeKind};
use super::outcome::Unmet;
use super::session::{Session, is_message};
use super::turns;
use agency::queue::{BATCH, CaseQueue as _, Delivery};

/// How long a message that was looked at stays hidden at most.
const HIDDEN: Duration = Duration::from_secs(5);
/// Receives at once, each as long as this, and how far apart they begin: the consumer waits for the same message, and
/// the one whose look comes first has it.
const RECEIVES: u32 = 8;
const WAIT: Duration = Duration::from_secs(2);
const APART: Duration = Duration::from_millis(13);
/// How long the consumer has a turn at a message that it has not had yet.
const TURN: Duration = Duration::from_secs(1);
/// Looks in a row at an empty queue after which a message is gone.
const GONE: u32 = 4;

pub(super) async fn unreadable(session: &Session<'_>) -> Result<(), Unmet> {
    probe(session, ProbeKind::Unreadable).await
}

pub(super) async fn forged(session: &Session<'_>) -> Result<(), Unmet> {
    probe(session, ProbeKind::Forged).await
}

async fn probe(session: &Session<'_>, kind: ProbeKind) -> Result<(), Unmet> {
    let since = Timestamp::now();
    let probe = session.needed_operator()?.probe(session.agency(), kind).await?;
    let others = turns::ordinary(session).await;
    // It is taken out again whatever the consumer did.
    let left = take_out(session, &probe).await;
    let reported = session.refused(probe.application, since).await?;
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
async fn take_out(session: &Session<'_>, probe: &Probe) -> Result<(), Unmet> {
    let (queue, end) = (session.queue(), Instant::now() + session.timeout);
    let failed = |error: agency::queue::QueueError| super::CertifyError::Queue(error.to_string());
    let (mut own, mut empty) = (0, 0);
    while Instant::now() < end {
        // Without a pause between them: the consumer makes none either.
        let receives = (0..RECEIVES).map(async |turn| {
            sleep(APART * turn).await;
            queue.receive(BATCH, WAIT, HIDDEN).await
        });
        let received = try_join_all(receives).await.map_err(failed)?.into_iter().flatten();
        let (found, others): (Vec<Delivery>, Vec<Delivery>) =
            received.partition(|delivery| is_message(delivery, &probe.message_id));
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
            sleep(TURN).await;
        }
        empty = if found.is_empty() && session.depth().await? == 0 { empty + 1 } else { 0 };
        if empty >= GONE {
            return Unmet::failed(
                "a message that cannot be read is gone from the queue: leave it there, hidden for its time, neither \
                 deleted nor given back at once (after ten deliveries it is moved to the dead-letter queue)",
            );
        }
    }
    Unmet::failed(
        "the bad message stays in the consumer's hands: do not prolong the lease of what cannot be read",
    )
}
