use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::division::{LEAGUE_CITIES, PROVINCES};

fn parse(text: &str) -> Result<CurrentDivision, CurrentDivisionError> {
    text.parse()
}

/// The answer for a refused code: its fault, and its successor.
fn refusal(text: &str) -> (&'static str, Option<String>) {
    let error = parse(text).expect_err(text);
    let successor = match error {
        CurrentDivisionError::Abolished { successor } => successor.map(|division| division.to_string()),
        _ => None,
    };
    (error.code(), successor)
}

fn jurisdiction(text: &str) -> Jurisdiction {
    text.parse().expect("a jurisdiction")
}

#[test]
fn both_tables_are_sorted_and_share_no_code() {
    for (table, columns) in [(CURRENT, 2), (ABOLISHED, 4)] {
        let rows: Vec<&str> = table.lines().collect();
        assert!(rows.is_sorted_by(|a, b| a.get(..6) < b.get(..6)), "sorted, each code once");
        let rows = rows.iter().filter(|row| !row.starts_with('#'));
        assert!(rows.clone().all(|row| row.splitn(columns, ' ').count() == columns));
        assert!(rows.clone().all(|row| row[..6].parse::<DivisionCode>().is_ok()));
    }
    let current: BTreeSet<&str> = CURRENT.lines().map(|row| &row[..6]).collect();
    assert!(AbolishedDivision::all().all(|abolished| !current.contains(abolished.was.code)));
}

#[test]
fn the_tables_have_as_many_rows_as_their_sources() {
    assert_eq!(CurrentDivision::all().count(), 2_978);
    assert_eq!(AbolishedDivision::all().count(), 3_478);
    let named = AbolishedDivision::all().filter(|abolished| abolished.successor.is_some());
    assert_eq!(named.count(), 2_376);
}

/// Case P4 of `tests/FIELD_CASES.md`.
#[test]
fn every_current_code_parses_and_keeps_its_name() {
    for division in CurrentDivision::all() {
        let parsed = parse(division.code).expect(division.code);
        assert_eq!((parsed.to_string().as_str(), parsed.division()), (division.code, Some(division)));
    }
}

/// Case P4 of `tests/FIELD_CASES.md`.
#[test]
fn every_abolished_code_is_refused_with_its_successor() {
    for abolished in AbolishedDivision::all() {
        let expected = CurrentDivisionError::Abolished { successor: abolished.successor };
        assert_eq!(parse(abolished.was.code), Err(expected), "{}", abolished.was);
        assert!(abolished.successor.is_none_or(|successor| parse(successor.code).is_ok()));
        assert!((1980..=2019).contains(&abolished.last_seen), "{}", abolished.was);
    }
}

/// Case P4 of `tests/FIELD_CASES.md`. A successor is found by its name, so a row with another one is wrong.
#[test]
fn every_successor_has_the_name_and_the_province_of_its_predecessor() {
    let stem = |name: &str| match name.char_indices().next_back() {
        Some((end, '市' | '区' | '县')) if name.chars().count() > 2 => name[..end].to_owned(),
        _ => name.to_owned(),
    };
    // Chongqing was a part of Sichuan, and Hainan of Guangdong.
    let split = [("51", "50"), ("44", "46")];
    for abolished in AbolishedDivision::all() {
        let Some(successor) = abolished.successor else { continue };
        let provinces = (&abolished.was.code[..2], &successor.code[..2]);
        assert!(provinces.0 == provinces.1 || split.contains(&provinces), "{} {successor}", abolished.was);
        assert_eq!(stem(abolished.was.name), stem(successor.name), "{} {successor}", abolished.was);
    }
}

/// Case P4 of `tests/FIELD_CASES.md`.
#[test]
fn abolished_codes_of_the_field_name_their_successor() {
    for (code, successor) in [
        // Chongqing was a part of Sichuan until 1997.
        ("510213", Some("500107 九龙坡区")),
        // Counties that became districts.
        ("320482", Some("320413 金坛区")),
        ("410381", Some("410307 偃师区")),
        // Merged into others, or split up: no name leads to one successor.
        ("110103", None),
        ("341402", None),
        // Prefectures.
        ("341400", None),
        ("510200", None),
    ] {
        assert_eq!(refusal(code), ("division_abolished", successor.map(str::to_owned)), "{code}");
    }
    let chongwen = abolished_division("110103").expect("Chongwen");
    assert_eq!((chongwen.was.name, chongwen.last_seen), ("崇文区", 2009));
}

/// Case P4 of `tests/FIELD_CASES.md`. 440399 and 460302 are in no yearly table.
#[test]
fn codes_in_no_table_are_unknown() {
    for code in ["440399", "460302", "429099", "110199", "111111"] {
        assert_eq!(refusal(code), ("unknown_division", None), "{code}");
    }
}

/// Case P4 of `tests/FIELD_CASES.md`.
#[test]
fn corps_cities_and_counties_under_a_province_are_current() {
    for (code, name) in [
        ("320413", "金坛区"),
        ("659012", "白杨市"),
        ("429004", "仙桃市"),
        ("469024", "临高县"),
        ("150102", "新城区"),
    ] {
        let division = parse(code).expect(code).division().expect(code);
        assert_eq!((division.code, division.name), (code, name));
    }
}

/// Case P4 of `tests/FIELD_CASES.md`.
#[test]
fn a_whole_prefecture_is_refused_unless_it_has_no_counties() {
    for code in ["441900", "442000", "460400", "620200"] {
        assert!(parse(code).is_ok(), "{code}");
    }
    for code in ["110000", "110100", "150000", "150100", "429000", "460300", "500200", "659000"] {
        assert_eq!(refusal(code), ("division_not_county", None), "{code}");
    }
    let whole: Vec<&str> = CurrentDivision::all().map(|division| division.code).collect();
    let whole: Vec<&str> = whole.into_iter().filter(|code| code.ends_with("00")).collect();
    assert_eq!(whole, ["441900", "442000", "460400", "620200"]);
}

#[test]
fn a_current_division_is_a_division_code_and_names_no_successor() {
    let division = parse("150102").expect("a code");
    assert_eq!(DivisionCode::from(division), "150102".parse().expect("a code"));
    let found = abolished_division("320482").expect("Jintan").successor.expect("a successor");
    assert_eq!(
        (found.code, CurrentDivisionError::Abolished { successor: Some(found) }.successor()),
        ("320413", Some(found))
    );
    assert_eq!(CurrentDivisionError::Unknown.successor(), None);
}

#[test]
fn the_form_of_a_code_is_checked_first() {
    assert_eq!(refusal("15010").0, "division_code_length");
    assert_eq!(refusal("15010x").0, "division_code_not_digits");
    assert_eq!(refusal("990101").0, "division_code_province");
    assert_eq!(refusal("# npm ").0, "division_code_not_digits");
}

#[test]
fn provinces_and_league_cities_are_those_of_the_table() {
    let rows: Vec<(&str, &str)> = CURRENT.lines().filter_map(|row| row.split_once(' ')).collect();
    let provinces = rows.iter().filter(|(code, _)| code.ends_with("0000"));
    assert!(provinces.map(|(code, name)| (&code[..2], *name)).eq(PROVINCES.map(|(code, zh, _)| (code, zh))));
    let leagues = rows
        .iter()
        .filter(|(code, _)| code.starts_with("15") && code.ends_with("00") && !code.ends_with("0000"));
    assert!(
        leagues.map(|(code, name)| (&code[..4], *name)).eq(LEAGUE_CITIES.map(|(code, zh, _)| (code, zh)))
    );
}

#[test]
fn a_jurisdiction_lists_its_current_divisions() {
    let wuhai: Vec<&str> = jurisdiction("1503").current_divisions().map(|division| division.code).collect();
    assert_eq!(wuhai, ["150302", "150303", "150304"]);
    assert_eq!(jurisdiction("4419").current_divisions().count(), 1);
    assert_eq!(jurisdiction("150102").current_divisions().count(), 1);
    for (text, name) in [("3414", Some("巢湖市")), ("510213", Some("九龙坡区")), ("1599", None), ("11", None)]
    {
        let abolished = jurisdiction(text).abolished();
        assert_eq!(abolished.map(|abolished| abolished.was.name), name, "{text}");
    }
    assert_eq!(jurisdiction("3414").current_divisions().next(), None);
}

proptest! {
    /// Case P4 of `tests/FIELD_CASES.md`.
    #[test]
    fn any_other_code_is_unknown_or_a_whole_prefecture(number in 110_000_u32..660_000) {
        let text = number.to_string();
        let current = CURRENT.lines().any(|row| row.starts_with(&text));
        let abolished = ABOLISHED.lines().any(|row| row.starts_with(&text));
        match parse(&text) {
            Ok(_) => prop_assert!(current),
            Err(CurrentDivisionError::Abolished { .. }) => prop_assert!(abolished),
            Err(CurrentDivisionError::NotCounty) => prop_assert!(text.ends_with("00")),
            Err(CurrentDivisionError::Unknown) => prop_assert!(!current && !abolished),
            Err(CurrentDivisionError::Code(error)) => prop_assert_eq!(error, DivisionCodeError::Province),
        }
    }

    #[test]
    fn a_search_finds_what_a_scan_finds(prefix in "[1-6][0-9]{0,5}") {
        for table in [CURRENT, ABOLISHED] {
            let scanned = table.lines().filter(|row| row.starts_with(&prefix));
            prop_assert!(rows_under(table, &prefix).eq(scanned));
        }
    }
}
