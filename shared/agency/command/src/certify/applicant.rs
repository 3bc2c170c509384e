//! The applicants of certification's cases.

/// The applicants by whose names a consumer distinguishes certification's cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestApplicant {
    /// Report `received`, then decide favourably.
    Passes,
    /// Report `received`, request one item, and decide favourably after the answer.
    Lacks,
    /// Report `received`, then work for 4 seconds or more before deciding favourably.
    Waits,
    /// Report `received`, then refuse with a reason.
    Refused,
}

impl TestApplicant {
    /// The applicant's name in the personal data.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            TestApplicant::Passes => "认证通过",
            TestApplicant::Lacks => "认证补正",
            TestApplicant::Waits => "认证等待",
            TestApplicant::Refused => "认证不予",
        }
    }
}
