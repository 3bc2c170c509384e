//! Inserts schemas, examples and problems into the frames of the API documents.
//!
//! A frame is the hand-written part of a document. A mapping with one member is a placeholder: `$example: report`
//! becomes an example, `$problems: [not_found]` becomes a response that is a problem, `$components: true` becomes all
//! schemas.

use serde_json::{Map, Value};

use super::{ContractError, components, examples, problems};

/// The frames, by the file name of the generated document.
pub(super) const FRAMES: [(&str, &str); 2] = [
    ("agency.asyncapi.yaml", include_str!("../../contracts/frames/agency.asyncapi.yaml")),
    ("agency.openapi.yaml", include_str!("../../contracts/frames/agency.openapi.yaml")),
];

/// Fills in a frame.
///
/// # Errors
/// [`ContractError`].
pub fn document(frame: &str) -> Result<Value, ContractError> {
    fill(serde_yaml_ng::from_str(frame)?)
}

fn fill(value: Value) -> Result<Value, ContractError> {
    match value {
        Value::Object(members) => {
            if let (1, Some((name, what))) = (members.len(), members.iter().next())
                && let Some(put) = put(name, what)?
            {
                return Ok(put);
            }
            let filled: Result<Map<_, _>, ContractError> =
                members.into_iter().map(|(name, value)| Ok((name, fill(value)?))).collect();
            Ok(Value::Object(filled?))
        }
        Value::Array(parts) => Ok(Value::Array(parts.into_iter().map(fill).collect::<Result<_, _>>()?)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value),
    }
}

fn put(name: &str, what: &Value) -> Result<Option<Value>, ContractError> {
    let unknown = || ContractError::Unknown(what.to_string());
    Ok(Some(match name {
        "$example" => examples::named(what.as_str().ok_or_else(unknown)?)?.ok_or_else(unknown)?,
        "$problems" => {
            let codes: Vec<String> = serde_json::from_value(what.clone())?;
            problems::response(&codes).ok_or_else(unknown)?
        }
        "$components" => Value::Object(components().map_err(ContractError::TwoSchemas)?),
        _ => return Ok(None),
    }))
}
