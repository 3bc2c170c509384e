//! The log lines of all functions of a hub on this machine, in one stream.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::aws::signed_headers;
use crate::endpoints::{endpoint_of, http_client};
use crate::functions::FUNCTIONS;

/// Bound on one call for log lines.
const ANSWER: Duration = Duration::from_secs(10);

/// A line that a function wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub at: Timestamp,
    pub function: &'static str,
    pub text: String,
}

/// Reads the functions' log groups, each line once.
#[derive(Debug)]
pub struct FunctionLogs {
    http: reqwest::Client,
    endpoint: String,
    stack: String,
    read: BTreeMap<&'static str, Position>,
}

/// Up to where a function's log is read. A log stream of the local AWS has the lines of one invocation, with one time.
#[derive(Debug, Default)]
struct Position {
    newest: i64,
    streams: HashSet<String>,
}

#[derive(Deserialize)]
struct Events {
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    timestamp: i64,
    message: String,
    log_stream_name: String,
}

impl FunctionLogs {
    /// The logs of the stack on a port of this machine.
    ///
    /// # Errors
    /// The HTTP client cannot be created.
    pub fn new(port: u16, stack: &str) -> Result<FunctionLogs> {
        let endpoint = endpoint_of(port);
        Ok(FunctionLogs {
            http: http_client(None)?,
            endpoint,
            stack: stack.to_owned(),
            read: BTreeMap::new(),
        })
    }

    /// The lines since the last call, the oldest first.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn next(&mut self) -> Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        for function in FUNCTIONS {
            let since = self.read.get(function).map_or(0, |read| read.newest);
            let events = self.events(function, since).await?;
            lines.extend(self.read.entry(function).or_default().take(function, events));
        }
        lines.sort_by_key(|line| line.at);
        Ok(lines)
    }

    async fn events(&self, function: &str, since: i64) -> Result<Vec<Event>> {
        let group = format!("/aws/lambda/{}-{function}", self.stack);
        let body = json!({ "logGroupName": group, "startTime": since }).to_string();
        let address = format!("{}/", self.endpoint);
        let mut call = self.http.post(&address).timeout(ANSWER);
        for (name, value) in signed_headers("logs", "POST", &address, body.as_bytes())? {
            call = call.header(name, value);
        }
        let call = call
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "Logs_20140328.FilterLogEvents");
        let answer = call.body(body).send().await.context("the local AWS cannot be reached")?;
        let is_success = answer.status().is_success();
        let text = answer.text().await.context("the local AWS did not answer")?;
        if !is_success {
            bail!("the log group {group} cannot be read: {text}");
        }
        let events: Events = serde_json::from_str(&text).context("the log lines cannot be read")?;
        Ok(events.events)
    }
}

impl Position {
    /// The lines of these events that were not read before. Lambda's own lines around an invocation are left out.
    fn take(&mut self, function: &'static str, events: Vec<Event>) -> Vec<LogLine> {
        let is_new = |event: &Event| !self.streams.contains(&event.log_stream_name);
        let events: Vec<Event> = events.into_iter().filter(is_new).collect();
        let newest = events.iter().map(|event| event.timestamp).max().unwrap_or(self.newest);
        if newest > self.newest {
            self.newest = newest;
            self.streams.clear();
        }
        let last = events.iter().filter(|event| event.timestamp == self.newest);
        self.streams.extend(last.map(|event| event.log_stream_name.clone()));
        let own = |text: &str| ["START ", "END ", "REPORT "].iter().any(|word| text.starts_with(word));
        let lines = events.into_iter().filter(|event| !own(&event.message)).filter_map(|event| {
            let at = Timestamp::from_millisecond(event.timestamp).ok()?;
            Some(LogLine { at, function, text: event.message })
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_read_once() {
        let event = |timestamp, message: &str, stream: &str| Event {
            timestamp,
            message: message.to_owned(),
            log_stream_name: stream.to_owned(),
        };
        let first = || [event(1, "START RequestId: 1", "a"), event(1, "one", "a"), event(2, "two", "b")];
        let mut position = Position::default();
        let texts = |lines: Vec<LogLine>| lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(texts(position.take("intake", first().into())), ["one", "two"]);
        let [_, _, two] = first();
        assert_eq!(texts(position.take("intake", vec![two, event(2, "three", "c")])), ["three"]);
        assert!(position.take("intake", vec![event(2, "three", "c")]).is_empty());
    }
}
