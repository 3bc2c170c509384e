//! The schemas of texts and of closed lists.
#![cfg(feature = "schema")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use domain::catalogue::{DocumentKind, Service, When};
use domain::event::MissingItem;
use domain::limits;
use domain::schema::{Note, Number, Words};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

fn schema<T: JsonSchema>() -> Value {
    T::json_schema(&mut SchemaGenerator::default()).to_value()
}

#[test]
fn a_text_of_an_agency_is_bounded_and_only_a_note_may_be_empty() {
    for (schema, bound, required) in [
        (schema::<Words>(), limits::TEXT, true),
        (schema::<Note>(), limits::TEXT, false),
        (schema::<Number>(), limits::NUMBER, true),
    ] {
        assert_eq!((&schema["type"], &schema["maxLength"]), (&json!("string"), &json!(bound)));
        assert_eq!(schema.get("minLength"), required.then(|| json!(1)).as_ref());
        assert_eq!(schema["pattern"].as_str().unwrap().contains("\\u3000"), required);
    }
}

#[test]
fn a_closed_list_names_each_value_once_with_its_title() {
    for (schema, values) in
        [(schema::<Service>(), Service::all().len()), (schema::<DocumentKind>(), DocumentKind::all().len())]
    {
        assert_eq!(schema["oneOf"].as_array().unwrap().len(), values);
    }
    let first = &schema::<Service>()["oneOf"][0];
    assert_eq!((&first["const"], &first["type"]), (&json!("first_identity_card"), &json!("string")));
    assert!(first["description"].as_str().unwrap().contains(" / "), "both languages");
    let cases = schema::<When>();
    let names: Vec<&Value> = cases["oneOf"].as_array().unwrap().iter().map(|row| &row["const"]).collect();
    assert!(
        names.contains(&&json!("adult"))
            && names.iter().filter(|name| ***name == json!("adult")).count() == 1
    );
}

#[test]
fn a_list_of_kinds_has_a_bound_and_no_repeat() {
    let accepts = schema::<MissingItem>()["properties"]["accepts"].clone();
    assert_eq!((&accepts["minItems"], &accepts["maxItems"]), (&json!(1), &json!(limits::ACCEPTED_KINDS)));
    assert_eq!(accepts["uniqueItems"], json!(true));
    let mut items = schemars::json_schema!({ "type": "array" });
    domain::schema::bound_items(&mut items);
    let items = items.to_value();
    assert_eq!((&items["minItems"], &items["maxItems"]), (&json!(1), &json!(limits::SUPPLEMENT_ITEMS)));
}
