//! The code follows the versioning rules of `shared/protocol/contracts/README.md`.

use protocol::backlog::{CasesPage, CasesRequest, ResendAnswer, ResendRequest};
use protocol::case::{Case, Envelope};
use protocol::contracts::examples::{NAMES, named};
use protocol::contracts::schemas;
use protocol::jose::{JoseError, KeyUse, PrivateKey};
use protocol::receipts::{ReportsPage, ReportsRequest, SignedReceipt};
use protocol::report::{DocumentRequest, Link, Receipt, Report};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Adds an unknown member to every object, as a later minor version would.
fn with_unknown_members(value: &Value, within: Option<&str>) -> Value {
    match value {
        Value::Object(members) => {
            let mut all: serde_json::Map<String, Value> = members
                .iter()
                .map(|(name, value)| (name.clone(), with_unknown_members(value, Some(name))))
                .collect();
            // The headers of a link are a map: every entry is sent, so an unknown entry is not ignored.
            if within != Some("headers") {
                all.insert("of_a_later_version".to_owned(), json!({ "deep": [1, null] }));
            }
            Value::Object(all)
        }
        Value::Array(parts) => {
            Value::Array(parts.iter().map(|part| with_unknown_members(part, None)).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn read_again<T: Serialize + DeserializeOwned>(name: &str, value: &Value) -> Value {
    let read: T = serde_json::from_value(with_unknown_members(value, None))
        .unwrap_or_else(|error| panic!("{name}: an unknown member is refused: {error}"));
    json!(read)
}

/// Readers of the types outside the hub ignore them. The hub reads what agencies sign with `http_kit::signed_request`,
/// which refuses them (decision 19).
#[test]
fn unknown_members_are_ignored_at_any_depth() {
    for (name, schema) in NAMES {
        let value = named(name).expect("an example").expect("an example of this name");
        let read = match *schema {
            "envelope" => read_again::<Envelope>(name, &value),
            "case" => read_again::<Case>(name, &value),
            "report" => read_again::<Report>(name, &value),
            "receipt" => read_again::<Receipt>(name, &value),
            "document-request" => read_again::<DocumentRequest>(name, &value),
            "link" => read_again::<Link>(name, &value),
            "cases-request" => read_again::<CasesRequest>(name, &value),
            "cases-page" => read_again::<CasesPage>(name, &value),
            "resend-request" => read_again::<ResendRequest>(name, &value),
            "resend-answer" => read_again::<ResendAnswer>(name, &value),
            "signed-receipt" => read_again::<SignedReceipt>(name, &value),
            "reports-request" => read_again::<ReportsRequest>(name, &value),
            "reports-page" => read_again::<ReportsPage>(name, &value),
            // The hub only writes this; readers take the members that they need.
            "key-set" => continue,
            other => panic!("no reader for {other}"),
        };
        assert_eq!(read, value, "{name}");
    }
}

/// A reader that validates by a schema must accept the unknown members of a later minor version.
#[test]
fn no_schema_refuses_unknown_members() {
    for (name, schema) in schemas() {
        for word in ["\"additionalProperties\":false", "\"unevaluatedProperties\":false"] {
            assert!(!schema.to_string().contains(word), "{name}: {word}");
        }
    }
}

/// A message of another version is refused, so that it goes to the dead-letter queue.
#[test]
fn another_version_of_a_message_is_refused() {
    let hub = PrivateKey::generate(KeyUse::Signing).expect("a key");
    let agency = PrivateKey::generate(KeyUse::Encryption).expect("a key");
    let value = named("case-opened").expect("an example").expect("an example of this name");
    let case: Case = serde_json::from_value(value).expect("a case");
    let at = jiff::Timestamp::now();
    let mut envelope = Envelope::sign_and_encrypt(&case, at, &hub, agency.public()).expect("an envelope");
    envelope.kind = "cn.tongban.case.opened.v2".to_owned();
    assert_eq!(envelope.open([&agency], [hub.public()]), Err(JoseError::Forged));
    let jws = protocol::jose::sign("tongban-case.v2+jws", &case, &hub).expect("a signature");
    envelope.kind = "cn.tongban.case.opened.v1".to_owned();
    envelope.data = protocol::jose::encrypt(jws.as_bytes(), "JWS", agency.public()).expect("a JWE");
    assert_eq!(envelope.open([&agency], [hub.public()]), Err(JoseError::Header));
}
