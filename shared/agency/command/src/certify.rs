//! Certification: sends real cases to an agency's consumer and checks its behaviour from outside.
//!
//! The consumer under test is a separate process in any language. Certification files applications as an app backend
//! does, watches their stages, and reads the queue's depth and the reports that the hub refused. The consumer
//! distinguishes the cases by the applicant's name ([`TestApplicant`]). The report cites every refusal of the hub. At the end, also after a stop, certification
//! closes the cases that it opened, as far as the hub allows.

mod app;
mod applicant;
mod burst;
mod checks;
mod citation;
mod context;
mod error;
mod junit;
mod operator;
mod outcome;
mod probes;
mod reports_queue;
mod restore;
mod rotation;
mod session;
mod single_case;
mod transfer;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;

pub use app::App;
pub use applicant::TestApplicant;
pub use checks::CertificationCheck;
pub use citation::CitedRefusal;
pub use context::CertificationContext;
pub use error::CertifyError;
pub use junit::junit;
pub use operator::OperatorCommand;
pub use outcome::{CertificationReport, CheckOutcome, CheckResult, NotPassed};
pub use session::Session;

use agency::Stop;

/// Which checks run, and with which bounds.
#[derive(Clone, Debug)]
pub struct CertificationPlan {
    /// The checks in their order.
    pub checks: Vec<CertificationCheck>,
    /// Number of cases in the check `burst`.
    pub burst: usize,
    /// Time limit of one case. The check `burst` gets two more seconds for each case.
    pub timeout: Duration,
}

impl Default for CertificationPlan {
    /// Every check, 500 cases, 2 minutes.
    fn default() -> Self {
        CertificationPlan {
            checks: CertificationCheck::ALL.to_vec(),
            burst: 500,
            timeout: Duration::from_secs(120),
        }
    }
}

/// Runs the checks of a plan. Calls `progress` when a check begins (`None`) and when it ends. After a stop no further
/// check runs, and the open cases are closed.
///
/// # Errors
/// [`CertifyError`] when no check could run (no HTTP client, or the hub does not answer), and after a stop.
pub async fn certify(
    context: CertificationContext<'_>,
    plan: &CertificationPlan,
    stop: &Stop,
    mut progress: impl FnMut(CertificationCheck, Option<&CheckResult>),
) -> Result<CertificationReport, CertifyError> {
    let begun = Timestamp::now();
    let session = Session::open(context, plan.burst, plan.timeout).await?;
    let (mut results, mut refusals, mut cases) = (Vec::new(), Vec::new(), BTreeMap::new());
    for check in &plan.checks {
        progress(*check, None);
        let result = tokio::select! {
            biased;
            () = stop.requested() => break,
            result = check.run(&session) => result,
        };
        progress(*check, Some(&result));
        results.push(result);
        let name = check.name();
        cases.extend(session.take_cases().into_iter().map(|id| (id, name)));
        let refused = session.app.take_refusals().into_iter();
        refusals.extend(refused.map(|refusal| CitedRefusal { check: Some(name), ..refusal }));
    }
    let is_complete = results.len() == plan.checks.len();
    let reports = if is_complete { session.refused_reports(begun, &cases).await } else { Ok(Vec::new()) };
    session.clean_up().await;
    if !is_complete {
        return Err(CertifyError::Stopped);
    }
    let (reports, refusals_unread) = match reports {
        Ok(reports) => (reports, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    refusals.extend(reports);
    let (agency, hub) = (session.agency().clone(), hub_name(session.hub()));
    let ended = Timestamp::now();
    Ok(CertificationReport { agency, hub, begun, ended, checks: results, refusals, refusals_unread })
}

fn hub_name(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
