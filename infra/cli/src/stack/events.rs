//! The stack's events during a deployment.

use anyhow::Result;

use super::Cloud;
use crate::aws::call_error;

impl Cloud {
    /// The latest event, to show as progress.
    pub(super) async fn latest_event(&self, stack: &str) -> Result<String> {
        let events = self.cloudformation.describe_stack_events().stack_name(stack).send().await;
        let events = events.map_err(|error| call_error("reading the stack's events", error))?;
        Ok(events.stack_events().first().map_or_else(String::new, |event| {
            let status = event.resource_status().map_or("", |status| status.as_str());
            format!("{} {status}", event.logical_resource_id().unwrap_or_default())
        }))
    }

    /// The resource that failed first, and the reason. Later failures are consequences of the first.
    pub(super) async fn first_failure(&self, stack: &str, token: &str) -> Result<String> {
        let mut pages = self.cloudformation.describe_stack_events().stack_name(stack).into_paginator().send();
        let mut first = None;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| call_error("reading the stack's events", error))?;
            for event in page.stack_events() {
                let ours = event.client_request_token().is_none_or(|own| own == token);
                let failed =
                    event.resource_status().is_some_and(|status| status.as_str().ends_with("FAILED"));
                if ours && failed {
                    let id = event.logical_resource_id().unwrap_or("a resource");
                    let reason = event.resource_status_reason().unwrap_or("no reason is given");
                    first = Some(format!("{id}: {reason}"));
                }
            }
        }
        Ok(first.unwrap_or_else(|| "no reason is given".to_owned()))
    }
}
