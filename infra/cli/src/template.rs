//! Writes the agencies into `infra/template.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use domain::ids::AgencyCode;
use thiserror::Error;

/// Marker line before the agencies.
const BEGIN: &str = "# agencies: begin\n";
/// Marker line after the agencies.
const END: &str = "# agencies: end\n";
/// The largest template CloudFormation reads from S3, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Why the agencies cannot be written into the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A marker line is missing or occurs twice.
    #[error(
        "infra/template.yaml: the lines `# agencies: begin` and `# agencies: end` are not there once each"
    )]
    Markers,
    /// The template has too many agencies.
    #[error(
        "infra/template.yaml: {0} bytes with every agency are more than the 1048576 CloudFormation reads"
    )]
    Size(usize),
}

/// The template with one entry for each agency and the account that reads its queue.
///
/// # Errors
/// [`TemplateError`].
pub fn render(template: &str, accounts: &BTreeMap<AgencyCode, String>) -> Result<String, TemplateError> {
    if template.matches(BEGIN).count() != 1 || template.matches(END).count() != 1 {
        return Err(TemplateError::Markers);
    }
    let (head, rest) = template.split_once(BEGIN).ok_or(TemplateError::Markers)?;
    let (_, tail) = rest.split_once(END).ok_or(TemplateError::Markers)?;
    let mut rows = String::from("  Agencies:\n");
    for (code, account) in accounts {
        let _ = writeln!(rows, "    \"{code}\": {{ Account: \"{account}\" }}");
    }
    let reporters: BTreeSet<&String> = accounts.values().collect();
    let reporters: Vec<String> = reporters.iter().map(|account| format!("\"{account}\"")).collect();
    let _ = writeln!(rows, "  Reporters:\n    All: {{ Accounts: [{}] }}", reporters.join(", "));
    let text = format!("{head}{BEGIN}{rows}{END}{tail}");
    if text.len() > MAX_BYTES { Err(TemplateError::Size(text.len())) } else { Ok(text) }
}

/// The value of the parameter `AgencyCodes`.
#[must_use]
pub fn agency_codes(accounts: &BTreeMap<AgencyCode, String>) -> String {
    accounts.keys().map(AgencyCode::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;

    fn accounts() -> BTreeMap<AgencyCode, String> {
        [("1501", "150100000000"), ("11", "110000000000"), ("12", "110000000000")]
            .into_iter()
            .map(|(code, account)| (code.parse().unwrap(), account.to_owned()))
            .collect()
    }

    #[test]
    fn the_rows_take_the_place_of_the_example() {
        let text = "Mappings:\n# agencies: begin\n  Agencies: {}\n# agencies: end\nResources: {}\n";
        assert_eq!(
            render(text, &accounts()).unwrap(),
            "Mappings:\n# agencies: begin\n  Agencies:\n    \"11\": { Account: \"110000000000\" }\n    \
             \"12\": { Account: \"110000000000\" }\n    \"1501\": { Account: \"150100000000\" }\n  Reporters:\n    \
             All: { Accounts: [\"110000000000\", \"150100000000\"] }\n# agencies: end\nResources: {}\n"
        );
        assert_eq!(agency_codes(&accounts()), "11,12,1501");
    }

    #[test]
    fn the_repositorys_template_accepts_the_rows() {
        let text = render(include_str!("../../template.yaml"), &accounts()).unwrap();
        assert!(text.contains("\"1501\": { Account: \"150100000000\" }"));
        assert!(!text.contains("\"11\": { Account: \"000000000000\" }"));
    }

    #[test]
    fn each_marker_must_occur_exactly_once() {
        assert_eq!(render("Resources: {}\n", &accounts()), Err(TemplateError::Markers));
        let twice = format!("{BEGIN}{END}{BEGIN}{END}");
        assert_eq!(render(&twice, &accounts()), Err(TemplateError::Markers));
        let reversed = format!("{END}{BEGIN}");
        assert_eq!(render(&reversed, &accounts()), Err(TemplateError::Markers));
    }
}
