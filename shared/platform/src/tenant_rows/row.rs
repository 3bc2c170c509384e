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

    /// The tenant of a row.
    pub(crate) fn tenant(&self) -> Option<TenantId> {
        self.pk.strip_prefix("tenant#")?.parse().ok()
    }
}

pub(crate) fn partition(tenant: &TenantId) -> String {
    format!("tenant#{tenant}")
}

/// A row. Attributes that a kind of row has not are absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub(crate) key: Key,
    /// `bo`: the JSON body.
    pub(crate) body: Option<String>,
    /// `se`: encrypted bytes.
    pub(crate) encrypted: Option<Vec<u8>>,
    /// `fo`: the keys before the last rotation, encrypted.
    pub(crate) former: Option<Vec<u8>>,
    /// `wh`: hash of the whole request.
    pub(crate) request_hash: Option<String>,
    /// `rv`: the revision. Rows of a former version have none, and count as 0.
    pub(crate) revision: u32,
    /// `dt`: when the row is due, in milliseconds since 1970.
    pub(crate) due: Option<i64>,
}

impl Row {
    pub(crate) fn new(key: Key) -> Row {
        Row { key, body: None, encrypted: None, former: None, request_hash: None, revision: 0, due: None }
    }
}

/// What must hold of the row that is there for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no row.
    Absent,
    /// There is a row.
    Present,
    /// There is a row at this revision.
    At(u32),
    /// There is a row at this revision; no row counts as revision 0.
    AtOrAbsent(u32),
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Put the row.
    Put(Row, Condition),
    /// Delete the row with this key.
    Delete(Key, Condition),
}

/// A counter with its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    pub(crate) key: Key,
    pub(crate) limit: u32,
    /// Seconds since 1970 after which the counter may be removed.
    pub(crate) until: i64,
}
