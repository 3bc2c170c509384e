//! Message counts of the queues of a running hub.

use std::collections::HashMap;

use anyhow::Result;
use aws_sdk_sqs as sqs;
use aws_sdk_sqs::types::QueueAttributeName;

use super::LocalStack;
use crate::aws::call_error;

/// Approximate number of messages in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The queue's name.
    pub queue: String,
    /// Visible messages.
    pub waiting: u64,
    /// Messages received and not yet deleted.
    pub taken: u64,
    /// Delayed messages.
    pub delayed: u64,
}

impl Depth {
    /// Whether the queue holds no message of any kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting + self.taken + self.delayed == 0
    }

    /// Whether the queue is a dead-letter queue or the quarantine queue.
    #[must_use]
    pub fn is_dead_letters(&self) -> bool {
        let name = self.queue.trim_end_matches(".fifo");
        name.ends_with("-dead") || name.ends_with("-quarantine")
    }
}

impl LocalStack {
    /// The message counts of every queue of the stack, sorted by name.
    ///
    /// # Errors
    /// A call to SQS fails.
    pub async fn depths(&self) -> Result<Vec<Depth>> {
        let mut urls = Vec::new();
        let mut pages = self
            .sqs
            .list_queues()
            .queue_name_prefix(format!("{}-", self.options.stack))
            .max_results(1000)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| call_error("listing the queues", error))?;
            urls.extend_from_slice(page.queue_urls());
        }
        let mut depths = Vec::with_capacity(urls.len());
        for url in urls {
            depths.push(self.depth(&url).await?);
        }
        depths.sort_by(|a, b| a.queue.cmp(&b.queue));
        Ok(depths)
    }

    /// The message counts of one queue.
    ///
    /// # Errors
    /// The queue does not exist.
    pub async fn depth(&self, queue_url: &str) -> Result<Depth> {
        Depth::of(&self.sqs, queue_url).await
    }
}

impl Depth {
    /// The message counts of one queue.
    ///
    /// # Errors
    /// The queue does not exist.
    pub async fn of(sqs: &sqs::Client, queue_url: &str) -> Result<Depth> {
        let asked = sqs
            .get_queue_attributes()
            .queue_url(queue_url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesDelayed)
            .send()
            .await
            .map_err(|error| call_error(&format!("reading the queue {queue_url}"), error))?;
        let empty = HashMap::new();
        let attributes = asked.attributes().unwrap_or(&empty);
        let number =
            |name: QueueAttributeName| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Depth {
            queue: queue_url.rsplit('/').next().unwrap_or(queue_url).to_owned(),
            waiting: number(QueueAttributeName::ApproximateNumberOfMessages),
            taken: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            delayed: number(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
        })
    }
}
