//! Responses stored under an idempotency key, so that a repeated request gets the same response.
//! [`Subscriptions::commit`](crate::subscriptions::Subscriptions::commit) writes a response together with its change.

use std::future::Future;

use domain::ids::TenantId;

use crate::store::StoreError;
#[cfg(any(test, feature = "testing"))]
use crate::tenant_rows::MemoryTenantRows;
use crate::tenant_rows::{AwsTenantRows, Key, Row, TenantRows};

/// The response to a request. The table keeps responses for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// Hash of the request's idempotency key, 32 hexadecimal digits.
    pub key: String,
    /// Hash of the complete request, 32 hexadecimal digits: distinguishes a repeat from a misuse of the key.
    pub request_hash: String,
    /// The response's body, encrypted by the vault because the body may contain keys.
    pub encrypted: Vec<u8>,
}

/// Reads stored responses.
pub trait StoredResponses: Clone + Send + Sync + 'static {
    /// The stored response for this idempotency key of a tenant.
    fn get(
        &self,
        tenant: &TenantId,
        key: &str,
    ) -> impl Future<Output = Result<Option<StoredResponse>, StoreError>> + Send;
}

/// Stored responses in the rows of a table.
#[derive(Clone, Debug, Default)]
pub struct ResponseTable<R>(R);

/// Stored responses in DynamoDB.
pub type AwsStoredResponses = ResponseTable<AwsTenantRows>;
/// Stored responses in memory.
#[cfg(any(test, feature = "testing"))]
pub type FakeStoredResponses = ResponseTable<MemoryTenantRows>;

impl<R> ResponseTable<R> {
    /// The stored responses of these rows.
    #[must_use]
    pub fn new(rows: R) -> Self {
        ResponseTable(rows)
    }
}

fn key(tenant: &TenantId, key: &str) -> Key {
    Key::new(tenant, format!("answer#{key}"))
}

/// The row of a response, for the transaction that writes it.
pub(crate) fn row(tenant: &TenantId, response: &StoredResponse) -> Row {
    let request_hash = Some(response.request_hash.clone());
    Row { request_hash, encrypted: Some(response.encrypted.clone()), ..Row::new(key(tenant, &response.key)) }
}

impl<R: TenantRows> StoredResponses for ResponseTable<R> {
    async fn get(&self, tenant: &TenantId, key: &str) -> Result<Option<StoredResponse>, StoreError> {
        let row = self.0.get("stored_responses.get", self::key(tenant, key)).await?;
        row.map(|row| {
            Ok(StoredResponse {
                key: key.to_owned(),
                request_hash: row.request_hash.ok_or(StoreError::Unreadable("wh"))?,
                encrypted: row.encrypted.ok_or(StoreError::Unreadable("se"))?,
            })
        })
        .transpose()
    }
}
