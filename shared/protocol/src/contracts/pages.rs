//! The generated parts of hand-written pages: each is between two comments that name it.

use crate::problem::agency::AGENCY_PROBLEMS;

/// A generated part of a page.
#[derive(Clone, Debug)]
pub struct PagePart {
    /// Path of the page, from the top of the repository.
    pub page: &'static str,
    /// Name in the comments around the part.
    pub name: &'static str,
    /// The text between the comments.
    pub text: String,
}

/// Every generated part.
#[must_use]
pub fn page_parts() -> Vec<PagePart> {
    vec![PagePart { page: "shared/agency/INTEGRATION.md", name: "problems", text: problem_table() }]
}

impl PagePart {
    /// The page with this part in place of the old one; `None` when the page lacks a comment.
    #[must_use]
    pub fn put_into(&self, page: &str) -> Option<String> {
        let begin = format!("<!-- {}: begin -->\n", self.name);
        let end = format!("<!-- {}: end -->", self.name);
        let (before, rest) = page.split_once(&begin)?;
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{begin}{}{end}{after}", self.text))
    }
}

/// The guide's table of the hub's answers to an agency.
fn problem_table() -> String {
    let row = |answer: &str, meaning: &str, remedy: &str| format!("| {answer} | {meaning} | {remedy} |\n");
    let mut table = row("answer", "meaning", "do") + "|---|---|---|\n";
    table += &row(
        "200",
        "The report is recorded. A repeat gets the first answer.",
        "Keep `receipt`; `version` is your next `seen`.",
    );
    let gateway = row(
        "429",
        "Too many requests, from the gateway in front of the hub. The body is no problem of the hub.",
        "Send the same bytes again, with growing, random waits.",
    );
    let (early, late): (Vec<_>, Vec<_>) = AGENCY_PROBLEMS.iter().partition(|problem| problem.status < 429);
    let rows = |problems: Vec<&crate::problem::agency::AgencyProblem>| {
        let rows = problems.into_iter().map(|problem| {
            row(&format!("{} `{}`", problem.status, problem.code), problem.meaning, problem.remedy)
        });
        rows.collect::<String>()
    };
    table += &(rows(early) + &gateway + &rows(late));
    table += &row(
        "no answer, or a body that is no problem of the hub, in any status",
        "The connection broke, or a proxy answered. The hub may have recorded the report.",
        "Send the same bytes again, with growing, random waits.",
    );
    table
}
