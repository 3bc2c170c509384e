//! Pages of a list, and positions in it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::ApplicationId;
use jiff::Timestamp;
use thiserror::Error;

use super::model::StoredApplication;
use super::row;

/// A position in the list of a tenant or an agency. Opaque to callers; a cursor stays valid when applications are
/// added.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub(super) String);

impl Cursor {
    /// The position behind an application: the next page begins with the application after it.
    #[must_use]
    pub fn behind(stored: &StoredApplication) -> Cursor {
        Cursor(row::created_key(stored.ledger.state().opened_at, stored.id()))
    }
}

/// The text is not a cursor of these lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a cursor of this list")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let key = String::from_utf8(bytes).map_err(|_| CursorError)?;
        let (at, id) = key.split_once('#').ok_or(CursorError)?;
        let at: Timestamp = at.parse().map_err(|_| CursorError)?;
        let id: ApplicationId = id.parse().map_err(|_| CursorError)?;
        if row::created_key(at, id) == key { Ok(Cursor(key)) } else { Err(CursorError) }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries of this page.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<Cursor>,
}
