//! Output of `tongban agency` for people.

use std::fmt::Write as _;

use console::{measure_text_width, style};
use domain::agencies::AgencyState;
use domain::agency_override::{AgencyOverride, KeyRole, Record};
use domain::catalogue::Service;
use jiff::Timestamp;
use serde_json::Value;
use tongban::operator::{
    AgencyKey, AgencyOverview, AgencySummary, DeadReports, KeyState, Origin, RefusedReport, Suspension,
};

/// A table whose columns are as wide as their widest cell. A Chinese character takes two columns.
fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> String {
    let widths: Vec<usize> = (0..N)
        .map(|column| {
            let cells = rows.iter().map(|row| measure_text_width(&row[column]));
            cells.chain([titles[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String; N]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            format!("{cell}{}", " ".repeat(width.saturating_sub(measure_text_width(cell))))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![style(line(&titles.map(str::to_owned))).bold().to_string()];
    lines.extend(rows.iter().map(line));
    lines.join("\n")
}

pub(super) fn list(agencies: &[AgencySummary]) -> String {
    let rows: Vec<[String; 5]> = agencies
        .iter()
        .map(|agency| {
            [
                agency.agency.to_string(),
                format!("{} {}", agency.zh, agency.en),
                state(agency),
                agency.offers.keys().map(|service| service_name(*service)).collect::<Vec<_>>().join(", "),
                format!("{} sig, {} enc", agency.signing_keys, agency.encryption_keys),
            ]
        })
        .collect();
    table(["CODE", "NAME", "STATE", "SERVICES", "KEYS"], &rows)
}

pub(super) fn show(overview: &AgencyOverview) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10}{value}");
    };
    let summary = &overview.summary;
    line("agency", &format!("{} {} {}", summary.agency, summary.zh, summary.en));
    line("state", &state(summary));
    for (service, since) in &summary.offers {
        line("decides", &format!("{} since {since}", service_name(*service)));
    }
    for capability in &overview.capabilities {
        line("can", capability);
    }
    let queue = &overview.queue;
    let count = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
    line(
        "queue",
        &format!(
            "{} waiting, {} in flight, {} dead letters",
            count(queue.waiting),
            count(queue.in_flight),
            count(queue.dead)
        ),
    );
    line("", &queue.url);
    match &overview.dead_reports {
        None => line("reports", "?"),
        Some(DeadReports { of_agency, of_all, unread }) => {
            let unread =
                if *unread == 0 { String::new() } else { format!("; {unread} not read, look again") };
            line(
                "reports",
                &format!("{of_agency} dead letters name this agency, of {of_all} of all agencies{unread}"),
            );
        }
    }
    match &overview.cases {
        None => line("cases", "?"),
        Some(cases) => {
            let more = if cases.more { " (and more)" } else { "" };
            line("cases", &format!("{} open{more}, {} of them held", cases.open, cases.held));
            if let Some(oldest) = cases.oldest {
                line("", &format!("oldest opened {oldest:.0}, {}", age(oldest)));
            }
        }
    }
    for missing in &overview.missing {
        line("MISSING", &format!("{}: {}", missing.part, missing.reason));
    }
    let _ = write!(text, "\n{}\n\n{}", keys(&overview.keys), records(&overview.records));
    text
}

pub(super) fn keys(keys: &[AgencyKey]) -> String {
    let rows: Vec<[String; 4]> = keys
        .iter()
        .map(|key| {
            let state = match key.state {
                KeyState::InUse => "in use",
                KeyState::Former => "former: still decrypts earlier messages",
                KeyState::Revoked => "REVOKED",
            };
            let origin = match key.origin {
                Some(Origin::Row) => "infra/agencies.toml",
                Some(Origin::Operator) => "an operator",
                None => "no longer listed",
            };
            [key.kid.clone(), key.role.map_or("", purpose).to_owned(), state.to_owned(), origin.to_owned()]
        })
        .collect();
    table(["KEY", "FOR", "STATE", "FROM"], &rows)
}

/// Purpose of a key.
pub(super) fn purpose(role: KeyRole) -> &'static str {
    match role {
        KeyRole::Signing => "signatures",
        KeyRole::Encryption => "encryption",
    }
}

pub(super) fn refused(refused: &[RefusedReport]) -> String {
    if refused.is_empty() {
        return "No report was refused.".to_owned();
    }
    let rows: Vec<[String; 5]> = refused
        .iter()
        .map(|report| {
            [
                format!("{:.3}", report.at),
                report.outcome.clone(),
                report.application.clone().unwrap_or_default(),
                report.report_id.clone().unwrap_or_default(),
                report.problem.as_ref().map(explanation).unwrap_or_default(),
            ]
        })
        .collect();
    table(["AT", "REASON", "APPLICATION", "REPORT", "EXPLANATION"], &rows)
}

/// The wrong fields of a problem, else its detail or its title.
fn explanation(problem: &Value) -> String {
    let text = |value: &Value, member: &str| value[member].as_str().unwrap_or_default().to_owned();
    let errors = problem["errors"].as_array().into_iter().flatten();
    let errors: Vec<String> =
        errors.map(|error| format!("{} {}", text(error, "pointer"), text(error, "code"))).collect();
    let detail = text(problem, if problem["detail"].is_string() { "detail" } else { "title" });
    if errors.is_empty() { detail } else { errors.join(", ") }
}

fn records(records: &[Record]) -> String {
    if records.is_empty() {
        return "No operator has changed this agency.".to_owned();
    }
    let rows: Vec<[String; 5]> = records
        .iter()
        .map(|record| {
            let what = match &record.change {
                AgencyOverride::Suspend => "suspend".to_owned(),
                AgencyOverride::Resume => "resume".to_owned(),
                AgencyOverride::AddKey { role, jwk } => {
                    let kid = jwk.get("kid").and_then(|kid| kid.as_str()).unwrap_or_default();
                    format!("add {kid} for {}", purpose(*role))
                }
                AgencyOverride::RevokeKey { kid } => format!("revoke {kid}"),
                AgencyOverride::RemoveKey { kid } => format!("remove {kid}"),
            };
            let at = format!("{:.0}", record.at);
            [record.version.to_string(), at, what, record.by.clone(), record.reason.clone()]
        })
        .collect();
    table(["VERSION", "AT", "CHANGE", "BY", "REASON"], &rows)
}

fn state(agency: &AgencySummary) -> String {
    match (agency.state, agency.suspended_by) {
        (AgencyState::Active, _) => "active".to_owned(),
        (AgencyState::Suspended, Some(Suspension::Operator)) => "SUSPENDED by an operator".to_owned(),
        (AgencyState::Suspended, _) => "SUSPENDED in infra/agencies.toml".to_owned(),
    }
}

fn service_name(service: Service) -> String {
    serde_json::to_value(service).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Age in minutes, hours or days.
fn age(since: Timestamp) -> String {
    let minutes = Timestamp::now().duration_since(since).as_mins().max(0);
    match minutes {
        0..120 => format!("{minutes} min ago"),
        120..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_under_chinese_names() {
        console::set_colors_enabled(false);
        let rows = [["11", "北京市", "x"], ["1501", "Hohhot", "y"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(["CODE", "NAME", "Z"], &rows), "CODE  NAME    Z\n11    北京市  x\n1501  Hohhot  y");
    }
}
