//! Reads the checked-in OpenAPI document, so that a test can cover every route.

use serde_json::{Value, json};

use crate::repository::text;

/// One operation of the interface for apps.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path, with parameters in braces.
    pub path: String,
    /// The operation object of the document.
    pub said: Value,
}

impl Operation {
    /// Whether the operation accepts a body.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.said.get("requestBody").is_some()
    }

    /// Whether the operation requires a body.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.said["requestBody"]["required"] == true
    }

    /// Whether the operation requires an access token.
    #[must_use]
    pub fn needs_token(&self) -> bool {
        self.said["security"].as_array().is_some_and(|ways| !ways.is_empty())
    }

    /// The scope that the operation requires; `None` when any token is accepted.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.said["security"][0]["token"][0].as_str()
    }

    /// Whether the operation has a parameter of this name.
    #[must_use]
    pub fn takes(&self, parameter: &str) -> bool {
        let mut parameters = self.said["parameters"].as_array().into_iter().flatten();
        parameters.any(|given| given["name"] == parameter)
    }

    /// The first example of the operation's body in the document.
    #[must_use]
    pub fn example(&self, document: &Value) -> Option<Value> {
        let examples = self.said["requestBody"]["content"]["application/json"]["examples"].as_object()?;
        let reference = examples.values().next()?["$ref"].as_str()?.trim_start_matches('#');
        Some(document.pointer(reference)?["value"].clone())
    }

    /// The described statuses.
    #[must_use]
    pub fn statuses(&self) -> Vec<u16> {
        let answers = self.said["responses"].as_object().into_iter().flatten();
        answers.filter_map(|(status, _)| status.parse().ok()).collect()
    }
}

/// The document of the interface for apps.
///
/// # Panics
/// The document is not JSON.
#[must_use]
pub fn for_apps() -> Value {
    serde_json::from_str(&text("shared/protocol/contracts/app.openapi.json")).expect("JSON")
}

/// The document with the types of problem that each answer may have in the answer's schema. The document itself names
/// them beside the schema, so that all answers share one: generators of clients fail at a schema for each.
#[must_use]
pub fn with_problem_types(mut document: Value) -> Value {
    let answers = document["components"]["responses"].as_object_mut().into_iter().flatten();
    for (_, answer) in answers {
        let types = answer["x-problem-types"].take();
        let Some(schema) = answer.pointer_mut("/content/application~1problem+json/schema") else { continue };
        if types.is_array() {
            let own = json!({ "type": "object", "properties": { "type": { "enum": types } } });
            *schema = json!({ "allOf": [schema.take(), own] });
        }
    }
    document
}

/// Every operation of the interface for apps.
///
/// # Panics
/// The document has no paths.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let document = for_apps();
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(method, said)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            said: said.clone(),
        })
    });
    operations.collect()
}
