//! Dead reports: messages of the reports queue that the hub could not take, among them those that no registered key
//! signed.

use std::collections::BTreeSet;

use anyhow::Result;
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use domain::ids::AgencyCode;
use protocol::jose::unverified_payload;
use serde::Serialize;

use super::Operator;
use crate::aws::call_error;
use crate::local::Depth;

/// Calls that look for the messages of one agency; each returns ten at most.
const CALLS: usize = 20;
/// Messages of one call.
const MESSAGES: i32 = 10;
/// Seconds for which a message that was looked at is hidden, so that the next call returns others. Afterwards it is
/// released.
const HIDDEN: i32 = 10;

/// Dead reports in the dead-letter queue that all agencies share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DeadReports {
    /// Messages that name the agency. Their signatures are not verified: anybody who may send to the reports queue can
    /// name the agency.
    pub of_agency: u64,
    /// Messages of all agencies.
    pub of_all: u64,
    /// Messages that could not be read: another command reads them at this moment, or there are more than one command
    /// reads. They may name the agency, too.
    pub unread: u64,
}

impl Operator {
    /// The dead reports that name an agency. Looks at the messages and leaves them in the queue.
    ///
    /// # Errors
    /// The queue does not exist, or SQS does not answer.
    pub async fn dead_reports(&self, code: &AgencyCode) -> Result<DeadReports> {
        let queue = self.outputs.get("ReportsDeadQueueUrl")?;
        let depth = Depth::of(&self.sqs, queue).await?;
        let of_all = depth.waiting + depth.taken + depth.delayed;
        let mut seen = BTreeSet::new();
        let (mut of_agency, mut handles) = (0, Vec::new());
        for _ in 0..CALLS {
            if of_all == 0 {
                break;
            }
            let call = self.sqs.receive_message().queue_url(queue).max_number_of_messages(MESSAGES);
            let received = call.visibility_timeout(HIDDEN).send().await;
            let received = received.map_err(|error| call_error("reading the dead reports", error))?;
            let before = seen.len();
            let receipts = received.messages().iter().filter_map(|message| message.receipt_handle());
            handles.extend(receipts.map(str::to_owned));
            for message in received.messages() {
                let is_new = seen.insert(message.message_id().unwrap_or_default().to_owned());
                if is_new && message.body().and_then(named_agency).as_ref() == Some(code) {
                    of_agency += 1;
                }
            }
            if seen.len() == before {
                break;
            }
        }
        self.show_again(queue, &handles).await?;
        let read = seen.len() as u64;
        Ok(DeadReports { of_agency, of_all: of_all.max(read), unread: of_all.saturating_sub(read) })
    }
}

impl Operator {
    /// Makes messages visible that were looked at, for the next command and for a redrive.
    async fn show_again(&self, queue: &str, handles: &[String]) -> Result<()> {
        for batch in handles.chunks(MESSAGES as usize) {
            let entries = batch.iter().enumerate().map(|(number, handle)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(number.to_string());
                entry.receipt_handle(handle).visibility_timeout(0).build()
            });
            let entries: Result<Vec<_>, _> = entries.collect();
            let call =
                self.sqs.change_message_visibility_batch().queue_url(queue).set_entries(Some(entries?));
            call.send().await.map_err(|error| call_error("releasing the dead reports", error))?;
        }
        Ok(())
    }
}

/// The agency that a report names. The signature is not verified.
fn named_agency(jws: &str) -> Option<AgencyCode> {
    let payload = unverified_payload(jws.trim()).ok()?;
    protocol::json::parse(&payload, payload.len()).ok()?.get("agency")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use protocol::jose::{KeyUse, PrivateKey, sign};
    use serde_json::json;

    use super::*;

    #[test]
    fn a27_a_dead_report_names_its_agency_whatever_else_is_wrong() {
        let stranger = PrivateKey::generate(KeyUse::Signing).unwrap();
        let signed = sign("x", &json!({ "agency": "11", "seen": "4" }), &stranger).unwrap();
        assert_eq!(named_agency(&format!("{signed}\n")), Some("11".parse().unwrap()));
        for other in ["", "a.b.c", "{\"agency\":\"11\"}"] {
            assert_eq!(named_agency(other), None, "{other}");
        }
    }
}
