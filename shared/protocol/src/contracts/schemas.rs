//! JSON Schemas (2020-12), generated from the Rust types.

use std::collections::BTreeMap;

use schemars::generate::{Contract, SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Map, Value, json};

use super::fields::{JWE, JWS};
use super::naming::name_parts;
use crate::backlog::{CasesPage, CasesRequest, ResendAnswer, ResendRequest};
use crate::case::{Case, Envelope};
use crate::problem::Problem;
use crate::receipts::{ReportsPage, ReportsRequest, SignedReceipt};
use crate::report::{DocumentRequest, Link, Receipt, Report};

/// Prefix of a schema's `$id`, before name and version of the message.
const ID: &str = "urn:tongban:schema:";

/// A published JWK set (RFC 7517). Other members may appear; private members never do.
struct KeySet;

impl JsonSchema for KeySet {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KeySet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let coordinate = json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{43}$" });
        json_schema!({
            "description": "The hub's public keys (RFC 7517): the key in use first, then other keys during a rotation.",
            "type": "object",
            "required": ["keys"],
            "properties": { "keys": {
                "type": "array", "minItems": 1, "maxItems": 16,
                "items": {
                    "title": "PublicKey",
                    "type": "object",
                    "required": ["kty", "crv", "x", "kid"],
                    "properties": {
                        "kty": { "type": "string", "enum": ["EC", "OKP"] },
                        "crv": { "type": "string", "enum": ["P-256", "Ed25519"] },
                        "x": coordinate, "y": coordinate,
                        "kid": { "type": "string", "minLength": 1, "description": "Key id that signatures name." },
                        "use": { "type": "string", "const": "sig" },
                        "alg": { "type": "string", "enum": ["ES256", "EdDSA"] },
                        "d": { "not": {} }
                    }
                }
            } }
        })
    }
}

/// One message: its name, and the function that generates its schema.
struct Message {
    name: &'static str,
    contract: Contract,
    add: fn(&mut SchemaGenerator) -> Schema,
    root: fn(SchemaGenerator) -> Schema,
}

/// The schema of a message depends on its writer: the hub writes every member, an agency may omit members that have a
/// default.
fn messages() -> Vec<Message> {
    fn message<T: JsonSchema>(name: &'static str, contract: Contract) -> Message {
        Message {
            name,
            contract,
            add: SchemaGenerator::subschema_for::<T>,
            root: SchemaGenerator::into_root_schema_for::<T>,
        }
    }
    let (hub, agency) = (Contract::Serialize, Contract::Deserialize);
    vec![
        message::<Envelope>("envelope", hub.clone()),
        message::<Case>("case", hub.clone()),
        message::<Report>("report", agency.clone()),
        message::<Receipt>("receipt", hub.clone()),
        message::<DocumentRequest>("document-request", agency.clone()),
        message::<Link>("link", hub.clone()),
        message::<CasesRequest>("cases-request", agency.clone()),
        message::<CasesPage>("cases-page", hub.clone()),
        message::<ResendRequest>("resend-request", agency.clone()),
        message::<ResendAnswer>("resend-answer", hub.clone()),
        message::<SignedReceipt>("signed-receipt", hub.clone()),
        message::<ReportsRequest>("reports-request", agency),
        message::<ReportsPage>("reports-page", hub.clone()),
        message::<Problem>("problem", hub.clone()),
        message::<KeySet>("key-set", hub),
    ]
}

/// The self-contained schema of each message, by name.
#[must_use]
pub fn schemas() -> BTreeMap<&'static str, Value> {
    messages()
        .into_iter()
        .map(|message| {
            let settings = SchemaSettings::draft2020_12().with(|to| to.contract = message.contract.clone());
            let mut schema = (message.root)(settings.into_generator()).to_value();
            tidy(&mut schema);
            let schema = with_named_parts(schema);
            let mut whole = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$id": format!("{ID}{}:v1", message.name),
            });
            if let (Value::Object(whole), Value::Object(mut schema)) = (&mut whole, schema) {
                schema.remove("$schema");
                whole.extend(schema);
            }
            (message.name, whole)
        })
        .collect()
}

/// A schema whose parts are definitions of its own.
fn with_named_parts(mut schema: Value) -> Value {
    let mut all = schema["$defs"].as_object().cloned().unwrap_or_default();
    let name = schema["title"].as_str().unwrap_or_default().to_owned();
    schema.as_object_mut().into_iter().for_each(|members| drop(members.remove("$defs")));
    all.insert(name.clone(), schema);
    // Two definitions of one name are a fault that `components` reports: it names the same parts.
    let mut all = name_parts(all, "#/$defs/").unwrap_or_default();
    let mut schema = all.remove(&name).unwrap_or_default();
    if !all.is_empty() {
        schema["$defs"] = Value::Object(all);
    }
    schema
}

/// Every type by its name, as `components.schemas` of an OpenAPI or AsyncAPI document.
///
/// # Errors
/// The name of a type that the two sides would describe differently.
pub fn components() -> Result<Map<String, Value>, String> {
    let mut all = Map::new();
    for message in messages() {
        let mut settings = SchemaSettings::draft2020_12();
        settings.contract = message.contract.clone();
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        let mut generator = settings.into_generator();
        (message.add)(&mut generator);
        for (name, mut schema) in generator.take_definitions(true) {
            tidy(&mut schema);
            if all.get(&name).is_some_and(|earlier| *earlier != schema) {
                return Err(name);
            }
            all.insert(name, schema);
        }
    }
    all.insert(
        "CompactJws".to_owned(),
        json!({
            "type": "string",
            "description": "A compact JWS (RFC 7515): header, payload and signature.",
            "pattern": JWS,
            "contentMediaType": "application/jose",
        }),
    );
    // Content of the envelope's `data`, after decryption and verification.
    all.insert(
        "SealedCase".to_owned(),
        json!({
            "type": "string",
            "description": "A compact JWE to the agency around a compact JWS of the hub, whose payload is a case.",
            "pattern": JWE,
            "contentMediaType": "application/jose",
            "contentSchema": { "$ref": "#/components/schemas/Case" },
        }),
    );
    name_parts(all, "#/components/schemas/")
}

/// Removes additions of the generator that do not belong to the contract: Rust's integer formats, and `null` for
/// members that are absent when they have no value.
pub(super) fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(tidy),
        Value::Object(members) => {
            if let Some(bound) = members.get("format").and_then(Value::as_str).and_then(bound) {
                members.remove("format");
                if let Some(maximum) = bound {
                    members.entry("maximum").or_insert(maximum.into());
                }
            }
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
                choices.retain(|choice| *choice != json!({ "type": "null" }));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    members.remove("anyOf");
                    for (name, value) in only {
                        members.entry(name).or_insert(value);
                    }
                }
            }
            members.values_mut().for_each(tidy);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Greatest value of a Rust integer format, which JSON Schema does not know. The inner `None`: no bound is needed.
fn bound(format: &str) -> Option<Option<u32>> {
    match format {
        "uint8" => Some(Some(u32::from(u8::MAX))),
        "uint16" => Some(Some(u32::from(u16::MAX))),
        "uint32" => Some(Some(u32::MAX)),
        "uint64" | "int64" => Some(None),
        _ => None,
    }
}
