//! The check of a consumer that reports by the reports queue.

use agency::config::ReportsBy;
use jiff::Timestamp;

use super::applicant::TestApplicant;
use super::outcome::NotPassed;
use super::session::Session;
use super::single_case::DECIDED;

/// A case is decided by reports in the queue, and the hub refuses none of them.
pub(super) async fn reports_queue(session: &Session<'_>) -> Result<(), NotPassed> {
    if session.config.reports_by != ReportsBy::Queue {
        return Err(NotPassed::NotApplicable(
            "the agency reports over HTTP: its configuration does not say `\"reports_by\": \"queue\"`"
                .to_owned(),
        ));
    }
    let since = Timestamp::now();
    let id = session.decided(TestApplicant::Passes).await?;
    if let Err(NotPassed::Failed(why)) = session.reaches(id, &DECIDED).await {
        return NotPassed::failed(format!(
            "a case was not decided by reports in the queue: the consumer's AWS identity needs sqs:SendMessage on \
             reports_queue_url, and each message is the compact JWS alone ({why})"
        ));
    }
    if session.operator().is_none() {
        return Ok(());
    }
    let refused = session.refused(id, since).await?;
    if refused.is_empty() {
        return Ok(());
    }
    NotPassed::failed(format!(
        "the hub refused {} reports from the queue ({}): every report by the queue has the version of the case's message \
         as `seen`",
        refused.len(),
        refused.join(", ")
    ))
}
