//! What is open at the hub, and having it sent again.

use jiff::Timestamp;
use protocol::backlog::{
    CASES, CASES_TYP, CasesPage, CasesRequest, OpenCase, RESEND_TYP, ResendAnswer, ResendCase, ResendOutcome,
    ResendRequest,
};

use super::{HubClient, HubClientError};

/// The agency's open cases, as far as they were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The cases, oldest application first.
    pub cases: Vec<OpenCase>,
    /// Where the rest begins; none where that was all.
    pub next: Option<String>,
}

/// The wire name of what becomes of a message that was asked for.
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
    /// A page of the agency's open cases, oldest first. `after` is `next` of the page before; `limit` is 1 to
    /// [`CASES`] cases, 50 where none is said.
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
        self.ask("v1/agency/cases", CASES_TYP, &request).await
    }

    /// Up to `most` open cases from `after` on, page after page, oldest first. A page that leads back to itself is
    /// [`HubClientError::Answer`].
    ///
    /// # Errors
    /// [`HubClientError`].
    pub async fn all_cases(&self, after: Option<&str>, most: usize) -> Result<Backlog, HubClientError> {
        let mut backlog = Backlog { cases: Vec::new(), next: after.map(str::to_owned) };
        loop {
            let left = most.saturating_sub(backlog.cases.len()).min(CASES);
            let Some(limit) = u16::try_from(left).ok().filter(|left| *left > 0) else {
                return Ok(backlog);
            };
            let page = self.cases(backlog.next.as_deref(), Some(limit)).await?;
            // Every page moves on, or there is no end to them.
            if page.next.is_some() && page.next == backlog.next {
                return Err(HubClientError::Answer);
            }
            backlog.cases.extend(page.cases);
            backlog.next = page.next;
            if backlog.next.is_none() {
                return Ok(backlog);
            }
        }
    }

    /// Asks for messages to be put into the queue again, under their own ids, [`CASES`] in one request. Each is
    /// answered in the order asked. An inbox that knows a message takes it for a repeat: what was lost behind it is
    /// worked on again after [`crate::Inbox::forget`].
    ///
    /// # Errors
    /// [`HubClientError`]; requests before the one that failed were taken, and may be sent again.
    pub async fn resend(&self, cases: &[ResendCase]) -> Result<ResendAnswer, HubClientError> {
        let mut all = ResendAnswer { cases: Vec::new() };
        for part in cases.chunks(CASES) {
            let request = ResendRequest {
                agency: self.agency.clone(),
                iat: Timestamp::now().as_second(),
                cases: part.to_vec(),
            };
            let answer: ResendAnswer = self.ask("v1/agency/resend", RESEND_TYP, &request).await?;
            let same = |(asked, told): (&ResendCase, &protocol::backlog::Resent)| {
                asked.application == told.application
            };
            if answer.cases.len() != part.len() || !part.iter().zip(&answer.cases).all(same) {
                return Err(HubClientError::Answer);
            }
            all.cases.extend(answer.cases);
        }
        Ok(all)
    }
}
