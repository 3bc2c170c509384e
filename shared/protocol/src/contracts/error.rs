//! Why the contracts cannot be generated.

use thiserror::Error;

/// Why the contracts cannot be generated. Each variant is a fault of the sources, so only their author sees it.
#[derive(Debug, Error)]
pub enum ContractError {
    /// Two types have the same name.
    #[error("two different schemas have the name {0}")]
    TwoSchemas(String),
    /// A frame is not YAML.
    #[error("a frame is not YAML")]
    Yaml(#[from] serde_yaml_ng::Error),
    /// A schema or an example cannot be written as JSON.
    #[error("an example cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A frame names an example, schema or problem that does not exist.
    #[error("a frame names {0}, which does not exist")]
    Unknown(String),
}
