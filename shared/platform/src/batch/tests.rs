#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn sqs(records: &[(&str, Option<&str>, &str)]) -> SqsEvent {
    let records: Vec<Value> = records
        .iter()
        .map(|(id, group, body)| {
            let mut attributes = json!({ "ApproximateReceiveCount": "2" });
            if let Some(group) = group {
                attributes["MessageGroupId"] = json!(group);
            }
            json!({ "messageId": id, "body": body, "attributes": attributes })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

fn failed(response: SqsBatchResponse) -> Vec<String> {
    let json = serde_json::to_value(response).unwrap();
    let failures = json["batchItemFailures"].as_array().unwrap().clone();
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

/// A handler that fails or hangs when the body says so, and records the order of the messages.
#[derive(Default)]
struct Work(Mutex<Vec<String>>);

impl Work {
    async fn on(&self, message: Message) -> Result<(), Failure> {
        self.0.lock().unwrap().push(message.id.clone());
        tokio::task::yield_now().await;
        match message.json::<Value>()?.as_str() {
            Some("fail") => Err(Failure::retry("the body requests a failure")),
            Some("hang") => std::future::pending().await,
            _ => Ok(()),
        }
    }

    fn begun(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_malformed_body_fails_only_its_own_record() {
    let work = Work::default();
    let event = sqs(&[("1", None, "1"), ("2", None, "{canary"), ("3", None, "3")]);
    let response = messages(event, soon(), |message| work.on(message)).await;
    assert_eq!(failed(response), ["2"]);
    let poison = Message {
        id: "2".into(),
        group: None,
        body: "{canary".into(),
        receives: 1,
        sent: None,
        receipt: String::new(),
        queue: None,
    }
    .json::<Value>();
    let message = format!("{poison:?}");
    assert!(message.contains("line 1") && !message.contains("canary"), "{message}");
    assert!(matches!(poison, Err(Failure::Poison(_))));
}

/// Row 21 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_failure_stops_only_its_own_message_group() {
    let work = Work::default();
    let event = sqs(&[
        ("a1", Some("a"), "1"),
        ("a2", Some("a"), "\"fail\""),
        ("b1", Some("b"), "1"),
        ("a3", Some("a"), "1"),
        ("b2", Some("b"), "1"),
    ]);
    let response = messages(event, soon(), |message| work.on(message)).await;
    assert_eq!(failed(response), ["a2", "a3"]);
    let begun = work.begun();
    assert!(!begun.contains(&"a3".to_owned()));
    let order = |group: &str| begun.iter().filter(|id| id.starts_with(group)).cloned().collect::<Vec<_>>();
    assert_eq!((order("a"), order("b")), (vec!["a1".into(), "a2".into()], vec!["b1".into(), "b2".into()]));
}

/// Row 45 of `tests/FAULTS.md`.
#[tokio::test]
async fn messages_unfinished_at_the_deadline_are_reported() {
    let work = Work::default();
    let event = sqs(&[
        ("1", None, "1"),
        ("2", None, "\"hang\""),
        ("3", Some("c"), "\"hang\""),
        ("4", Some("c"), "1"),
    ]);
    let end = Instant::now() + Duration::from_millis(20);
    assert_eq!(failed(messages(event, end, |message| work.on(message)).await), ["2", "3", "4"]);
    let late = messages(sqs(&[("1", None, "1")]), Instant::now(), |message| work.on(message)).await;
    assert_eq!(failed(late), ["1"]);
}

#[tokio::test]
async fn groups_run_concurrently_up_to_a_bound() {
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ids: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let event = sqs(&ids.iter().map(|id| (id.as_str(), None, "1")).collect::<Vec<_>>());
    let response = messages(event, soon(), async |_| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        now.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    })
    .await;
    assert_eq!((failed(response).len(), most.load(Ordering::SeqCst)), (0, CONCURRENCY));
}

#[test]
fn debug_does_not_show_the_body_of_a_message() {
    let message = Message {
        sent: None,
        id: "1".into(),
        group: Some("g".into()),
        body: "canary".into(),
        receives: 3,
        receipt: String::new(),
        queue: None,
    };
    assert!(!format!("{message:?}").contains("canary"));
    assert_eq!(Message::from(sqs(&[("1", Some("g"), "b")]).records.remove(0)).receives, 2);
}
