//! Reads the agencies from `agencies.json`, which the function's package holds beside the binary.

use std::path::PathBuf;

use domain::agencies::{Agencies, AgencyRow};
use protocol::json;
use serde::Deserialize;

/// The file's shape.
#[derive(Deserialize)]
struct Rows {
    agencies: Vec<AgencyRow>,
}

pub(super) fn read(folder: &str) -> Result<Agencies, String> {
    let path = PathBuf::from(folder).join("agencies.json");
    let bytes = std::fs::read(path).map_err(|error| format!("agencies.json: {}", error.kind()))?;
    let rows: Rows =
        json::from_slice(&bytes, bytes.len()).map_err(|error| format!("agencies.json: {error}"))?;
    Agencies::new(rows.agencies).map_err(|error| format!("agencies.json: {error}"))
}
