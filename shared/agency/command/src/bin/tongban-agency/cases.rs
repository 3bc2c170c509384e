//! `cases`, `show` and `resend`: the agency's open cases at the hub.

use std::process::ExitCode;

use agency::hub_client::{OpenCases, outcome_name};
use agency::{HubClient, Inbox as _, SqliteInbox};
use anyhow::{Result, ensure};
use protocol::backlog::{OpenCase, ResendCase, ResendOutcome};
use serde_json::json;

use crate::absent::{REMEDY, Whereabouts, look};
use crate::arguments::{Cases, Resend, Show};
use crate::screen::{members, plain, print, spinner, table};
use crate::setting;

/// Most cases that `show` and `resend --all` read.
const MAX_CASES: usize = 10_000;

fn row(case: &OpenCase, found: Option<&Whereabouts>) -> Result<[String; 7]> {
    let is_absent = found.is_some_and(|found| found.named().contains(&case.application));
    let place = match (case.sent, is_absent) {
        (false, _) => "not sent yet",
        (true, true) => "NOT IN THE QUEUE",
        (true, false) => "sent",
    };
    Ok([
        case.application.to_string(),
        case.version.to_string(),
        case.message.to_string(),
        case.purpose.name().to_owned(),
        plain(&serde_json::to_value(case.stage)?),
        case.due.map_or("-".to_owned(), |due| due.date.to_string())
            + if case.overdue { " overdue" } else { "" },
        place.to_owned(),
    ])
}

/// Lists open cases.
pub(crate) async fn cases(given: &Cases) -> Result<ExitCode> {
    let config = setting::config(given.agency.config.as_deref())?;
    let calling = spinner("calling the hub");
    let client = HubClient::new(&config)?;
    let page = (given.after.as_deref(), usize::from(given.limit));
    let (listed, found) = look(&config, given.agency.config.as_deref(), &client, page).await?;
    calling.finish_and_clear();
    let OpenCases { cases, next } = listed;
    if given.agency.json {
        let (absent, unknown) = match &found {
            Ok(found) => (json!({ "count": found.absent(), "applications": found.named() }), None),
            Err(error) => (json!(null), Some(format!("{error:#}"))),
        };
        let page = json!({ "cases": cases, "next": next, "absent": absent, "absent_unknown": unknown });
        print(&page.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = cases.iter().map(|case| row(case, found.as_ref().ok())).collect::<Result<Vec<_>>>()?;
    table(["application", "version", "message", "purpose", "stage", "due", "in the queue"], &rows)?;
    if let Some(next) = next {
        print(&format!("more: --after {next}"))?;
    }
    match found {
        Ok(found) => {
            if let Some(sentence) = found.sentence() {
                print(&format!("! {sentence}."))?;
                print(&format!("  {REMEDY}."))?;
            }
        }
        Err(error) => print(&format!("! Whether these cases are in the queue is not known: {error:#}"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows one open case.
pub(crate) async fn show(given: &Show) -> Result<ExitCode> {
    let config = setting::config(given.agency.config.as_deref())?;
    let calling = spinner("calling the hub");
    let listed = HubClient::new(&config)?.all_cases(None, MAX_CASES).await?;
    calling.finish_and_clear();
    match listed.cases.iter().find(|case| case.application == given.application) {
        Some(case) => {
            let shown = serde_json::to_value(case)?;
            if given.agency.json {
                print(&shown.to_string())?
            } else {
                members(&shown)?
            }
            Ok(ExitCode::SUCCESS)
        }
        None => {
            // An incomplete list does not prove that the case is not open.
            ensure!(listed.next.is_none(), "the case is not among the {MAX_CASES} oldest open cases");
            print(if given.agency.json { "null" } else { "the case is not open for this agency" })?;
            Ok(ExitCode::from(4))
        }
    }
}

/// Requests that the hub sends messages again.
pub(crate) async fn resend(given: &Resend) -> Result<ExitCode> {
    ensure!(
        given.message.is_none() || given.applications.len() == 1,
        "--message needs exactly one application"
    );
    let config = setting::config(given.agency.config.as_deref())?;
    let client = HubClient::new(&config)?;
    let calling = spinner("calling the hub");
    let wanted = if given.all {
        let listed = client.all_cases(None, MAX_CASES).await?;
        listed.cases.iter().map(|case| ResendCase { application: case.application, message: None }).collect()
    } else {
        let case = |application: &_| ResendCase { application: *application, message: given.message };
        given.applications.iter().map(case).collect::<Vec<_>>()
    };
    if given.forget {
        // Before the request: the consumer may receive the message before this command ends.
        let inbox = SqliteInbox::at(&config.inbox);
        for case in &wanted {
            inbox.forget(case.application).await?;
        }
    }
    let answer = client.resend(&wanted).await?;
    calling.finish_and_clear();
    if given.agency.json {
        print(&serde_json::to_string(&answer)?)?;
    } else {
        let rows = answer.cases.iter().map(|resent| {
            let message = resent.message.map_or("-".to_owned(), |message| message.to_string());
            [resent.application.to_string(), message, outcome_name(resent.outcome).to_owned()]
        });
        table(["application", "message", "outcome"], &rows.collect::<Vec<_>>())?;
    }
    let all = answer.cases.iter().all(|resent| resent.outcome == ResendOutcome::Accepted);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(7) })
}
