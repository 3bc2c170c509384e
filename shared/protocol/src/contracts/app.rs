//! The OpenAPI document of the interface for app backends.
//!
//! The operations are declared in [`crate::operations`]. Schemas come from the Rust types; the schemas of request
//! bodies come from the catalogue and the bounds of the domain ([`bodies`]). This module adds what all operations
//! share: the language, the problem responses, the examples.

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

/// File name of the document among the contracts.
pub const FILE: &str = "app.openapi.json";

/// The operation whose query parameters include the members that choose a case. The catalogue defines these members, so
/// the declaration does not name them.
const COVERAGE: &str = "readCoverage";

/// The OpenAPI document for app backends.
///
/// # Errors
/// [`ContractError`] when an operation names an unknown problem or two types share a name. Both are faults of the
/// sources.
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

/// The members of an object; empty for any other value.
fn members(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flat_map(Map::iter_mut)
}

/// Adds the parts that all operations share. The problem responses go to `shared`.
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

/// Adds the access of the declaration, and the header of an idempotent operation.
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

/// The document without operations: info, servers and tags.
fn frame() -> Map<String, Value> {
    let frame = json!({
        "info": {
            "title": "Tongban, apps",
            "version": "1.0.0",
            "summary": "The HTTP API of the hub for app backends.",
            "description": INTRODUCTION,
            "contact": { "name": "The operators of the hub", "url": "https://example.org/tongban" },
            "license": { "name": "Apache 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{
            "url": "https://{host}",
            "description": "The hub. Its operator tells you the host name.",
            "variables": { "host": { "default": "hub.tongban.cn", "description": "Host name of the hub." } },
        }],
        "tags": [
            { "name": "catalogue", "description": "Services, coverage by agencies, problem pages, this document." },
            { "name": "applications", "description": "Open, follow and change applications." },
            { "name": "documents", "description": "Links to upload the citizen's documents and to read them." },
            { "name": "subscriptions", "description": "Callback subscriptions, their deliveries and replays." },
        ],
    });
    match frame {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The introduction of the document.
const INTRODUCTION: &str = "\
A citizen applies where they live; an agency elsewhere decides. An app backend opens the application, uploads its \
documents and submits it. The hub reports every change by callback (operation `subscribe`) and in the event feed.

**Authentication.** OAuth 2.0 client credentials: send an access token (JWT) of a registered issuer as \
`Authorization: Bearer`. Objects of other tenants are answered 404, like objects that do not exist.

**Idempotency.** Requests that create or change something carry an `Idempotency-Key`. A repeat of a request with the same \
key gets the result of the first, at any time.

**Errors** are problems (RFC 9457), in Chinese or English according to `Accept-Language`. Decide by the last segment of \
`type`; resolved against the hub's address, `type` is a page that explains the problem. `/problems` lists all codes. `errors` lists all wrong fields \
by JSON pointer. After a 503, or when no response arrives, send the same request again after `Retry-After`, with jitter. \
Ignore members that you do not know, and take values of enumerations that you do not know: the hub adds services, stages, \
kinds and types.

**Limits.** Each tenant has a rate limit by the minute and a daily quota of new applications. `RateLimit-Policy` and \
`RateLimit` state the limit of the minute and the rest of it. A request beyond either limit is answered 429 with \
`Retry-After`. Replays do not count against the daily quota.";

/// The components that operations refer to.
fn components() -> Result<Value, ContractError> {
    let mut schemas = names::schemas().map_err(ContractError::TwoSchemas)?;
    schemas.extend(bodies::schemas());
    let schemas = name_parts(schemas, "#/components/schemas/").map_err(ContractError::TwoSchemas)?;
    Ok(json!({
        "schemas": schemas,
        "securitySchemes": { "token": {
            "type": "oauth2",
            "description": "A JWT of a registered issuer, valid for one day at most. Its claim `tenant` names the app backend.",
            "flows": { "clientCredentials": {
                "tokenUrl": "https://issuer.example.org/oauth2/token",
                "scopes": {
                    "applications:read": "Read the app's own applications and their documents.",
                    "applications:write": "Open and change the app's own applications.",
                    "subscriptions:write": "Manage callback subscriptions.",
                },
            } },
        } },
        "parameters": { "AcceptLanguage": {
            "name": "Accept-Language",
            "in": "header",
            "description": "Language of problems: Chinese when the caller prefers it to English (RFC 9110).",
            "schema": { "type": "string" },
            "examples": {
                "zh": { "summary": "Chinese", "value": "zh-CN,zh;q=0.9,en;q=0.5" },
                "en": { "summary": "English", "value": "en" },
            },
        } },
        "headers": {
            "ContentLanguage": {
                "description": "Language of `title` and `detail`.",
                "required": true,
                "schema": { "type": "string", "enum": ["zh-CN", "en"] },
            },
            "RetryAfter": {
                "description": "Seconds to wait before sending the same request again.",
                "required": true,
                "schema": { "type": "integer", "minimum": 1, "examples": [2] },
            },
            "RateLimit": {
                "description": "Requests left of each limit, and the seconds until the limit resets \
                    (draft-ietf-httpapi-ratelimit-headers): `\"minute\";r=597;t=12`.",
                "schema": { "type": "string" },
            },
            "RateLimitPolicy": {
                "description": "The limits: requests and the window in seconds, `\"minute\";q=600;w=60`.",
                "schema": { "type": "string" },
            },
            "Challenge": {
                "description": "Why the token is refused, or the scope that it lacks (RFC 6750, section 3).",
                "required": true,
                "schema": { "type": "string", "pattern": "^Bearer realm=\"tongban\"" },
            },
        },
        "responses": { "too_many_requests": {
            "description": "Too many requests in a minute, or too many new applications in a day: `policy` names the limit, \
                `Retry-After` the seconds to wait. The gateway in front of the hub answers with its own body instead of \
                a problem. Retry with growing waits and jitter.",
            "headers": {
                "RateLimit": { "$ref": "#/components/headers/RateLimit" },
                "RateLimit-Policy": { "$ref": "#/components/headers/RateLimitPolicy" },
                "Retry-After": {
                    "description": "Seconds to wait; absent when the gateway in front of the hub answers.",
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
