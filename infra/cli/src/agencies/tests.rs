#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use super::*;
use protocol::jose::PrivateKey;

const GOOD: &str = r#"
[[agency]]
code = "11"
zh = "北京市"
en = "Beijing"
state = "active"
offers = { first_identity_card = "2023-05-25" }

[[agency]]
code = "1501"
zh = "呼和浩特市"
en = "Hohhot"
state = "suspended"
offers = { household_transfer = 2023-05-25 }
public = { household_transfer = "Inner Mongolia, 2023-05-25" }
capabilities = ["script:mongolian"]
account = "210987654321"
"#;

fn flaws(text: &str) -> Vec<String> {
    AgencyList::parse(text).unwrap_err().0.iter().map(Flaw::to_string).collect()
}

#[test]
fn the_list_of_the_repository_has_no_fault() {
    let list = AgencyList::parse(include_str!("../../../agencies.toml")).unwrap();
    assert_eq!(list.rows().filter(|row| row.code.to_string().len() == 2).count(), 31);
    assert_eq!(list.rows().filter(|row| row.code.to_string().len() == 4).count(), 12);
}

#[test]
fn rows_are_read() {
    let list = AgencyList::parse(GOOD).unwrap();
    let rows: Vec<&AgencyRow> = list.rows().collect();
    assert_eq!(rows[0].offers[&Service::named("first_identity_card").unwrap()].to_string(), "2023-05-25");
    assert_eq!(rows[1].state, AgencyState::Suspended);
    assert_eq!(rows[1].capabilities, ["script:mongolian"]);
    let accounts = list.accounts(|_| "000000000000".to_owned());
    assert_eq!(accounts.values().collect::<Vec<_>>(), ["000000000000", "210987654321"]);
}

/// Case P4 of `tests/FIELD_CASES.md`.
#[test]
fn codes_that_begin_no_division_of_today_are_all_refused() {
    let row = |code: &str| GOOD.split("\n\n").next().unwrap().replace("\"11\"", &format!("\"{code}\""));
    let text: String = ["3414", "510213", "1599", "4419"].map(row).concat();
    let told = flaws(&text);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("agency 3414: no division of today begins with `code`: 341400 巢湖市 was abolished")
    );
    assert!(told[1].ends_with("510213 九龙坡区 was abolished, its successor is 500107 九龙坡区"), "{told:?}");
    assert!(told[2].ends_with("agency 1599: no division of today begins with `code`"), "{told:?}");
}

#[test]
fn all_faults_are_reported_at_once_with_their_lines() {
    let text = r#"[[agency]]
code = "11"
zh = "北京市"
state = "open"
offers = { marriage = "2023-05-25", household_transfer = "soon" }
public = { first_identity_card = "somebody" }
colour = "red"

[[agency]]
code = "9"
zh = ""
en = "Nowhere"
state = "active"
offers = {}
account = "12"
capabilities = ["Script Mongolian"]
signing_keys = [{ kty = "EC", crv = "P-256", d = "AAAA" }, { kty = "RSA" }]
"#;
    assert_eq!(
        flaws(text),
        [
            "infra/agencies.toml:2: agency 11: `en` is missing",
            "infra/agencies.toml:4: agency 11: `state` is neither \"active\" nor \"suspended\"",
            "infra/agencies.toml:5: agency 11: the start of the offer `household_transfer` is not a date",
            "infra/agencies.toml:5: agency 11: unknown service `marriage`",
            "infra/agencies.toml:6: agency 11: `public` names `first_identity_card`, which is not offered",
            "infra/agencies.toml:7: agency 11: unknown field `colour`",
            "infra/agencies.toml:10: agency 9: `code` is not two, four or six digits of a division",
            "infra/agencies.toml:11: agency 9: `zh` is not a non-empty string",
            "infra/agencies.toml:15: agency 9: `account` is not a string of 12 digits",
            "infra/agencies.toml:16: agency 9: a capability has lower-case letters, `:`, `-` and `_` only, for example `script:mongolian`",
            "infra/agencies.toml:17: agency 9: key 1 of `signing_keys` is PRIVATE: replace the key and list only the public part",
            "infra/agencies.toml:17: agency 9: key 2 of `signing_keys` is not a public JWK (P-256, \"kid\", \"use\": \"sig\")",
        ]
    );
}

#[test]
fn a_syntax_error_has_its_line() {
    assert_eq!(AgencyList::parse("[[agency]]\ncode = \n").unwrap_err().0[0].line, 2);
    assert_eq!(flaws(""), ["infra/agencies.toml:1: no agency is listed"]);
}

#[test]
fn a_code_that_is_listed_twice_is_a_fault() {
    let twice = format!("{GOOD}\n{GOOD}");
    let faults = flaws(&twice);
    assert_eq!(faults.len(), 2);
    assert!(faults[0].contains("agency 11: listed twice, first at line 3"), "{faults:?}");
}

#[test]
fn a_live_agency_without_keys_is_suspended() {
    let list = AgencyList::parse(GOOD).unwrap();
    let (rows, keyless) = list.live();
    assert_eq!(rows[0].state, AgencyState::Suspended);
    assert_eq!(keyless, ["11".parse().unwrap()]);
}

#[test]
fn a_local_agency_has_the_keys_made_for_it() {
    let list = AgencyList::parse(GOOD).unwrap();
    let own = AgencyKeys {
        signing: PrivateKey::generate(KeyUse::Signing).unwrap(),
        encryption: PrivateKey::generate(KeyUse::Encryption).unwrap(),
    };
    let keys = BTreeMap::from([("11".parse().unwrap(), own.clone())]);
    let rows = list.local(&keys).unwrap();
    assert_eq!(rows[0].signing_keys, [own.signing.public().to_jwk().unwrap()]);
    assert_eq!(rows[0].state, AgencyState::Active);
    let json = String::from_utf8(agencies_json(rows).unwrap()).unwrap();
    assert!(!json.contains("\"d\":"), "no private key is packed");
    let read: Agencies = serde_json::from_str(&json).unwrap();
    assert_eq!(read.agencies().len(), 2);
}

#[test]
fn a1_a_key_or_kid_of_another_agency_is_a_fault() {
    let key = || PrivateKey::generate(KeyUse::Signing).unwrap();
    let toml = |jwk: &Json, kid: &str| {
        let member = |name: &str| format!("{name} = {}", jwk[name]);
        let members = ["kty", "crv", "x", "y", "use"].map(member).join(", ");
        format!("signing_keys = [{{ {members}, kid = \"{kid}\" }}]\n")
    };
    let (one, other) = (key().public().to_jwk().unwrap(), key().public().to_jwk().unwrap());
    let rows: Vec<&str> = GOOD.trim().split("\n\n").collect();
    let list = |first: &str, second: &str| format!("{}\n{first}\n{}\n{second}", rows[0], rows[1]);
    assert!(AgencyList::parse(&list(&toml(&one, "a"), &toml(&other, "b"))).is_ok());
    for second in [toml(&other, "a"), toml(&one, "b")] {
        let told = flaws(&list(&toml(&one, "a"), &second));
        assert!(
            matches!(&told[..], [one] if one.contains("agency 1501") && one.contains("is a key of agency 11")),
            "{told:?}"
        );
    }
}
