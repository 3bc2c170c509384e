//! Open cases: listing them, and requesting that the hub sends their messages again.

use jiff::Timestamp;
use protocol::backlog::{
    CASES, CASES_TYP, CasesPage, CasesRequest, OpenCase, RESEND_TYP, ResendAnswer, ResendCase, ResendOutcome,
    ResendRequest,
};

use super::client::HubClient;
use crate::error::HubClientError;

/// Open cases of the agency, up to the requested number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCases {
    /// The cases, oldest application first.
    pub cases: Vec<OpenCase>,
    /// Cursor of the remaining cases; `None` when the list is complete.
    pub next: Option<String>,
}

/// The wire name of a resend's outcome.
#[must_use]
pub fn outcome_name(outcome: ResendOutcome) -> &'static str {
    match outcome {
        ResendOutcome::Accepted => "accepted",
        ResendOutcome::TooSoon => "too_soon",
        ResendOutcome::Closed => "closed",
        ResendOutcome::NotFound => "not_found",
        ResendOutcome::NoSuchMessage => "no_such_message",
        ResendOutcome::Unavailable => "unavailable",
    }
}

impl HubClient {
    /// One page of the agency's open cases, oldest first. `after` is the previous page's `next`; `limit` is 1 to
    /// [`CASES`], and 50 by default.
    ///
    /// # Errors
    /// [`HubClientError`].
    pub async fn cases(&self, after: Option<&str>, limit: Option<u16>) -> Result<CasesPage, HubClientError> {
        let request = CasesRequest {
            agency: self.agency.clone(),
            iat: Timestamp::now().as_second(),
            after: after.map(str::to_owned),
            limit,
        };
        self.post_signed("v1/agency/cases", CASES_TYP, &request).await
    }

    /// Up to `most` open cases after the cursor `after`, oldest first, read page by page.
    ///
    /// # Errors
    /// [`HubClientError::InvalidResponse`] when a page names itself as the next; any other error of a call to the hub.
    pub async fn all_cases(&self, after: Option<&str>, most: usize) -> Result<OpenCases, HubClientError> {
        let mut listed = OpenCases { cases: Vec::new(), next: after.map(str::to_owned) };
        loop {
            let left = most.saturating_sub(listed.cases.len()).min(CASES);
            let Some(limit) = u16::try_from(left).ok().filter(|left| *left > 0) else {
                return Ok(listed);
            };
            let page = self.cases(listed.next.as_deref(), Some(limit)).await?;
            // A cursor that does not advance would make this loop endless.
            if page.next.is_some() && page.next == listed.next {
                return Err(HubClientError::InvalidResponse);
            }
            listed.cases.extend(page.cases);
            listed.next = page.next;
            if listed.next.is_none() {
                return Ok(listed);
            }
        }
    }

    /// Requests that the hub puts messages into the queue again, under their original ids, [`CASES`] in one request.
    /// The outcomes come in the order of `cases`. A consumer whose inbox knows a message skips the repeat: call
    /// [`crate::Inbox::forget`] first for a case whose work was lost.
    ///
    /// # Errors
    /// Any error of a call to the hub. The hub has accepted the requests before the failed one; sending them again is
    /// safe.
    pub async fn resend(&self, cases: &[ResendCase]) -> Result<ResendAnswer, HubClientError> {
        let mut all = ResendAnswer { cases: Vec::new() };
        for part in cases.chunks(CASES) {
            let request = ResendRequest {
                agency: self.agency.clone(),
                iat: Timestamp::now().as_second(),
                cases: part.to_vec(),
            };
            let answer: ResendAnswer = self.post_signed("v1/agency/resend", RESEND_TYP, &request).await?;
            let same = |(requested, resent): (&ResendCase, &protocol::backlog::Resent)| {
                requested.application == resent.application
            };
            if answer.cases.len() != part.len() || !part.iter().zip(&answer.cases).all(same) {
                return Err(HubClientError::InvalidResponse);
            }
            all.cases.extend(answer.cases);
        }
        Ok(all)
    }
}
