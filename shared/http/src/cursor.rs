//! Cursors, each bound to the list that returned it.
//!
//! A cursor names a position in one list: of one caller, with one filter, in one order. In another list the position
//! means nothing, and an answer would look like the end of that list. So the text begins with a tag of its list, and a
//! cursor with another tag is refused. The tag is no secret: a list never shows another caller's objects, whatever the
//! position.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform::store::CursorError;
use sha2::{Digest as _, Sha256};

use crate::fields::FieldError;
use crate::problem::Problem;

/// Bytes of the tag.
const TAG_BYTES: usize = 9;
/// Characters of the tag: base64 without padding.
const TAG_CHARACTERS: usize = 12;
/// Characters of the longest cursor.
const CHARACTERS: usize = 512;

/// The list that a cursor belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTag(String);

impl ListTag {
    /// The tag of a list: its name with its order, its caller, and the text of its filter.
    #[must_use]
    pub fn new(list: &str, caller: impl Display, filter: impl Display) -> ListTag {
        let hash: [u8; 32] = Sha256::digest(format!("{list}\0{caller}\0{filter}")).into();
        ListTag(URL_SAFE_NO_PAD.encode(&hash[..TAG_BYTES]))
    }

    /// The text of a cursor for the caller.
    pub fn bind(&self, cursor: impl Display) -> String {
        format!("{}{cursor}", self.0)
    }

    /// The position of a cursor that this list returned.
    ///
    /// # Errors
    /// 422 at `pointer` when another list returned the cursor, or none did.
    pub fn open<T: FromStr>(
        &self,
        cursor: Option<&BoundCursor>,
        pointer: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(BoundCursor(text)) = cursor else { return Ok(None) };
        let position = text.strip_prefix(&self.0).and_then(|rest| rest.parse().ok());
        position.map(Some).ok_or_else(|| Problem::invalid(vec![FieldError::new(pointer, "cursor")]))
    }
}

/// The text of a cursor as a caller sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundCursor(String);

impl FromStr for BoundCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let fits = (TAG_CHARACTERS + 1..=CHARACTERS).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(BoundCursor(text.to_owned())) } else { Err(CursorError) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn i6_a_cursor_is_taken_by_its_own_list_only() {
        let tag = ListTag::new("applications", "app-a", "stage=draft");
        let text = tag.bind("1234");
        let cursor: BoundCursor = text.parse().unwrap();
        assert_eq!(tag.open::<u32>(Some(&cursor), "/cursor"), Ok(Some(1234)));
        assert_eq!(tag.open::<u32>(None, "/cursor"), Ok(None));
        for other in [
            ListTag::new("notices", "app-a", "stage=draft"),
            ListTag::new("applications", "app-b", "stage=draft"),
            ListTag::new("applications", "app-a", "stage=ready"),
            ListTag::new("applications", "app-astage=draft", ""),
        ] {
            let problem = other.open::<u32>(Some(&cursor), "/cursor").unwrap_err();
            assert_eq!((problem.status().as_u16(), problem.errors()[0].code), (422, "cursor"));
        }
        let broken: BoundCursor = tag.bind("x1").parse().unwrap();
        assert!(tag.open::<u32>(Some(&broken), "/cursor").is_err());
        for odd in [String::new(), "1234".into(), format!("{text}="), format!("{text} "), "a".repeat(513)] {
            assert_eq!(odd.parse::<BoundCursor>(), Err(CursorError), "{odd}");
        }
    }
}
