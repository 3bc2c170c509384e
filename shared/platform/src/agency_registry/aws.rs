//! Overrides of agencies in DynamoDB: `pk` = `overrides`, `sk` = `state`, `bo` = the JSON of [`AgencyOverrides`]. The
//! same partition holds the audit records, `sk` = `record#<version>`, which no function reads.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::agency_override::AgencyOverrides;

use super::AgencyRegistry;
use crate::store::{StoreError, store_error};

/// Overrides of agencies in a DynamoDB table. Clones share the client.
#[derive(Clone, Debug)]
pub struct AwsAgencyRegistry {
    client: Client,
    table: String,
}

impl AwsAgencyRegistry {
    /// Reads the overrides from this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        AwsAgencyRegistry { client, table: table.into() }
    }
}

impl AgencyRegistry for AwsAgencyRegistry {
    async fn overrides(&self) -> Result<AgencyOverrides, StoreError> {
        let key = [("pk", "overrides"), ("sk", "state")]
            .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(HashMap::from(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("dynamodb.GetItem", &error))?;
        match output.item.as_ref().map(|item| item.get("bo")) {
            None => Ok(AgencyOverrides::default()),
            Some(Some(AttributeValue::S(text))) => {
                serde_json::from_str(text).map_err(|_| StoreError::Unreadable("bo"))
            }
            Some(_) => Err(StoreError::Unreadable("bo")),
        }
    }
}
