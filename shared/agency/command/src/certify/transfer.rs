//! The check of a service with legs of two agencies: a move into the area of the agency under test, and a move out of it.
//!
//! Certification plays the legs of the other agency where it has the other agency's keys. Else a case ends with the part
//! of the agency under test.

use std::time::Duration;

use agency::{HubClient, HubClientError};
use domain::command::ReportedResult;
use domain::division::DivisionCode;
use domain::ids::{AgencyCode, ApplicationId};
use domain::stage::{Purpose, Stage};
use domain::time::today;
use jiff::{Span, Timestamp};
use protocol::app::{ApplicationView, LegView};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::applicant::TestApplicant;
use super::error::CertifyError;
use super::outcome::NotPassed;
use super::session::forms::{self, ServiceCase};
use super::session::{Session, explain_stage};

/// Poll interval for a case.
const POLL: Duration = Duration::from_millis(300);
/// Days for which the other agency's migration certificate is valid.
const VALID_DAYS: i64 = 30;

/// The part of the hub's answer about coverage that this check needs.
#[derive(Debug, Deserialize)]
struct CoverageAnswer {
    #[serde(default)]
    offered: bool,
    #[serde(default)]
    legs: Vec<LegView>,
}

/// How far a case was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Played {
    /// To its end.
    Whole,
    /// Every leg of the agency under test that comes before a leg of the other agency.
    OwnPart,
}

/// Plays one case in each direction. Returns what was played.
pub(super) async fn transfer(session: &Session<'_>) -> Result<String, NotPassed> {
    let (own, elsewhere) = (session.own_place(), session.place_elsewhere());
    // A move out begins at the agency under test where its case needs no approval by the other agency.
    let moves = [
        ("in", forms::moving_case(Purpose::Approve, false), (elsewhere.clone(), own.clone())),
        ("out", forms::moving_case(Purpose::Approve, true), (own, elsewhere)),
    ];
    let mut said = Vec::new();
    for (direction, case, (from, to)) in moves {
        let Some(case) = case else { continue };
        if !takes_part(session, case, (&from, &to)).await? {
            continue;
        }
        let id = session.moved(case, TestApplicant::Passes, (from, to)).await?;
        said.push(match play(session, id).await? {
            Played::Whole => format!("a move {direction} until the settlement"),
            Played::OwnPart => format!(
                "a move {direction} until the other agency must act (--other gives certification its configuration)"
            ),
        });
    }
    if said.is_empty() {
        return Err(NotPassed::NotApplicable(
            "the agency takes no part in a service with legs of two agencies".to_owned(),
        ));
    }
    Ok(said.join("; "))
}

/// Whether the hub offers the case, with a leg for the agency under test.
async fn takes_part(
    session: &Session<'_>,
    (row, case): ServiceCase,
    (from, to): (&DivisionCode, &DivisionCode),
) -> Result<bool, CertifyError> {
    // The query's `to` is the place of registration, its `from` the place where the citizen applies.
    let mut path = format!("v1/coverage?service={}&from={to}&to={from}", row.service.name());
    if let Some(member) = row.member() {
        path.push_str(&format!("&{}={}", member.name, case.when.name()));
    }
    let answer: CoverageAnswer = session.app.get(&path).await?;
    Ok(answer.offered && answer.legs.iter().any(|leg| leg.agency == *session.agency()))
}

/// Plays a case: waits while it is the turn of the agency under test, and reports for the other agency.
async fn play(session: &Session<'_>, id: ApplicationId) -> Result<Played, NotPassed> {
    let end = Instant::now() + session.timeout;
    let mut other: Option<HubClient> = None;
    loop {
        let view = session.app.view(id).await?;
        if view.stage == Stage::Settled {
            return Ok(Played::Whole);
        }
        if view.is_final || Instant::now() > end {
            return NotPassed::failed(explain_stage(&view, &[Stage::Settled], session.timeout));
        }
        let foreign = view.leg.as_ref().filter(|leg| leg.agency != *session.agency());
        if let Some(leg) = foreign {
            if other.is_none() {
                other = session.client_of(&leg.agency).await?;
            }
            let Some(client) = &other else { return Ok(Played::OwnPart) };
            act(client, id, &view, leg).await?;
        }
        sleep(POLL).await;
    }
}

/// Sends the next report of the other agency, if one is due.
async fn act(
    client: &HubClient,
    id: ApplicationId,
    view: &ApplicationView,
    leg: &LegView,
) -> Result<(), CertifyError> {
    let Some(result) = next_report(leg.purpose, view.stage, &leg.agency) else { return Ok(()) };
    match client.report(id, view.version, result).await {
        // The other agency may be at work itself: then its own report came first.
        Ok(_) | Err(HubClientError::Conflict(_)) => Ok(()),
        Err(error) => Err(CertifyError::of_agency("a report of the other agency", error)),
    }
}

/// The favourable course of a leg.
fn next_report(purpose: Purpose, stage: Stage, agency: &AgencyCode) -> Option<ReportedResult> {
    if stage == Stage::Dispatched {
        return Some(ReportedResult::Received);
    }
    let number = format!("CERTIFY-{agency}");
    let is_received = stage == Stage::Received;
    match purpose {
        Purpose::Approve => is_received.then_some(ReportedResult::Approved { permit: number }),
        Purpose::MoveOut if stage == Stage::Verified => {
            let issued_on = today(Timestamp::now());
            let valid_until = issued_on.saturating_add(Span::new().days(VALID_DAYS));
            Some(ReportedResult::MovedOut { certificate: number, issued_on, valid_until })
        }
        Purpose::MoveOut => is_received.then_some(ReportedResult::Verified),
        Purpose::Settle => is_received.then_some(ReportedResult::Settled),
        Purpose::Restore => is_received.then_some(ReportedResult::Restored),
        // A move has no such leg.
        Purpose::Decide | Purpose::Certify => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_agency_reports_each_step_of_its_legs_once() {
        let agency: AgencyCode = "11".parse().expect("a code");
        for (purpose, mut stage, last) in [
            (Purpose::Approve, Stage::Dispatched, Stage::Approved),
            (Purpose::MoveOut, Stage::Dispatched, Stage::MovedOut),
            (Purpose::Settle, Stage::Dispatched, Stage::Settled),
        ] {
            while let Some(report) = next_report(purpose, stage, &agency) {
                stage = domain::stage::next(stage, purpose, report.step()).expect("a possible step");
            }
            assert_eq!(stage, last, "{purpose:?}");
        }
    }

    #[test]
    fn the_catalogue_has_a_case_for_each_direction() {
        let skipping = |skips| forms::moving_case(Purpose::Approve, skips).expect("a case");
        assert!(!skipping(false).1.relative && !skipping(true).1.relative);
        assert!(skipping(true).1.skips.contains(&Purpose::Approve));
    }
}
