//! Open cases that never reach the agency: the hub has sent them, and they are neither handled nor in the queue.
//!
//! A message that a consumer has failed to handle ten times is in the dead-letter queue, which the agency cannot read.
//! So the commands compare the hub's list with the inbox and with the number of messages in the queue.

use std::path::Path;
use std::time::Duration;

use agency::hub_client::OpenCases;
use agency::inbox::InboxError;
use agency::queue::{QueueDepth, QueueError};
use agency::{AgencyConfig, HubClient, Inbox as _, SqliteInbox};
use anyhow::{Context as _, Result};
use domain::ids::{ApplicationId, EventId};
use domain::stage::Stage;
use protocol::backlog::OpenCase;

use crate::setting;

/// Pause before a second look: the counts of a queue are a moment behind its messages.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Where the messages of the open cases are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    /// Cases that this agency has not begun: sent by the hub, and not in the inbox.
    pub(crate) waiting: Vec<ApplicationId>,
    /// Messages in the queue, those in flight included.
    pub(crate) queued: u64,
}

impl Whereabouts {
    /// How many of the waiting cases are certainly not in the queue.
    pub(crate) fn absent(&self) -> usize {
        self.waiting.len().saturating_sub(usize::try_from(self.queued).unwrap_or(usize::MAX))
    }

    /// The absent cases by name: known only when no waiting case is in the queue.
    pub(crate) fn named(&self) -> &[ApplicationId] {
        if self.queued == 0 { &self.waiting } else { &[] }
    }

    /// One sentence; `None` when no case is missing.
    pub(crate) fn sentence(&self) -> Option<String> {
        match (self.absent(), self.queued) {
            (0, _) => None,
            (absent, 0) => {
                Some(format!("{absent} open cases were sent and are neither in the inbox nor in the queue"))
            }
            (absent, queued) => Some(format!(
                "{} open cases were sent and are not in the inbox, and the queue has {queued} messages: at least {absent} are \
                 missing",
                self.waiting.len()
            )),
        }
    }
}

/// What to do about missing cases.
pub(crate) const REMEDY: &str = "`tongban-agency resend --all` requests them again. A case that was received ten times and not \
                                 deleted is in the dead-letter queue: fix the consumer first, and tell the hub's operator";

/// Lists the open cases and finds out where their messages are. The second value is the reason when that is not known.
pub(crate) async fn look(
    config: &AgencyConfig,
    file: Option<&Path>,
    client: &HubClient,
    (after, most): (Option<&str>, usize),
) -> Result<(OpenCases, Result<Whereabouts>)> {
    let listed = client.all_cases(after, most).await?;
    let found = whereabouts(config, file, &listed.cases).await;
    if !found.as_ref().is_ok_and(|found| found.absent() > 0) {
        return Ok((listed, found));
    }
    // The agency may have handled a case, or the hub may have sent one, between the two calls.
    tokio::time::sleep(SECOND_LOOK).await;
    let listed = client.all_cases(after, most).await?;
    let found = whereabouts(config, file, &listed.cases).await;
    Ok((listed, found))
}

async fn whereabouts(config: &AgencyConfig, file: Option<&Path>, cases: &[OpenCase]) -> Result<Whereabouts> {
    let inbox = SqliteInbox::at(&config.inbox);
    let mut waiting = Vec::new();
    for case in cases.iter().filter(|case| is_due(case)) {
        if !handled(&inbox, case).await.context("the inbox cannot be read")? {
            waiting.push(case.application);
        }
    }
    let queue = setting::queue(config, file, true)?;
    let depth: Result<QueueDepth, QueueError> = queue.depth().await;
    let QueueDepth { visible, in_flight } = depth.context("the queue cannot be read")?;
    Ok(Whereabouts { waiting, queued: visible + in_flight })
}

/// Whether the next report of the agency follows from a message that was sent.
fn is_due(case: &OpenCase) -> bool {
    case.sent && matches!(case.stage, Stage::Dispatched | Stage::Supplemented | Stage::Lapsed)
}

async fn handled(inbox: &SqliteInbox, case: &OpenCase) -> Result<bool, InboxError> {
    match EventId::new(case.application, case.message) {
        Some(event) => inbox.handled(event).await,
        None => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(waiting: u8, queued: u64) -> Whereabouts {
        let waiting = (0..waiting).map(|number| ApplicationId::from_bytes16([number; 16])).collect();
        Whereabouts { waiting, queued }
    }

    #[test]
    fn a18_a_case_that_is_open_and_not_in_the_queue_is_named() {
        assert_eq!(found(0, 0).sentence(), None);
        assert_eq!(found(2, 2).sentence(), None);
        // Other messages may be in the queue: withdrawals, and repeats of handled cases.
        assert_eq!(found(1, 3).sentence(), None);
        let none_queued = found(2, 0);
        assert_eq!((none_queued.absent(), none_queued.named().len()), (2, 2));
        assert!(
            none_queued.sentence().is_some_and(|told| told.contains("neither in the inbox nor in the queue"))
        );
        let some_queued = found(3, 1);
        assert_eq!((some_queued.absent(), some_queued.named().len()), (2, 0));
        assert!(some_queued.sentence().is_some_and(|told| told.contains("at least 2 are missing")));
    }
}
