use super::*;
use agency::testing::case;
use jiff::civil::date;

fn kinds(name: &str, purpose: Purpose, notice: NoticeKind) -> Vec<&'static str> {
    let mut case = case(1, 4);
    (case.purpose, case.notice) = (purpose, notice);
    let script = AgencyScript::named(name).expect("a script");
    let steps = script.steps(&case, date(2026, 3, 31));
    steps.into_iter().map(kind).collect()
}

fn kind(played: ScriptStep) -> &'static str {
    match played {
        ScriptStep::Report(result) => ReportedResult::kind_of(result.step()).expect("an agency's step"),
        ScriptStep::Issue { .. } => "issued",
        ScriptStep::Work(_) => "work",
    }
}

/// The steps for an applicant of this name.
fn for_name(name: &str, purpose: Purpose, notice: NoticeKind) -> Vec<&'static str> {
    let mut case = case(1, 4);
    (case.purpose, case.notice) = (purpose, notice);
    let personal_data = serde_json::json!({
        "applicant": { "name": name, "identity_number": identity_number("11010120231101217") },
        "address": "示例街1号",
    });
    case.personal_data = Some(serde_json::from_value(personal_data).expect("a personal_data"));
    let steps = AgencyScript::named("certify").expect("a script").steps(&case, date(2026, 3, 31));
    steps.into_iter().map(kind).collect()
}

/// An invented number with its check digit (GB 11643).
fn identity_number(body: &str) -> String {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = body.chars().filter_map(|digit| digit.to_digit(10));
    let sum: u32 = digits.zip(weights).map(|(digit, weight)| digit * weight).sum();
    let check = "10X98765432".chars().nth((sum % 11) as usize).expect("11 of them");
    format!("{body}{check}")
}

#[test]
fn the_applicants_name_selects_the_certification_script() {
    use NoticeKind::{Opened, Supplemented};
    let decide = |name, notice| for_name(name, Purpose::Decide, notice);
    assert_eq!(decide("认证通过", Opened), ["received", "signed", "produced", "ready"]);
    assert_eq!(decide("认证补正", Opened), ["received", "supplement_requested"]);
    assert_eq!(decide("认证补正", Supplemented), ["signed", "produced", "ready"]);
    assert_eq!(decide("认证等待", Opened), ["received", "work", "signed", "produced", "ready"]);
    assert_eq!(decide("认证不予", Opened), ["received", "not_issued"]);
    assert_eq!(for_name("认证不予", Purpose::Certify, Opened), ["received", "rejected"]);
    assert_eq!(for_name("认证通过", Purpose::MoveOut, Opened), ["received", "verified", "moved_out"]);
    assert_eq!(decide("示例甲", Opened), ["received", "signed", "produced", "ready"]);
}

#[test]
fn the_same_seed_gives_the_same_scenarios_and_every_scenario_occurs() {
    let script = |seed| AgencyScript::named("realistic").expect("a script").seeded(seed);
    let played = |script: &AgencyScript, number, notice| {
        let mut case = case(number, 4);
        case.notice = notice;
        let steps = script.steps(&case, date(2026, 3, 31));
        steps.into_iter().map(kind).next_back().unwrap_or("nothing")
    };
    let all = |seed| -> Vec<_> {
        let script = script(seed);
        (0..=255).map(|number| played(&script, number, NoticeKind::Opened)).collect()
    };
    assert_eq!(all(7), all(7));
    assert_ne!(all(7), all(8));
    let count = |kind| all(7).into_iter().filter(|played| *played == kind).count();
    assert!(count("ready") > 128 && count("not_issued") > 8 && count("supplement_requested") > 8);
    assert_eq!(count("ready") + count("not_issued") + count("supplement_requested"), 256);
}

#[test]
fn the_stage_table_allows_the_steps_of_every_script() {
    for (name, _) in AgencyScript::NAMES {
        for &purpose in Purpose::ALL {
            let allowed: Vec<_> =
                domain::stage::reports(purpose).into_iter().filter_map(ReportedResult::kind_of).collect();
            for notice in [NoticeKind::Opened, NoticeKind::Supplemented] {
                for kind in kinds(name, purpose, notice) {
                    assert!(allowed.contains(&kind), "{name}: {kind} on {purpose:?}");
                }
            }
            assert!(kinds(name, purpose, NoticeKind::Withdrawn).is_empty());
        }
    }
    assert!(AgencyScript::named("other").is_none());
}

#[test]
fn scenarios_send_reports_in_the_usual_order() {
    use NoticeKind::{Opened, RestoreRequested, Supplemented};
    assert_eq!(kinds("default", Purpose::Decide, Opened), ["received", "signed", "produced", "ready"]);
    assert_eq!(kinds("default", Purpose::MoveOut, Opened), ["received", "verified", "moved_out"]);
    assert_eq!(kinds("default", Purpose::Restore, RestoreRequested), ["received", "restored"]);
    assert_eq!(kinds("supplement", Purpose::Decide, Opened), ["received", "supplement_requested"]);
    assert_eq!(kinds("supplement", Purpose::Decide, Supplemented), ["signed", "produced", "ready"]);
    assert_eq!(kinds("not_issued", Purpose::Decide, Opened), ["received", "not_issued"]);
    assert_eq!(kinds("reject", Purpose::Certify, Opened), ["received", "rejected"]);
    assert_eq!(kinds("hold", Purpose::Certify, Opened), ["received"]);
}
