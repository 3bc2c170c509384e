//! A row of the subscriptions table.

use domain::ids::TenantId;

/// The two keys of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    pub(crate) fn new(tenant: &TenantId, sk: impl Into<String>) -> Key {
        Key { pk: partition(tenant), sk: sk.into() }
    }

    /// The tenant that owns the row.
    pub(crate) fn tenant(&self) -> Option<TenantId> {
        self.pk.strip_prefix("tenant#")?.parse().ok()
    }
}

pub(crate) fn partition(tenant: &TenantId) -> String {
    format!("tenant#{tenant}")
}

/// A row of any kind; attributes that its kind does not use are absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub(crate) key: Key,
    /// `bo`: the JSON body.
    pub(crate) body: Option<String>,
    /// `se`: encrypted bytes.
    pub(crate) encrypted: Option<Vec<u8>>,
    /// `fo`: the keys before the last rotation, encrypted.
    pub(crate) former: Option<Vec<u8>>,
    /// `wh`: hash of the complete request.
    pub(crate) request_hash: Option<String>,
    /// `rv`: the revision; 0 for a row of a former version, which has no such attribute.
    pub(crate) revision: u32,
    /// `dt`: when the row is due, in milliseconds since 1970.
    pub(crate) due: Option<i64>,
}

impl Row {
    pub(crate) fn new(key: Key) -> Row {
        Row { key, body: None, encrypted: None, former: None, request_hash: None, revision: 0, due: None }
    }
}

/// Condition of a write on the stored row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The row does not exist.
    Absent,
    /// The row exists.
    Present,
    /// The row exists at this revision.
    At(u32),
    /// The row is at this revision; a missing row counts as revision 0.
    AtOrAbsent(u32),
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    Put(Row, Condition),
    /// Deletes the row with this key.
    Delete(Key, Condition),
}

/// A counter with its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    pub(crate) key: Key,
    pub(crate) limit: u32,
    /// Seconds since 1970 after which DynamoDB may remove the counter.
    pub(crate) until: i64,
}
