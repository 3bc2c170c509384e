//! The numbers that the pages and contracts for agencies tell are those of the code and of the template.

use std::collections::BTreeSet;
use std::time::Duration;

use agency::hub_keys::MIN_INTERVAL;
use agency::inbox::RETENTION_DAYS;
use domain::limits;
use domain::stage::{Purpose, Stage, reports_from};
use platform::documents::UPLOAD_TTL;
use protocol::backlog::RESEND_SECONDS;
use protocol::report::{FRESH_SECONDS, REPORT_BYTES, REQUEST_FRESH_SECONDS};
use reports::queue::{LAST_HELD_RECEIVE, LONGEST_HOLD, hold_time};
use serde_yaml_ng::Value;
use tongban_tests::repository::text;

/// Words for numbers.
const NUMBERS: [(&str, i64); 14] = [
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("twelve", 12),
    ("fifteen", 15),
    ("twenty", 20),
    ("thirty", 30),
];
/// Beginnings of units. A page may count anything else.
const UNITS: [&str; 9] = ["second", "minute", "hour", "day", "month", "kib", "mib", "receive", "deliver"];

/// Numbers with a unit in a text, for example `30 second`. `ten times` counts as deliveries.
fn numbers(text: &str) -> BTreeSet<String> {
    let words: Vec<String> = text
        .split(|sign: char| sign.is_whitespace() || sign == '-')
        .map(|word| word.trim_matches(|sign: char| !sign.is_alphanumeric()).replace(',', "").to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    let number = |word: &str| {
        word.parse::<i64>().ok().or_else(|| Some(NUMBERS.iter().find(|(name, _)| *name == word)?.1))
    };
    let unit = |word: &str| {
        if word == "times" { Some("deliver") } else { UNITS.into_iter().find(|unit| word.starts_with(unit)) }
    };
    let pairs = words.iter().zip(words.iter().skip(1));
    pairs.filter_map(|(first, second)| Some(format!("{} {}", number(first)?, unit(second)?))).collect()
}

/// The settings of a queue in the template: visibility timeout, retention in days, receives.
fn queue(name: &str) -> (i64, i64, i64) {
    let template: Value = serde_yaml_ng::from_str(&text("infra/template.yaml")).expect("the template");
    let resources = &template["Resources"];
    let found = match resources.get(name) {
        Some(found) => found,
        None => &resources["Fn::ForEach::Agencies"][2][name],
    };
    let properties = &found["Properties"];
    let setting = |value: &Value| value.as_i64().unwrap_or_else(|| panic!("{name}: {value:?} is no number"));
    let receives = setting(&properties["RedrivePolicy"]["maxReceiveCount"]);
    let days = setting(&properties["MessageRetentionPeriod"]) / (24 * 60 * 60);
    (setting(&properties["VisibilityTimeout"]), days, receives)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).expect("few seconds")
}

/// Every number that a page may tell, from the constant that has it.
fn facts() -> BTreeSet<String> {
    let (agency_visibility, agency_days, agency_receives) = queue("Agency${Code}");
    let (visibility, days, receives) = queue("ReportQueue");
    assert_eq!(agency_days, limits::QUEUE_DAYS);
    let held: i64 = (1..LAST_HELD_RECEIVE).map(|receive| seconds(hold_time(receive))).sum();
    let from_code = [
        ("second", vec![agency_visibility, visibility, FRESH_SECONDS, REQUEST_FRESH_SECONDS, RESEND_SECONDS]),
        ("second", vec![seconds(hold_time(1)), seconds(MIN_INTERVAL), seconds(UPLOAD_TTL)]),
        ("second", vec![seconds(documents::links::READ_TTL)]),
        ("minute", vec![FRESH_SECONDS / 60, seconds(LONGEST_HOLD) / 60, held / 60]),
        ("day", vec![agency_days, days, limits::PAPERS_DAYS, RETENTION_DAYS]),
        ("kib", vec![i64::try_from(REPORT_BYTES / 1024).expect("few")]),
        ("receive", vec![agency_receives, receives]),
        ("deliver", vec![agency_receives, receives]),
    ];
    let told = from_code
        .into_iter()
        .flat_map(|(unit, numbers)| numbers.into_iter().map(move |number| format!("{number} {unit}")));
    told.collect()
}

/// Numbers that a page tells of something that is not the hub's: each with its reason.
const OTHERS: &[(&str, &str, &str)] = &[
    ("shared/agency/README.md", "10 minute", "the library signs a report again at this age, of its own"),
    ("shared/agency/guide/aws.md", "20 second", "the long poll of the queue, as AWS has it"),
    ("shared/agency/guide/aws.md", "1 day", "a figure of speech: a key leaks one day"),
    ("shared/protocol/contracts/README.md", "12 month", "a promise of the operators"),
    ("shared/protocol/contracts/README.md", "4 second", "what certification asks of a test system"),
    ("shared/protocol/contracts/frames/agency.asyncapi.yaml", "1 receive", "one call of `ReceiveMessage`"),
    (
        "shared/protocol/contracts/frames/agency.openapi.yaml",
        "5 minute",
        "`Cache-Control` of the keys, 300 seconds",
    ),
];

/// The pages and contracts that an agency's team reads.
const PAGES: [&str; 6] = [
    "shared/agency/INTEGRATION.md",
    "shared/agency/README.md",
    "shared/agency/guide/aws.md",
    "shared/protocol/contracts/README.md",
    "shared/protocol/contracts/frames/agency.asyncapi.yaml",
    "shared/protocol/contracts/frames/agency.openapi.yaml",
];

#[test]
fn a19_every_number_on_a_page_for_agencies_is_that_of_the_code() {
    let facts = facts();
    let mut wrong = Vec::new();
    for page in PAGES {
        let is_other = |number: &String| OTHERS.iter().any(|(of, told, _)| of == &page && told == number);
        let told = numbers(&text(page)).into_iter();
        let strange = told.filter(|number| !facts.contains(number) && !is_other(number));
        wrong.extend(strange.map(|number| format!("{page}: {number}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}\nthe code has {facts:#?}");
    for (page, number, _) in OTHERS {
        assert!(numbers(&text(page)).contains(*number), "{page} does not tell {number} any more");
    }
}

#[test]
fn a19_the_contract_of_the_queues_has_the_settings_of_the_template() {
    let contract: Value =
        serde_yaml_ng::from_str(&text("shared/protocol/contracts/agency.asyncapi.yaml")).expect("YAML");
    for (channel, resource) in [("cases", "Agency${Code}"), ("reports", "ReportQueue")] {
        let (visibility, days, receives) = queue(resource);
        let told = &contract["channels"][channel]["bindings"]["sqs"]["queue"];
        let setting = |value: &Value| value.as_i64();
        assert_eq!(setting(&told["visibilityTimeout"]), Some(visibility), "{channel}");
        assert_eq!(setting(&told["redrivePolicy"]["maxReceiveCount"]), Some(receives), "{channel}");
        assert_eq!(setting(&told["messageRetentionPeriod"]), Some(days * 24 * 60 * 60), "{channel}");
    }
    // A held report is refused by the function, before the queue gives it up.
    assert!(i64::from(LAST_HELD_RECEIVE) < queue("ReportQueue").2);
}

/// The words in backticks of a text.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

const PURPOSES: [Purpose; 6] = [
    Purpose::Decide,
    Purpose::Approve,
    Purpose::MoveOut,
    Purpose::Settle,
    Purpose::Restore,
    Purpose::Certify,
];

#[test]
fn a19_the_guide_lists_the_reports_of_each_task() {
    let guide = text("shared/agency/INTEGRATION.md");
    let asyncapi = text("shared/protocol/contracts/frames/agency.asyncapi.yaml");
    let course = asyncapi.split("The course of each `purpose`:").nth(1).expect("the course");
    let course = course.split("\n\n").next().expect("a paragraph").replace('\n', " ");
    for purpose in PURPOSES {
        let name = purpose.name();
        let kinds: BTreeSet<&str> =
            reports_from(Stage::Dispatched, purpose).iter().filter_map(|step| step.report_kind()).collect();
        let row = guide.lines().find_map(|line| line.strip_prefix(&format!("| `{name}` |")));
        assert_eq!(quoted(row.unwrap_or_else(|| panic!("no row {name}"))), kinds, "{name}");
        // The contract tells the usual course alone.
        let told =
            course.split(&format!("`{name}` ")).nth(1).unwrap_or_else(|| panic!("no course of {name}"));
        let told = told.split([';', '.']).next().unwrap_or_default();
        let words = told.split(|sign: char| !sign.is_alphanumeric() && sign != '_');
        let words = words.filter(|word| !word.is_empty() && !["then", "or"].contains(word));
        for word in words {
            assert!(kinds.contains(word), "{name}: {word}");
        }
    }
}

#[test]
fn numbers_are_found_in_words_and_across_lines() {
    let found = numbers("after ten\nreceives, 64 KiB; a 30-second wait, 1,200 seconds, 5 files, ten times");
    let expected = ["10 deliver", "10 receive", "1200 second", "30 second", "64 kib"];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
}
