//! The metric filters of the template and the log lines of the functions agree. CloudWatch reports no error when a
//! filter matches no line, so a changed text would silently stop the metric.

use tongban_tests::repository::{files, text};

use crate::FUNCTIONS;

/// Log group and pattern of each metric filter in the template.
fn metric_filters() -> Vec<(String, String)> {
    let template = text("infra/template.yaml");
    let blocks: Vec<&str> = template.split("Type: AWS::Logs::MetricFilter").skip(1).collect();
    let value = |block: &str, name: &str| {
        let line = block.lines().take(5).find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("a metric filter without {name} in its first lines")).to_owned()
    };
    blocks.into_iter().map(|block| (value(block, "LogGroupName"), value(block, "FilterPattern"))).collect()
}

/// Whether a source logs this event: a call of a `tracing` macro contains the text as a whole literal.
fn logs(source: &str, event: &str) -> bool {
    let literal = format!("\"{event}\"");
    source
        .split("tracing::")
        .skip(1)
        .filter(|call| ["error!(", "warn!(", "info!("].iter().any(|level| call.starts_with(level)))
        .any(|call| call.split(");").next().is_some_and(|arguments| arguments.contains(&literal)))
}

#[test]
fn every_metric_filter_matches_a_log_line_of_its_function() {
    let filters = metric_filters();
    assert!(!filters.is_empty());
    for (group, pattern) in filters {
        // The filter on the level is in the loop over all functions.
        if pattern == r#"'{ $.level = "ERROR" }'"# {
            assert_eq!(group, r#"{ Ref: !Sub "Logs${Name}" }"#, "the log groups of {pattern}");
            continue;
        }
        let function = group.strip_prefix("!Ref Logs").unwrap_or_else(|| panic!("the log group {group}"));
        assert!(FUNCTIONS.contains(&function), "{pattern} is for the log group of {function}");
        let event = pattern.strip_prefix(r#"'{ $.message = ""#).and_then(|rest| rest.strip_suffix(r#"" }'"#));
        let event = event.unwrap_or_else(|| panic!("a pattern of another form: {pattern}"));
        let sources = files(&format!("functions/{function}/src"), ".rs");
        let found = sources.iter().any(|path| logs(&text(path.to_str().expect("a path in UTF-8")), event));
        assert!(found, "no log line of the function {function} has the text {event:?}");
    }
}

#[test]
fn only_the_whole_text_of_a_log_line_counts() {
    let source = r#"tracing::warn!(%id, "an endpoint is disabled"); let other = "a text";"#;
    assert!(logs(source, "an endpoint is disabled"));
    assert!(!logs(source, "is disabled") && !logs(source, "a text"));
}
