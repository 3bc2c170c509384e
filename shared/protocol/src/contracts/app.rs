//! The OpenAPI document of the interface for app backends.
//!
//! The operations are declared in [`crate::operations`]. Schemas come from the Rust types, what is sent by apps from the
//! catalogue and the bounds of the domain ([`bodies`]). What every operation has in common is added here: the language,
//! the answers that are problems, the examples.

mod bodies;
mod examples;
pub(crate) mod names;
pub(crate) mod parameters;
pub mod problems;
pub mod webhooks;

use serde_json::{Map, Value, json};
use utoipa::IntoParams as _;

use super::ContractError;
use super::naming::name_parts;
use crate::operations;
use crate::operations::operation::{Access, Operation};

/// The name of the document among the contracts.
pub const FILE: &str = "app.openapi.json";

/// The operation whose query has the members that choose a case. They are the catalogue's, so the declaration does not
/// name them.
const COVERAGE: &str = "readCoverage";

/// The whole document.
///
/// # Errors
/// An operation names a problem, or two types share a name: a fault of the sources.
pub fn document() -> Result<Value, ContractError> {
    let mut document = serde_json::to_value(operations::described())?;
    let frame = frame();
    for (name, value) in frame {
        document[name] = value;
    }
    let (mut shared, examples) = (Map::new(), examples::all()?);
    for (_, methods) in members(&mut document["paths"]) {
        for (_, operation) in members(methods) {
            finish(operation, &mut shared, &examples)?;
        }
    }
    let mut callback = webhooks::callback();
    examples::add(&mut callback["post"]["requestBody"]["content"]["application/json"], &examples);
    // Not under `webhooks`: generators of clients make a call of each of these, openapi-generator's one for Python does
    // not compile.
    document["paths"]["/v1/subscriptions"]["post"]["callbacks"] =
        json!({ "callback": { "{$request.body#/url}": callback } });
    document["components"] = components()?;
    if let Some(responses) = document["components"]["responses"].as_object_mut() {
        responses.extend(shared);
    }
    document["components"]["examples"] = Value::Object(examples);
    Ok(document)
}

/// The members of an object; none of anything else.
fn members(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flat_map(Map::iter_mut)
}

/// Adds what every operation has in common; the answers that are problems go to `shared`.
fn finish(
    operation: &mut Value,
    shared: &mut Map<String, Value>,
    examples: &Map<String, Value>,
) -> Result<(), ContractError> {
    let name = operation["operationId"].as_str().unwrap_or_default().to_owned();
    if name == COVERAGE
        && let Some(parameters) = operation["parameters"].as_array_mut()
    {
        parameters.extend(bodies::case_parameters());
    }
    let declared = operations::all().find(|declared| declared.id == name);
    let declared = declared.ok_or_else(|| ContractError::Unknown(name.clone()))?;
    add_declared(operation, declared)?;
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
        super::schemas::tidy(&mut parameter["schema"]);
        if let Some(schema) = parameter["schema"].as_object_mut() {
            schema.remove("format");
        }
    }
    let is_counted = matches!(declared.access, Access::Token(_));
    for (status, response) in members(&mut operation["responses"]) {
        if is_counted && status.starts_with('2') {
            response["headers"]["RateLimit"] = json!({ "$ref": "#/components/headers/RateLimit" });
            response["headers"]["RateLimit-Policy"] =
                json!({ "$ref": "#/components/headers/RateLimitPolicy" });
        }
        for (_, content) in response.get_mut("content").into_iter().flat_map(members) {
            examples::add_answer(content, examples, &name);
        }
    }
    if let Some(body) = operation.get_mut("requestBody") {
        examples::add(&mut body["content"]["application/json"], examples);
    }
    problems::add(operation, shared)?;
    let language = json!({ "$ref": "#/components/parameters/AcceptLanguage" });
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(language),
        None => operation["parameters"] = json!([language]),
    }
    Ok(())
}

/// Adds what the declaration says of access, and the header of an idempotent operation.
fn add_declared(operation: &mut Value, declared: &Operation) -> Result<(), ContractError> {
    operation["security"] = match declared.access {
        Access::Open | Access::Signed => json!([]),
        Access::Token(scope) => {
            json!([{ "token": scope.iter().map(|scope| scope.name()).collect::<Vec<_>>() }])
        }
    };
    if declared.idempotent {
        if operation["parameters"].is_null() {
            operation["parameters"] = json!([]);
        }
        let parameters = operation["parameters"].as_array_mut().into_iter();
        for parameters in parameters {
            let after_path = parameters.iter().take_while(|parameter| parameter["in"] == "path").count();
            for header in parameters::Idempotent::into_params(|| None) {
                parameters.insert(after_path, serde_json::to_value(header)?);
            }
        }
    }
    Ok(())
}

/// What stands around the operations.
fn frame() -> Map<String, Value> {
    let frame = json!({
        "info": {
            "title": "Tongban, apps",
            "version": "1.0.0",
            "summary": "What an app backend asks of the hub.",
            "description": INTRODUCTION,
            "contact": { "name": "The operators of the hub", "url": "https://example.org/tongban" },
            "license": { "name": "Apache 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{
            "url": "https://{host}",
            "description": "The hub. The operator hands over its name.",
            "variables": { "host": { "default": "hub.tongban.cn", "description": "The name of the hub." } },
        }],
        "tags": [
            { "name": "catalogue", "description": "What there is: services, who takes them, this description." },
            { "name": "applications", "description": "To open an application, to follow it, to move it on." },
            { "name": "documents", "description": "Links to upload the citizen's documents and to read them." },
            { "name": "subscriptions", "description": "Where callbacks go, and what they are." },
        ],
    });
    match frame {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// What a developer reads first.
const INTRODUCTION: &str = "\
A citizen applies where they live; the agency that decides sits elsewhere. An app backend opens the application, uploads \
its documents, submits it, and is told of every change by callback (`subscribe`), or reads the events.

**Who calls.** OAuth 2.0 client credentials: an access token (JWT) of a registered issuer as `Authorization: Bearer`. \
What is not the caller's looks as if it did not exist (404).

**Once.** Every unsafe request that makes or moves something carries an `Idempotency-Key`: the same request with the \
same key is answered as the first was, at any time.

**Errors** are problems (RFC 9457), in Chinese or English as `Accept-Language` asks. Decide by the last segment of \
`type`; resolved against the address of the interface, `type` is the page that says what to do. `/problems` lists all \
codes, those of wrong fields too. Every wrong field is named at once, by JSON pointer. After a 503, and where no answer \
came, send the same request again after `Retry-After`, \
with jitter. Readers ignore members that they do not know.

**Limits.** A tenant has so many requests a minute, and so many new applications a day. Answers tell by `RateLimit-Policy` \
and `RateLimit` what there is of the minute and what is left; beyond it, or beyond the day's applications, the answer is \
429 with `Retry-After`. What was opened before is answered beyond the day's, too.";

/// What operations refer to.
fn components() -> Result<Value, ContractError> {
    let mut schemas = names::schemas().map_err(ContractError::TwoSchemas)?;
    schemas.extend(bodies::schemas());
    let schemas = name_parts(schemas, "#/components/schemas/").map_err(ContractError::TwoSchemas)?;
    Ok(json!({
        "schemas": schemas,
        "securitySchemes": { "token": {
            "type": "oauth2",
            "description": "A JWT of a registered issuer, alive for a day at most. Its claim `tenant` names the app backend.",
            "flows": { "clientCredentials": {
                "tokenUrl": "https://issuer.example.org/oauth2/token",
                "scopes": {
                    "applications:read": "To read the app's own applications and their documents.",
                    "applications:write": "To open and move them.",
                    "subscriptions:write": "To say where callbacks go.",
                },
            } },
        } },
        "parameters": { "AcceptLanguage": {
            "name": "Accept-Language",
            "in": "header",
            "description": "The language of problems: Chinese where it is preferred to English (RFC 9110).",
            "schema": { "type": "string" },
            "examples": {
                "zh": { "summary": "Chinese", "value": "zh-CN,zh;q=0.9,en;q=0.5" },
                "en": { "summary": "English", "value": "en" },
            },
        } },
        "headers": {
            "ContentLanguage": {
                "description": "The language of `title` and `detail`.",
                "required": true,
                "schema": { "type": "string", "enum": ["zh-CN", "en"] },
            },
            "RetryAfter": {
                "description": "Seconds to wait before the same request is sent again.",
                "required": true,
                "schema": { "type": "integer", "minimum": 1, "examples": [2] },
            },
            "RateLimit": {
                "description": "What is left of each rule, and the seconds until it begins anew \
                    (draft-ietf-httpapi-ratelimit-headers): `\"minute\";r=597;t=12`.",
                "schema": { "type": "string" },
            },
            "RateLimitPolicy": {
                "description": "The rules: how much in how many seconds, `\"minute\";q=600;w=60`.",
                "schema": { "type": "string" },
            },
            "Challenge": {
                "description": "What the token lacks (RFC 6750, section 3).",
                "required": true,
                "schema": { "type": "string", "pattern": "^Bearer realm=\"tongban\"" },
            },
        },
        "responses": { "too_many_requests": {
            "description": "Too many requests, or too many new applications of the day: `policy` names the rule, `Retry-After` \
                the seconds to wait. From the gateway before the hub the body is the gateway's own, no problem. \
                Repeat with growing waits and jitter.",
            "headers": {
                "RateLimit": { "$ref": "#/components/headers/RateLimit" },
                "RateLimit-Policy": { "$ref": "#/components/headers/RateLimitPolicy" },
                "Retry-After": {
                    "description": "Seconds to wait; not from the gateway before the hub.",
                    "schema": { "type": "integer", "minimum": 1 },
                },
            },
            "content": {
                "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } },
                "application/json": {
                    "schema": { "$ref": "#/components/schemas/GatewayRefusal" },
                    "examples": { "throttled": { "value": { "message": "Too Many Requests" } } },
                },
            },
        } },
    }))
}
