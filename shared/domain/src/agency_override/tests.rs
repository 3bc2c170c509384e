use super::*;
use serde_json::json;

fn rows() -> Agencies {
    let row = json!({
        "code": "11", "zh": "北京市", "en": "Beijing", "state": "active",
        "signing_keys": [{ "kid": "s1" }], "encryption_keys": [{ "kid": "e1" }],
    });
    Agencies::new(vec![serde_json::from_value(row).expect("a row")]).expect("rows")
}

fn code() -> AgencyCode {
    "11".parse().expect("a code")
}

fn kids(keys: &[serde_json::Value]) -> Vec<&str> {
    keys.iter().filter_map(kid).collect()
}

/// Applies overrides one after the other, and checks the chain of their records.
fn after(overrides: &[AgencyOverride]) -> Result<AgencyOverrides, OverrideError> {
    let mut all = AgencyOverrides::default();
    for change in overrides {
        let by = ("an operator", "a reason");
        let (next, bytes) = all.apply(&rows(), &code(), change.clone(), by, Timestamp::UNIX_EPOCH)?;
        let record: Record = serde_json::from_slice(&bytes).expect("a record");
        assert_eq!((record.prev, record.version), (all.hash, all.version + 1));
        assert_eq!((&record.change, &next.hash), (change, &hash(&bytes)));
        all = next;
    }
    Ok(all)
}

fn add(role: KeyRole, kid: &str) -> AgencyOverride {
    AgencyOverride::AddKey { role, jwk: json!({ "kid": kid }) }
}

fn revoke(kid: &str) -> AgencyOverride {
    AgencyOverride::RevokeKey { kid: kid.to_owned() }
}

#[test]
fn a_rotation_overlaps_and_ends_with_a_revocation() {
    let added = [add(KeyRole::Encryption, "e2"), add(KeyRole::Signing, "s2")];
    let during = rows().with_overrides(&after(&added).expect("two keys"));
    let row = during.agency(&code()).expect("the row");
    assert_eq!(kids(&row.encryption_keys), ["e2", "e1"], "the new key comes first");
    assert_eq!(kids(&row.signing_keys), ["s2", "s1"], "both verify");
    let ended = after(&[&added[..], &[revoke("e1"), revoke("s1")]].concat()).expect("an end");
    let row = rows().with_overrides(&ended).agency(&code()).expect("the row").clone();
    assert_eq!((kids(&row.encryption_keys), kids(&row.signing_keys)), (vec!["e2"], vec!["s2"]));
}

#[test]
fn a17_a_removed_encryption_key_may_be_added_again() {
    let remove = |kid: &str| AgencyOverride::RemoveKey { kid: kid.to_owned() };
    let rehearsal = [add(KeyRole::Encryption, "e2"), remove("e2")];
    let twice = after(&[&rehearsal[..], &rehearsal[..]].concat()).expect("the same key twice");
    assert_eq!(rows().with_overrides(&twice), rows(), "nothing is left, no revoked key either");
    for (before, kid) in [(revoke("s1"), "e1"), (add(KeyRole::Signing, "s2"), "s2")] {
        let refused = after(&[before, remove(kid)]).expect_err("a key of the row, or a signing key");
        assert_eq!(refused, OverrideError::NotAdded(kid.to_owned()));
    }
}

#[test]
fn resuming_does_not_override_a_suspension_of_the_row() {
    let suspended = rows().with_overrides(&after(&[AgencyOverride::Suspend]).expect("suspended"));
    assert_eq!(suspended.agency(&code()).expect("the row").state, AgencyState::Suspended);
    let resumed =
        rows().with_overrides(&after(&[AgencyOverride::Suspend, AgencyOverride::Resume]).expect("resumed"));
    assert_eq!(resumed, rows());
}

#[test]
fn a1_a_key_or_kid_of_another_agency_is_refused() {
    let row = |code: &str, keys: serde_json::Value| {
        let row = json!({ "code": code, "zh": "x", "en": "x", "state": "active", "signing_keys": keys });
        serde_json::from_value::<AgencyRow>(row).expect("a row")
    };
    let eleven = json!([{ "kid": "s1", "crv": "P-256", "x": "a", "y": "b" }, { "kid": "s2" }]);
    let rows = Agencies::new(vec![row("11", eleven), row("13", json!([]))]).expect("rows");
    let by = ("an operator", "a reason");
    let mut all = AgencyOverrides::default();
    for change in [revoke("s2"), add(KeyRole::Encryption, "e9")] {
        all = all.apply(&rows, &code(), change, by, Timestamp::UNIX_EPOCH).expect("a change").0;
    }
    let thirteen: AgencyCode = "13".parse().expect("a code");
    let added = |jwk: serde_json::Value| {
        let change = AgencyOverride::AddKey { role: KeyRole::Signing, jwk };
        all.apply(&rows, &thirteen, change, by, Timestamp::UNIX_EPOCH).map(|_| ())
    };
    let refused = |kid: &str| Err(OverrideError::KeyOfAnotherAgency { agency: code(), kid: kid.to_owned() });
    assert_eq!(added(json!({ "kid": "s1" })), refused("s1"), "a key of the row");
    assert_eq!(added(json!({ "kid": "s2" })), refused("s2"), "a revoked key");
    assert_eq!(added(json!({ "kid": "e9" })), refused("e9"), "a key of an override");
    let same = json!({ "kid": "mine", "crv": "P-256", "x": "a", "y": "b" });
    assert_eq!(added(same), refused("s1"), "the same key under another name");
    assert_eq!(added(json!({ "kid": "mine" })), Ok(()));
    let large = json!({ "kid": "mine", "x5c": ["A".repeat(KEY_BYTES)] });
    assert_eq!(added(large), Err(OverrideError::TooLarge));
    assert_eq!(added(json!({ "kid": "k".repeat(KID_BYTES + 1) })), Err(OverrideError::TooLarge));
}

#[test]
fn a2_full_overrides_take_a_revocation_and_no_key() {
    let mut all = after(&[add(KeyRole::Signing, "s2")]).expect("a key");
    let keys = vec![json!({ "kid": "k", "x": "A".repeat(900) }); 250];
    all.agencies.insert(
        "37".parse().expect("a code"),
        OverriddenAgency { signing_keys: keys, ..OverriddenAgency::default() },
    );
    let by = ("an operator", "a reason");
    let change = |change| all.apply(&rows(), &code(), change, by, Timestamp::UNIX_EPOCH).map(|_| ());
    assert_eq!(change(add(KeyRole::Signing, "s3")), Err(OverrideError::Full));
    assert_eq!(change(revoke("s2")), Ok(()));
    assert_eq!(change(AgencyOverride::Suspend), Ok(()));
}

#[test]
fn the_bounds_of_keys_belong_to_what_is_accepted() {
    let sized = |bytes: usize| {
        let mut jwk = json!({ "kid": "k", "x5c": "" });
        let rest = bytes - jwk.to_string().len();
        jwk["x5c"] = json!("A".repeat(rest));
        assert_eq!(jwk.to_string().len(), bytes);
        after(&[AgencyOverride::AddKey { role: KeyRole::Signing, jwk }]).map(|_| ())
    };
    assert_eq!((sized(KEY_BYTES), sized(KEY_BYTES + 1)), (Ok(()), Err(OverrideError::TooLarge)));
    let named = |bytes: usize| after(&[add(KeyRole::Signing, &"k".repeat(bytes))]).map(|_| ());
    assert_eq!((named(KID_BYTES), named(KID_BYTES + 1)), (Ok(()), Err(OverrideError::TooLarge)));
    assert_eq!(named(0), Err(OverrideError::NotAKey));
    let revoked = |count: usize| {
        let names = (0..count).map(|number| format!("n{number}"));
        let changes = names.flat_map(|name| [add(KeyRole::Encryption, &name), revoke(&name)]);
        after(&changes.collect::<Vec<_>>()).map(|all| all.agencies[&code()].revoked.len())
    };
    assert_eq!(revoked(REVOKED_KEYS), Ok(REVOKED_KEYS));
    assert_eq!(revoked(REVOKED_KEYS + 1), Err(OverrideError::TooMany(REVOKED_KEYS)));
    let texts = |by: &str, reason: &str| {
        let made = AgencyOverrides::default().apply(
            &rows(),
            &code(),
            AgencyOverride::Suspend,
            (by, reason),
            Timestamp::MIN,
        );
        made.map(|_| ())
    };
    assert_eq!(texts(&"a".repeat(REASON), &"b".repeat(REASON)), Ok(()));
    assert_eq!(texts("a", &"b".repeat(REASON + 1)), Err(OverrideError::Reason));
    assert_eq!(texts("", "a reason"), Err(OverrideError::Reason));
}

#[test]
fn overrides_up_to_their_bound_take_another_key() {
    let filled = |bytes: usize| {
        let mut all = AgencyOverrides::default();
        let other = |size: usize| OverriddenAgency {
            signing_keys: vec![json!({ "kid": "k", "x": "A".repeat(size) })],
            ..OverriddenAgency::default()
        };
        all.agencies.insert("37".parse().expect("a code"), other(0));
        let rest = bytes - serde_json::to_vec(&all).expect("JSON").len();
        all.agencies.insert("37".parse().expect("a code"), other(rest));
        let by = ("an operator", "a reason");
        all.apply(&rows(), &code(), add(KeyRole::Signing, "s3"), by, Timestamp::UNIX_EPOCH).map(|_| ())
    };
    assert_eq!((filled(OVERRIDES_BYTES), filled(OVERRIDES_BYTES + 1)), (Ok(()), Err(OverrideError::Full)));
}

#[test]
fn two_keys_are_one_when_their_material_is() {
    let key = |crv: &str, x: &str, y: &str| json!({ "kid": "a", "crv": crv, "x": x, "y": y });
    let one = key("P-256", "1", "2");
    assert!(is_same_key(&one, &json!({ "kid": "b", "crv": "P-256", "x": "1", "y": "2" })));
    for other in [key("P-384", "1", "2"), key("P-256", "3", "2"), key("P-256", "1", "3")] {
        assert!(!is_same_key(&one, &other), "{other}");
    }
    assert!(!is_same_key(&json!({ "kid": "a" }), &json!({ "kid": "a" })), "no material");
    assert_eq!(hash(b""), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
}

#[test]
fn an_invalid_override_is_refused() {
    use OverrideError::{KeyTaken, NotAKey, Unchanged, UnknownKey};
    let refused = |overrides: &[AgencyOverride]| after(overrides).expect_err("refused");
    assert_eq!(refused(&[AgencyOverride::Resume]), Unchanged);
    assert_eq!(refused(&[AgencyOverride::Suspend, AgencyOverride::Suspend]), Unchanged);
    assert_eq!(refused(&[add(KeyRole::Signing, "s1")]), KeyTaken("s1".to_owned()));
    assert_eq!(refused(&[revoke("s1"), add(KeyRole::Signing, "s1")]), KeyTaken("s1".to_owned()));
    assert_eq!(refused(&[revoke("s9")]), UnknownKey("s9".to_owned()));
    let private =
        AgencyOverride::AddKey { role: KeyRole::Signing, jwk: json!({ "kid": "x", "d": "secret" }) };
    assert_eq!(refused(&[private]), NotAKey);
    let many: Vec<_> = (0..=ADDED_KEYS).map(|n| add(KeyRole::Signing, &format!("n{n}"))).collect();
    assert_eq!(refused(&many), OverrideError::TooMany(ADDED_KEYS));
    let nobody: AgencyCode = "99".parse().unwrap_or_else(|_| "37".parse().expect("a code"));
    let suspended = |agency: &AgencyCode, by: (&str, &str)| {
        let all = AgencyOverrides::default();
        all.apply(&rows(), agency, AgencyOverride::Suspend, by, Timestamp::MIN).map(|_| ())
    };
    assert_eq!(suspended(&nobody, ("x", "y")), Err(OverrideError::UnknownAgency(nobody.clone())));
    assert_eq!(suspended(&code(), ("x", " ")), Err(OverrideError::Reason), "no reason");
}
