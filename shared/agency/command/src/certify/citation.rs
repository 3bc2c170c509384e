//! The refusals of the hub that a certification saw, as its report cites them.

use std::fmt;

use agency::problem::HubProblem;
use domain::ids::ApplicationId;
use serde::Serialize;

/// Most refusals that one report cites: a faulty consumer may cause any number.
pub(super) const CITED: usize = 1000;

/// One refusal of the hub: of a report of the consumer, or of a request of certification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CitedRefusal {
    /// The check that ran. Absent when the refused report names no case of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<&'static str>,
    /// The refused report or request.
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationId>,
    /// Status and code of the problem.
    pub status: u16,
    pub code: String,
    /// The problem's detail, else its title, and every wrong field.
    pub detail: String,
}

impl CitedRefusal {
    pub(super) fn new(
        what: String,
        application: Option<ApplicationId>,
        problem: &HubProblem,
    ) -> CitedRefusal {
        let (status, code) = (problem.status, problem.code().to_owned());
        CitedRefusal { check: None, what, application, status, code, detail: detail(problem) }
    }
}

impl fmt::Display for CitedRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CitedRefusal { check, what, application, status, code, detail } = self;
        write!(f, "{}: the hub refused {what}", check.unwrap_or("another case"))?;
        if let Some(application) = application {
            write!(f, " on {application}")?;
        }
        write!(f, ": {status} {code}: {detail}")
    }
}

/// Status, code and explanation of a problem in one line. The persons of certification are invented, so its detail may be
/// shown, unlike that of a problem about a citizen's case.
pub(super) fn cited(problem: &HubProblem) -> String {
    format!("{problem}: {}", detail(problem))
}

fn detail(problem: &HubProblem) -> String {
    let said = problem.detail.as_deref().unwrap_or(&problem.title);
    let said = if said.is_empty() { "the answer gives no reason" } else { said };
    let errors =
        problem.errors.iter().map(|error| format!("{} {}: {}", error.pointer, error.code, error.detail));
    [said.to_owned()].into_iter().chain(errors).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citation_has_code_detail_and_every_wrong_field() {
        let body = br#"{"type":"/problems/invalid_fields","title":"Some fields are wrong","errors":[
            {"pointer":"/seen","code":"not_an_integer","detail":"Must be an integer."}]}"#;
        let problem = HubProblem::read(422, body);
        let mut refusal = CitedRefusal::new("a report".to_owned(), None, &problem);
        refusal.check = Some("burst");
        let expected = "burst: the hub refused a report: 422 invalid_fields: Some fields are wrong; /seen not_an_integer: \
                        Must be an integer.";
        assert_eq!(refusal.to_string(), expected);
        assert_eq!(cited(&HubProblem::read(502, b"")), "502: the answer gives no reason");
    }
}
