//! Certification: real cases are played at an agency's consumer, and what it does is judged from outside.
//!
//! The consumer under test runs by itself, in whatever language. Certification files applications as an app backend
//! does, watches what becomes of them, and looks at the queue and at the reports the hub refused. A consumer tells the
//! cases apart by the applicant's name ([`Name`]). What certification opened it ends, as far as the hub lets it, also when it
//! is stopped.

mod app;
mod burst;
mod checks;
mod error;
mod junit;
mod operator;
mod outcome;
mod probes;
mod rotation;
mod session;
mod turns;

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;

pub use app::App;
pub use checks::Check;
pub use error::CertifyError;
pub use junit::junit;
pub use operator::Operator;
pub use outcome::{Certificate, Judged, Outcome, Unmet};
pub use session::Session;

use agency::aws::Access;
use agency::{Config, Stop};

/// The applicants by whose names a consumer tells certification's cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Report `received`, then decide favourably.
    Passes,
    /// Report `received`, ask for one item; once it is answered decide favourably.
    Lacks,
    /// Report `received`, then work for 4 seconds or more before deciding favourably.
    Waits,
    /// Report `received`, then refuse with a reason.
    Refused,
}

impl Name {
    /// The name in the dossier.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Name::Passes => "认证通过",
            Name::Lacks => "认证补正",
            Name::Waits => "认证等待",
            Name::Refused => "认证不予",
        }
    }
}

/// What is to be played.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The checks, in the order in which they are played.
    pub checks: Vec<Check>,
    /// Cases of the burst.
    pub burst: usize,
    /// How long one case may take; a burst gets two seconds more for each of its cases.
    pub timeout: Duration,
}

impl Default for Plan {
    /// Every check, 500 cases, 2 minutes.
    fn default() -> Self {
        Plan { checks: Check::ALL.to_vec(), burst: 500, timeout: Duration::from_secs(120) }
    }
}

/// What certification works with.
pub struct Means<'m> {
    /// The agency under test: its own settings and keys.
    pub config: &'m Config,
    /// AWS as the agency's account.
    pub access: &'m Access,
    /// A token of an app backend that may read and write applications.
    pub token: &'m str,
    /// The operator's command; without it the checks that need it are skipped.
    pub operator: Option<Operator>,
}

/// Plays a plan. `told` is given each check as it begins (`None`) and as it ends. Once `stop` is asked no more is
/// played, and what was opened is ended.
///
/// # Errors
/// [`CertifyError`] where nothing could be played at all: no HTTP client, or the hub does not answer; and where it was
/// stopped.
pub async fn certify(
    means: Means<'_>,
    plan: &Plan,
    stop: &Stop,
    mut told: impl FnMut(Check, Option<&Judged>),
) -> Result<Certificate, CertifyError> {
    let begun = Timestamp::now();
    let session = Session::open(means, plan).await?;
    let mut judged = Vec::new();
    for check in &plan.checks {
        told(*check, None);
        let one = tokio::select! {
            biased;
            () = stop.asked() => break,
            one = check.judge(&session) => one,
        };
        told(*check, Some(&one));
        judged.push(one);
    }
    session.tidy().await;
    if judged.len() < plan.checks.len() {
        return Err(CertifyError::Stopped);
    }
    let (agency, hub) = (session.agency().clone(), hub_name(session.hub()));
    Ok(Certificate { agency, hub, begun, ended: Timestamp::now(), checks: judged })
}

fn hub_name(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
