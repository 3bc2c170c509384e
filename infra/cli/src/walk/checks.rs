//! Checks the result of the walk: records, callbacks and queues.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use app_client::{CallbackLog, ReceivedCallback, until};
use aws_credential_types::Credentials;
use domain::effect::calls_back;
use domain::ids::ApplicationId;
use platform::aws::{Access, Aws};
use platform::store::{AwsStore, Store as _};
use protocol::callback::Data;

use super::scenario_run::FinishedApplication;
use crate::aws::{LOCAL_ACCOUNT, LOCAL_REGION};
use crate::local::LocalStack;
use crate::terminal::Terminal;

/// How long the last callbacks may take, and the queues to become empty.
const REST_TIMEOUT: Duration = Duration::from_secs(60);

/// The event type and ids of each callback that follows from the records.
type Expected = BTreeMap<(ApplicationId, u32), (String, Data)>;

/// Checks the walk.
///
/// # Errors
/// The first failed check.
pub(crate) async fn check_walk(
    hub: &LocalStack,
    callbacks: &CallbackLog,
    finished: &[FinishedApplication],
    terminal: &Terminal,
) -> Result<()> {
    terminal.line("");
    let step = terminal.step("Reading the records in the table");
    let (expected, events) = records(hub, finished).await?;
    step.done(&format!(
        "{} applications final; the hash chain of their {events} events is intact and matches the event feed",
        finished.len()
    ));
    let step = terminal.step("Counting callbacks");
    until("the last callbacks", REST_TIMEOUT, async || {
        anyhow::Ok(expected.keys().all(|(id, version)| callbacks.find(*id, *version).is_some()).then_some(()))
    })
    .await?;
    compare(&expected, &first_of_each(callbacks))?;
    if let Some(reason) = callbacks.rejections().pop() {
        bail!("a callback was rejected: {reason}");
    }
    step.done(&format!(
        "{} callbacks expected, {} received, every signature verified",
        expected.len(),
        expected.len()
    ));
    let step = terminal.step("Waiting for the queues to be empty");
    let queues = wait_for_empty_queues(hub).await?;
    step.done(&format!("{queues} queues empty, no dead letter"));
    Ok(())
}

/// Reads every record from the table, verifies its hash chain, and lists the callbacks that follow from it.
async fn records(hub: &LocalStack, finished: &[FinishedApplication]) -> Result<(Expected, u32)> {
    let access = Access {
        region: LOCAL_REGION.to_owned(),
        credentials: Credentials::new(LOCAL_ACCOUNT, "test", None, None, "local"),
        endpoint: Some(hub.endpoint()),
    };
    let store = AwsStore::new(Aws::new(access).dynamodb(), hub.outputs().get("TableName")?);
    let (mut expected, mut events) = (Expected::new(), 0);
    for FinishedApplication { id, version, hash } in finished {
        let stored = store.get(*id).await.with_context(|| format!("the record of {id} does not verify"))?;
        let ledger = stored.with_context(|| format!("the table has no application {id}"))?.ledger;
        let state = ledger.state();
        ensure!(state.is_final(), "application {id} is not final but {}", state.stage.name());
        ensure!(
            state.version == *version,
            "application {id} has {} events in the table and {version} in the event feed",
            state.version
        );
        ensure!(
            ledger.hash() == *hash,
            "the hash of application {id} in the event feed differs from its record"
        );
        events += version;
        for line in ledger.entries().iter().filter(|line| calls_back(&line.entry.event)) {
            let version = line.entry.version;
            let snapshot =
                ledger.at(version).with_context(|| format!("application {id} had no version {version}"))?;
            let kind = format!("application.{}", line.entry.event.name());
            let url = format!("/v1/applications/{id}");
            let data = Data { application: *id, version, stage: snapshot.stage, url };
            expected.insert((*id, version), (kind, data));
        }
    }
    Ok((expected, events))
}

/// The first callback about each version of an application. Delivery is at least once, so repeats are possible.
fn first_of_each(callbacks: &CallbackLog) -> BTreeMap<(ApplicationId, u32), ReceivedCallback> {
    let mut first = BTreeMap::new();
    for callback in callbacks.callbacks() {
        let data = &callback.payload.data;
        first.entry((data.application, data.version)).or_insert(callback);
    }
    first
}

/// Checks that the received callbacks are exactly the expected ones.
fn compare(expected: &Expected, received: &BTreeMap<(ApplicationId, u32), ReceivedCallback>) -> Result<()> {
    for (about, ReceivedCallback { payload, .. }) in received {
        let (id, version) = about;
        let Some((kind, data)) = expected.get(about) else {
            bail!("the hub sent a callback about version {version} of {id}, which has no callback");
        };
        ensure!(
            payload.kind == *kind && payload.data == *data,
            "the callback about version {version} of {id} has the type {}; the record requires {kind}",
            payload.kind
        );
    }
    ensure!(
        received.len() == expected.len(),
        "{} callbacks were expected, {} arrived",
        expected.len(),
        received.len()
    );
    Ok(())
}

/// Waits until every queue is empty, and returns the number of queues. Fails at once on a dead letter.
async fn wait_for_empty_queues(hub: &LocalStack) -> Result<usize> {
    let begun = Instant::now();
    until("empty queues", REST_TIMEOUT, async || {
        let depths = hub.depths().await?;
        let full: Vec<_> = depths.iter().filter(|depth| !depth.is_empty()).collect();
        if let Some(dead) = full.iter().find(|depth| depth.is_dead_letters()) {
            bail!("{} holds a dead letter", dead.queue);
        }
        if let Some(left) = full.first()
            && begun.elapsed() + REST_TIMEOUT / 10 > REST_TIMEOUT
        {
            bail!("{} still holds {} messages", left.queue, left.waiting + left.taken + left.delayed);
        }
        Ok(full.is_empty().then_some(depths.len()))
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use domain::stage::Stage;
    use jiff::{SignedDuration, Timestamp};
    use protocol::callback::Payload;

    use super::*;

    fn data(version: u32) -> Data {
        let application = "00000000-0000-8000-8000-000000000001".parse().unwrap();
        Data { application, version, stage: Stage::Received, url: format!("/v1/applications/{application}") }
    }

    fn received(kind: &str, version: u32) -> ((ApplicationId, u32), ReceivedCallback) {
        let data = data(version);
        let about = (data.application, version);
        let payload = Payload { kind: kind.to_owned(), timestamp: Timestamp::UNIX_EPOCH, data };
        let (id, body) = (format!("{}:{version}", about.0), String::new());
        (about, ReceivedCallback { id, payload, body, signed_by: 1, delay: SignedDuration::ZERO })
    }

    #[test]
    fn missing_extra_and_wrong_callbacks_are_found() {
        let kind = "application.received";
        let expected = Expected::from([((data(6).application, 6), (kind.to_owned(), data(6)))]);
        assert!(compare(&expected, &BTreeMap::from([received(kind, 6)])).is_ok());
        assert!(compare(&expected, &BTreeMap::new()).is_err());
        assert!(compare(&expected, &BTreeMap::from([received("application.signed", 6)])).is_err());
        assert!(compare(&expected, &BTreeMap::from([received(kind, 6), received(kind, 7)])).is_err());
    }
}
