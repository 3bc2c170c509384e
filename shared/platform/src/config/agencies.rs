//! Reads the agencies from `agencies.json`, which the function's package holds beside the binary.

use domain::agencies::{Agencies, AgencyRow};
use protocol::json;
use serde::Deserialize;

/// The file's shape.
#[derive(Deserialize)]
struct Rows {
    agencies: Vec<AgencyRow>,
}

pub(super) fn parse(text: &str) -> Result<Agencies, String> {
    let rows: Rows = json::from_slice(text.as_bytes(), text.len()).map_err(|error| error.to_string())?;
    Agencies::new(rows.agencies).map_err(|error| error.to_string())
}
