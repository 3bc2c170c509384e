//! What is left when all three have arrived: compared with what the hub's own records owe.

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

use super::journey::Arrived;
use crate::aws::{LOCAL_ACCOUNT, LOCAL_REGION};
use crate::local::LocalStack;
use crate::terminal::Terminal;

/// How long callbacks and queues may take to come to rest.
const REST: Duration = Duration::from_secs(60);

/// What the record says a callback must say: its event type and its ids.
type Expected = BTreeMap<(ApplicationId, u32), (String, Data)>;

/// Judges the walk.
///
/// # Errors
/// The first thing that is not as it should be.
pub(crate) async fn judge(
    hub: &LocalStack,
    callbacks: &CallbackLog,
    arrived: &[Arrived],
    terminal: &Terminal,
) -> Result<()> {
    terminal.line("");
    let step = terminal.step("Reading the records in the table");
    let (expected, events) = records(hub, arrived).await?;
    step.done(&format!(
        "{} applications final; their {events} events in the table are chained and sealed as the feed says",
        arrived.len()
    ));
    let step = terminal.step("Counting callbacks");
    until("the last callbacks", REST, async || {
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
    let queues = rest(hub).await?;
    step.done(&format!("{queues} queues empty, no dead letter"));
    Ok(())
}

/// Reads every record from the table and verifies its chain, and lists the callbacks it owes.
async fn records(hub: &LocalStack, arrived: &[Arrived]) -> Result<(Expected, u32)> {
    let access = Access {
        region: LOCAL_REGION.to_owned(),
        credentials: Credentials::new(LOCAL_ACCOUNT, "test", None, None, "local"),
        endpoint: Some(hub.endpoint()),
    };
    let store = AwsStore::new(Aws::new(access).dynamodb(), hub.outputs().get("TableName")?);
    let (mut expected, mut events) = (Expected::new(), 0);
    for Arrived { id, version, hash } in arrived {
        let stored = store.get(*id).await.with_context(|| format!("the record of {id} does not verify"))?;
        let ledger = stored.with_context(|| format!("the table has no application {id}"))?.ledger;
        let head = ledger.state();
        ensure!(head.is_final(), "application {id} is not final but {}", head.stage.name());
        ensure!(
            head.version == *version,
            "application {id} has {} events and showed {version}",
            head.version
        );
        ensure!(ledger.hash() == *hash, "the seal of application {id} is not that of its record");
        events += version;
        for line in ledger.lines().iter().filter(|line| calls_back(&line.entry.event)) {
            let version = line.entry.version;
            let then =
                ledger.at(version).with_context(|| format!("application {id} had no version {version}"))?;
            let kind = format!("application.{}", line.entry.event.name());
            let url = format!("/v1/applications/{id}");
            let data = Data { application: *id, version, stage: then.stage, url };
            expected.insert((*id, version), (kind, data));
        }
    }
    Ok((expected, events))
}

/// The first callback about each version of an application: delivery is at least once, so others may follow it.
fn first_of_each(callbacks: &CallbackLog) -> BTreeMap<(ApplicationId, u32), ReceivedCallback> {
    let mut first = BTreeMap::new();
    for callback in callbacks.callbacks() {
        let data = &callback.payload.data;
        first.entry((data.application, data.version)).or_insert(callback);
    }
    first
}

/// Checks that the received callbacks are exactly the expected ones.
fn compare(expected: &Expected, heard: &BTreeMap<(ApplicationId, u32), ReceivedCallback>) -> Result<()> {
    for (about, ReceivedCallback { payload, .. }) in heard {
        let (id, version) = about;
        let Some((kind, data)) = expected.get(about) else {
            bail!("a callback came about version {version} of {id}, which owes none");
        };
        ensure!(
            payload.kind == *kind && payload.data == *data,
            "the callback about version {version} of {id} says {} and the record says {kind}",
            payload.kind
        );
    }
    ensure!(
        heard.len() == expected.len(),
        "{} callbacks were expected and {} arrived",
        expected.len(),
        heard.len()
    );
    Ok(())
}

/// Waits until no queue holds anything; how many there are. A dead letter ends it at once.
async fn rest(hub: &LocalStack) -> Result<usize> {
    let begun = Instant::now();
    until("empty queues", REST, async || {
        let depths = hub.depths().await?;
        let full: Vec<_> = depths.iter().filter(|depth| !depth.is_empty()).collect();
        if let Some(dead) = full.iter().find(|depth| depth.is_dead_letters()) {
            bail!("{} holds a dead letter", dead.queue);
        }
        if let Some(left) = full.first()
            && begun.elapsed() + REST / 10 > REST
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

    fn heard(kind: &str, version: u32) -> ((ApplicationId, u32), ReceivedCallback) {
        let data = data(version);
        let about = (data.application, version);
        let payload = Payload { kind: kind.to_owned(), timestamp: Timestamp::UNIX_EPOCH, data };
        let (id, body) = (format!("{}:{version}", about.0), String::new());
        (about, ReceivedCallback { id, payload, body, signed_by: 1, delay: SignedDuration::ZERO })
    }

    #[test]
    fn callbacks_are_what_the_record_owes_no_more_and_no_less() {
        let kind = "application.received";
        let expected = Expected::from([((data(6).application, 6), (kind.to_owned(), data(6)))]);
        assert!(compare(&expected, &BTreeMap::from([heard(kind, 6)])).is_ok());
        assert!(compare(&expected, &BTreeMap::new()).is_err());
        assert!(compare(&expected, &BTreeMap::from([heard("application.signed", 6)])).is_err());
        assert!(compare(&expected, &BTreeMap::from([heard(kind, 6), heard(kind, 7)])).is_err());
    }
}
