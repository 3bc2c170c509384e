//! The one reader of JSON from outside: request bodies, reports, tokens, JOSE headers, keys, queue messages, configuration.
//!
//! RFC 8259 leaves open what a reader does with a repeated member, and serde_json takes the last one without a word. Two
//! programs that read one document differently are a hole, so this reader follows I-JSON (RFC 7493): UTF-8 only, each member
//! once, however its name is spelled with escapes. It also refuses U+FFFD, the trace of text that another program decoded with
//! the wrong character set, and bounds size and depth before a value is built.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// Levels of objects and lists within each other.
pub const DEPTH: usize = 32;
/// Wrong members that one error names.
const NAMED: usize = 20;
/// Characters of a member's name that an error repeats.
const NAME_CHARACTERS: usize = 40;
/// The replacement character, which decoders write for bytes that they cannot read.
const REPLACEMENT: char = '\u{FFFD}';

/// Why a text is not taken as JSON. No error repeats a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JsonError {
    /// The text has more bytes than the caller takes.
    #[error("the JSON text has more than {0} bytes")]
    TooLarge(usize),
    /// A byte that no UTF-8 text has.
    #[error("byte {0} is not UTF-8")]
    NotUtf8(usize),
    /// The text begins with a byte order mark.
    #[error("the text begins with a byte order mark (EF BB BF); JSON begins without one")]
    ByteOrderMark,
    /// The text is not JSON.
    #[error("{expected} at line {line}, column {column}")]
    Syntax {
        /// What the reader met or missed, in the words of the JSON library, which repeat nothing of the text.
        expected: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Objects and lists lie too deep within each other.
    #[error("more than {DEPTH} levels of objects and lists")]
    TooDeep,
    /// Members that stand in one object more than once, by JSON pointer.
    #[error("members stand twice: {}", .0.join(", "))]
    Duplicates(Vec<String>),
    /// Texts with U+FFFD, by JSON pointer.
    #[error("texts were decoded with the wrong character set before (U+FFFD): {}", .0.join(", "))]
    Replacement(Vec<String>),
    /// The JSON is well formed and has another shape than the reader needs.
    #[error("the JSON has another shape: {0}")]
    Shape(String),
}

/// Reads a JSON text of at most `bound` bytes.
///
/// # Errors
/// [`JsonError`]. Every repeated member is named, up to 20.
pub fn parse(bytes: &[u8], bound: usize) -> Result<Value, JsonError> {
    if bytes.len() > bound {
        return Err(JsonError::TooLarge(bound));
    }
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        return Err(JsonError::ByteOrderMark);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8(error.valid_up_to()))?;
    let mut findings = Findings::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Node { findings: &mut findings, pointer: String::new(), depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    let value = read.map_err(|error| if findings.too_deep { JsonError::TooDeep } else { syntax(&error) })?;
    if !findings.duplicates.is_empty() {
        return Err(JsonError::Duplicates(findings.duplicates));
    }
    if !findings.replacements.is_empty() {
        return Err(JsonError::Replacement(findings.replacements));
    }
    Ok(value)
}

/// Reads a JSON text of at most `bound` bytes as a type.
///
/// # Errors
/// [`JsonError`].
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8], bound: usize) -> Result<T, JsonError> {
    serde_json::from_value(parse(bytes, bound)?).map_err(|error| JsonError::Shape(shape(&error)))
}

/// The library's words without their position, and the position from 1: at an empty text the library says column 0.
fn syntax(error: &serde_json::Error) -> JsonError {
    let text = error.to_string();
    let expected = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words).to_owned();
    JsonError::Syntax { expected, line: error.line().max(1), column: error.column().max(1) }
}

/// What is wrong with the shape, without the values that the library quotes.
fn shape(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let quoted =
        ["invalid type", "invalid value", "unknown variant"].iter().any(|begin| text.starts_with(begin));
    if quoted {
        text.rsplit_once("expected ").map_or_else(String::new, |(_, what)| format!("expected {what}"))
    } else {
        text
    }
}

/// A member's name as an error may repeat it. A name that does not look like one may be anything, an identity number too.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    let plain = |sign: char| sign.is_ascii_alphabetic() || sign == '_' || sign == '-';
    name.len() <= NAME_CHARACTERS
        && name.starts_with(plain)
        && name.chars().filter(char::is_ascii_digit).count() <= 2
        && name.chars().all(|sign| plain(sign) || sign.is_ascii_digit())
}

/// What is wrong although the text can be read to its end.
#[derive(Default)]
struct Findings {
    duplicates: Vec<String>,
    replacements: Vec<String>,
    too_deep: bool,
}

/// Builds one value.
struct Node<'f> {
    findings: &'f mut Findings,
    pointer: String,
    depth: usize,
}

impl Node<'_> {
    fn check(&mut self, text: &str) {
        if text.contains(REPLACEMENT) && self.findings.replacements.len() < NAMED {
            self.findings.replacements.push(self.pointer.clone());
        }
    }

    fn deeper<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > DEPTH {
            self.findings.too_deep = true;
            return Err(E::custom("too deep"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(mut self, text: &str) -> Result<Value, E> {
        self.check(text);
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Node {
            findings: &mut *self.findings,
            pointer: format!("{}/{}", self.pointer, values.len()),
            depth: self.depth,
        })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Value, A::Error> {
        self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            self.check(&name);
            let pointer =
                if is_plain_name(&name) { format!("{}/{name}", self.pointer) } else { self.pointer.clone() };
            if members.contains_key(&name) && self.findings.duplicates.len() < NAMED {
                self.findings.duplicates.push(pointer.clone());
            }
            let value =
                object.next_value_seed(Node { findings: &mut *self.findings, pointer, depth: self.depth })?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, JsonError> {
        parse(text.as_bytes(), 1_000)
    }

    fn at(text: &str) -> (usize, usize) {
        match read(text) {
            Err(JsonError::Syntax { line, column, .. }) => (line, column),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn i3_every_repeated_member_is_named_also_where_escapes_hide_it() {
        let text = r#"{"applicant":{"name":"a","name":"b","list":[{"x":1,"\u0078":2}]},"applicant":1}"#;
        let named = ["/applicant/name", "/applicant/list/0/x", "/applicant"].map(str::to_owned).to_vec();
        assert_eq!(read(text), Err(JsonError::Duplicates(named)));
    }

    #[test]
    fn i3_a_repeated_name_that_may_be_a_number_of_a_person_is_not_repeated() {
        let text = r#"{"a":{"11010519491231002X":1,"11010519491231002X":2}}"#;
        assert_eq!(read(text), Err(JsonError::Duplicates(vec!["/a".to_owned()])));
    }

    #[test]
    fn i2_another_character_set_is_refused_also_where_it_was_decoded_before() {
        let gbk = b"{\"address\":\"\xB1\xB1\xBE\xA9\"}";
        assert_eq!(parse(gbk, 100), Err(JsonError::NotUtf8(12)));
        let decoded = String::from_utf8_lossy(gbk).into_owned();
        assert_eq!(read(&decoded), Err(JsonError::Replacement(vec!["/address".to_owned()])));
        assert_eq!(read(r#"["\ufffd"]"#), Err(JsonError::Replacement(vec!["/0".to_owned()])));
        assert_eq!(parse(b"\xEF\xBB\xBF{}", 100), Err(JsonError::ByteOrderMark));
        assert!(matches!(read(r#""\ud800""#), Err(JsonError::Syntax { .. })));
        assert!(matches!(
            parse("{}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice(), 9),
            Err(JsonError::Syntax { .. })
        ));
    }

    #[test]
    fn i11_a_position_counts_from_one_and_says_what_was_expected() {
        assert_eq!(at(""), (1, 1));
        assert_eq!(at("{"), (1, 1));
        assert_eq!(at("{\n  \"a\": }"), (2, 8));
        let Err(JsonError::Syntax { expected, .. }) = read("{\"a\" 1}") else { panic!("read") };
        assert_eq!(expected, "expected `:`");
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let nested = |levels| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(DEPTH)).is_ok());
        assert_eq!(read(&nested(DEPTH + 1)), Err(JsonError::TooDeep));
        assert_eq!(read(&"[".repeat(900)), Err(JsonError::TooDeep));
        assert_eq!(parse(b"[1,2]", 4), Err(JsonError::TooLarge(4)));
        assert!(matches!(read("1e999"), Err(JsonError::Syntax { .. })));
        assert!(matches!(read("{} {}"), Err(JsonError::Syntax { .. })));
    }

    #[test]
    fn a_wrong_shape_repeats_no_value() {
        let error = from_slice::<Vec<u8>>(br#"["11010519491231002X"]"#, 100).unwrap_err().to_string();
        assert!(!error.contains("1101"), "{error}");
        assert!(error.contains("expected u8"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_taken_reads_the_same(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = parse(&bytes, 100) {
                prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
            }
        }

        #[test]
        fn json_of_any_text_is_read_back(text in "[^\u{FFFD}]{0,20}", number in any::<i64>()) {
            let value = json!({ "text": text, "number": number, "list": [null, true, { "a": 0.5 }] });
            prop_assert_eq!(parse(value.to_string().as_bytes(), 1_000).unwrap(), value);
        }
    }
}
