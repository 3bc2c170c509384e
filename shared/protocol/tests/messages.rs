//! Messages between the hub, agencies and app backends.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use domain::effect::NoticeKind;
use domain::event::Places;
use domain::stage::Stage;
use jiff::Timestamp;
use protocol::callback::{Callback, Drain, SubscriptionCallback};
use protocol::case::{CASE_TYP, Case, CasePlaces, Envelope, event_type};
use protocol::jose::{JoseError, KeySet, KeyUse, PrivateKey, PublicKey, decrypt, sign, signer_kid, verify};
use serde_json::{Value, json};

const ID: &str = "0190f4c0-0000-8000-8000-000000000001";
const SUBSCRIPTION: &str = "2b1f0d5e-8c1a-4f0e-9d2b-7a6c5e4f3d21";

fn case() -> Case {
    serde_json::from_value(json!({
        "application": ID, "version": 4, "iat": 0, "notice": "opened", "agency": "37", "purpose": "decide",
        "service": "first_identity_card", "when": "adult", "reports": ["received"],
        "accepted_at": "150102", "registered_at": "370102", "move_in": "150103",
    }))
    .unwrap()
}

fn keys() -> (PrivateKey, PrivateKey) {
    (PrivateKey::generate(KeyUse::Signing).unwrap(), PrivateKey::generate(KeyUse::Encryption).unwrap())
}

fn envelope(hub: &PrivateKey, agency: &PrivateKey) -> Envelope {
    Envelope::sign_and_encrypt(&case(), Timestamp::UNIX_EPOCH, hub, agency.public()).unwrap()
}

#[test]
fn an_agency_opens_the_case_that_the_hub_signed_and_encrypted() {
    let (hub, agency) = keys();
    let envelope = envelope(&hub, &agency);
    let shown = json!(envelope);
    let expected = [
        ("specversion", "1.0"),
        ("id", "0190f4c0-0000-8000-8000-000000000001:4"),
        ("source", "tongban"),
        ("type", "cn.tongban.case.opened.v1"),
        ("subject", ID),
        ("time", "1970-01-01T00:00:00Z"),
        ("datacontenttype", "application/jose"),
    ];
    for (member, value) in expected {
        assert_eq!(shown[member], value);
    }
    assert_eq!(envelope.open([&agency], [hub.public()]), Ok(case()));
    let places = Places {
        accepted_at: "150102".parse().unwrap(),
        registered_at: "370102".parse().unwrap(),
        move_in: Some("150103".parse().unwrap()),
    };
    assert_eq!(CasePlaces::from(&places), case().places);
    let jws = String::from_utf8(decrypt(&envelope.data, [&agency]).unwrap()).unwrap();
    assert_eq!(signer_kid(&jws).as_deref(), Ok(hub.public().kid()));
    assert_eq!(verify::<Case>(CASE_TYP, &jws, [hub.public()]), Ok(case()));
}

/// The signature does not cover the envelope.
#[test]
fn an_envelope_around_another_case_is_refused() {
    let (hub, agency) = keys();
    let changed = |change: fn(&mut Envelope)| {
        let mut envelope = envelope(&hub, &agency);
        change(&mut envelope);
        envelope.open([&agency], [hub.public()])
    };
    assert_eq!(changed(|_| {}), Ok(case()));
    assert_eq!(changed(|envelope| envelope.id = format!("{ID}:5").parse().unwrap()), Err(JoseError::Forged));
    let other = "0190f4c0-0000-8000-8000-000000000002";
    assert_eq!(
        changed(|envelope| envelope.kind = event_type(NoticeKind::Withdrawn).into()),
        Err(JoseError::Forged)
    );
    let mut subject = envelope(&hub, &agency);
    subject.subject = other.parse().unwrap();
    assert_eq!(subject.open([&agency], [hub.public()]), Err(JoseError::Forged));
    let (stranger, other_agency) = keys();
    assert_eq!(envelope(&hub, &agency).open([&agency], [stranger.public()]), Err(JoseError::UnknownKey));
    assert_eq!(envelope(&hub, &agency).open([&other_agency], [hub.public()]), Err(JoseError::UnknownKey));
    let none = Case { version: 0, ..case() };
    let refused = Envelope::sign_and_encrypt(&none, Timestamp::UNIX_EPOCH, &hub, agency.public());
    assert_eq!(refused, Err(JoseError::Payload), "no event has version 0");
}

#[test]
fn each_notice_has_its_type() {
    assert_eq!(protocol::report::REPORT_BYTES, 65_536);
    let all =
        [NoticeKind::Opened, NoticeKind::Supplemented, NoticeKind::Withdrawn, NoticeKind::RestoreRequested];
    let expected = ["opened", "supplemented", "withdrawn", "restore_requested"];
    assert_eq!(all.map(event_type), expected.map(|name| format!("cn.tongban.case.{name}.v1")));
}

#[test]
fn a_callback_has_ids_only_and_a_group_that_keeps_its_order() {
    let callback = Callback {
        tenant: "an-app".parse().unwrap(),
        application: ID.parse().unwrap(),
        version: 4,
        kind: "application.received".into(),
        at: Timestamp::UNIX_EPOCH,
        stage: Stage::Received,
    };
    assert_eq!(callback.id(), format!("{ID}:4"));
    let data = json!({ "application": ID, "version": 4, "stage": "received", "url": format!("/v1/applications/{ID}") });
    let payload =
        json!({ "type": "application.received", "timestamp": "1970-01-01T00:00:00Z", "data": data });
    assert_eq!(json!(callback.payload()), payload);
    let subscription = SUBSCRIPTION.parse().unwrap();
    let addressed = SubscriptionCallback { subscription, callback, replay: false };
    assert_eq!(addressed.group(), format!("{SUBSCRIPTION}:{ID}"));
    let drain = Drain { tenant: "an-app".parse().unwrap(), subscription };
    assert_eq!(drain.group(), format!("drain:{SUBSCRIPTION}"));
}

#[test]
fn a_set_of_keys_has_one_to_sixteen_public_keys() {
    let (key, _) = keys();
    let public = key.public().to_jwk().unwrap();
    let set =
        |keys: Vec<Value>| KeySet::parse(&json!({ "keys": keys }).to_string()).map(|set| set.keys().len());
    assert_eq!((set(vec![public.clone()]), set(vec![public.clone(); 16])), (Ok(1), Ok(16)));
    assert_eq!(
        (set(Vec::new()), set(vec![public.clone(); 17])),
        (Err(JoseError::Malformed), Err(JoseError::Malformed))
    );
    assert_eq!(set(vec![public.clone(), key.to_jwk().unwrap()]), Err(JoseError::Key), "a private key");
    for text in ["", "[]", "{}", r#"{"keys":{}}"#] {
        assert!(matches!(KeySet::parse(text), Err(JoseError::Malformed)), "{text}");
    }
    assert_eq!(KeySet::new(vec![key.public().clone()]).to_json(), Ok(json!({ "keys": [public] })));
}

#[test]
fn a_key_is_named_by_its_kid_or_its_thumbprint() {
    let (key, encryption) = keys();
    let mut jwk = key.public().to_jwk().unwrap();
    assert_eq!((&jwk["kty"], &jwk["crv"], &jwk["use"]), (&json!("EC"), &json!("P-256"), &json!("sig")));
    assert_eq!(encryption.public().to_jwk().unwrap()["use"], "enc");
    assert_eq!(jwk["kid"].as_str(), Some(key.public().kid()));
    jwk.as_object_mut().unwrap().remove("kid");
    assert_eq!(
        PublicKey::from_jwk(&jwk).map(|read| read.kid().to_owned()).as_deref(),
        Ok(key.public().kid())
    );
    // RFC 8037, appendix A.2 and A.3.
    let edwards =
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let read = PublicKey::from_jwk(&edwards).unwrap();
    assert_eq!(read.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let jws = sign("t", &json!({}), &key).unwrap();
    jwk["kid"] = json!("a");
    let named: Value = edwards.as_object().unwrap().clone().into();
    let mut named = named;
    named["kid"] = json!(key.public().kid());
    let other = PublicKey::from_jwk(&named).unwrap();
    assert_eq!(verify::<Value>("t", &jws, [&other]), Err(JoseError::Header), "the key decides the algorithm");
    for (member, value) in
        [("crv", json!("P-384")), ("kty", json!("RSA")), ("x", json!("AAAA")), ("y", json!(1))]
    {
        let mut wrong = jwk.clone();
        wrong[member] = value;
        assert_eq!(PublicKey::from_jwk(&wrong).map(|_| ()), Err(JoseError::Key), "{member}");
    }
    let mut other_half = key.to_jwk().unwrap();
    (other_half["x"], other_half["y"]) = (
        encryption.public().to_jwk().unwrap()["x"].clone(),
        encryption.public().to_jwk().unwrap()["y"].clone(),
    );
    assert_eq!(PrivateKey::from_jwk(&other_half).map(|_| ()), Err(JoseError::Key), "x and y of another key");
    assert_eq!(format!("{key:?}"), format!("PrivateKey({})", key.public().kid()));
}
