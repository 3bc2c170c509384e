//! The one reader of JSON from outside: request bodies, reports, tokens, JOSE headers, keys, queue messages,
//! configuration.
//!
//! RFC 8259 leaves open what a reader does with a repeated member, and serde_json takes the last one without a word.
//! Two programs that read one document differently are a hole, so this reader follows I-JSON (RFC 7493): UTF-8 only,
//! and each member once, also when escapes spell its name. It also refuses U+FFFD, which a program writes that decodes
//! a text with the wrong character set, and it bounds size and depth.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// Maximum number of levels of objects and lists.
pub const DEPTH: usize = 32;
/// Maximum number of members that one error names.
const NAMED: usize = 50;
/// Maximum length of a member's name that an error repeats.
const NAME_CHARACTERS: usize = 40;
/// The replacement character, which decoders write for undecodable bytes.
const REPLACEMENT: char = '\u{FFFD}';

/// Why a text is refused. No error repeats a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JsonError {
    /// The text has more bytes than the caller accepts.
    #[error("the JSON text has more than {0} bytes")]
    TooLarge(usize),
    /// The text is not UTF-8 from this byte on, counted from 0.
    #[error("byte {0} is not UTF-8")]
    NotUtf8(usize),
    /// The text begins with a byte order mark.
    #[error("the text begins with a byte order mark (EF BB BF); JSON begins without one")]
    ByteOrderMark,
    /// The text is not JSON.
    #[error("{expected} at line {line}, column {column}")]
    Syntax {
        /// The JSON library's description of the mistake, which repeats nothing of the text.
        expected: String,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
    },
    /// The text has more than [`DEPTH`] levels of objects and lists.
    #[error("more than {DEPTH} levels of objects and lists")]
    TooDeep,
    /// Members that their object has more than once.
    #[error("members are repeated: {0}")]
    Duplicates(Places),
    /// Texts with U+FFFD.
    #[error("texts were decoded with the wrong character set before (U+FFFD): {0}")]
    Replacement(Places),
    /// The JSON is well formed, but is not the expected type.
    #[error("the JSON has another shape: {0}")]
    Shape(String),
}

/// Places of one kind of mistake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// JSON pointers of the first 50.
    pub named: Vec<String>,
    /// Number of further ones.
    pub more: usize,
}

impl Places {
    fn add(&mut self, pointer: impl FnOnce() -> String) {
        if self.named.len() < NAMED {
            self.named.push(pointer());
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named.join(", "))?;
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

/// Reads a JSON text of at most `bound` bytes.
///
/// # Errors
/// [`JsonError`]. Every repeated member is named.
pub fn parse(bytes: &[u8], bound: usize) -> Result<Value, JsonError> {
    if bytes.len() > bound {
        return Err(JsonError::TooLarge(bound));
    }
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        return Err(JsonError::ByteOrderMark);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8(error.valid_up_to()))?;
    let mut mistakes = Mistakes::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Node { mistakes: &mut mistakes, place: Place::Root, depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    let value = read.map_err(|error| if mistakes.too_deep { JsonError::TooDeep } else { syntax(&error) })?;
    if !mistakes.duplicates.named.is_empty() {
        return Err(JsonError::Duplicates(mistakes.duplicates));
    }
    if !mistakes.replacements.named.is_empty() {
        return Err(JsonError::Replacement(mistakes.replacements));
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

/// The library's message without its position. The library counts columns from 0 in an empty text, the error from 1.
fn syntax(error: &serde_json::Error) -> JsonError {
    let text = error.to_string();
    let expected = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words).to_owned();
    JsonError::Syntax { expected, line: error.line().max(1), column: error.column().max(1) }
}

/// The library's message about a shape, without the value or name that it quotes.
fn shape(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let quoting = ["invalid type", "invalid value", "invalid length", "unknown variant", "unknown field"];
    if !quoting.iter().any(|begin| text.starts_with(begin)) {
        return text;
    }
    text.rsplit_once("expected ").map_or_else(String::new, |(_, expected)| format!("expected {expected}"))
}

/// Whether an error may repeat a member's name. A name in another form may be an identity number.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    let plain = |sign: char| sign.is_ascii_alphabetic() || sign == '_' || sign == '-';
    name.len() <= NAME_CHARACTERS
        && name.starts_with(plain)
        && name.chars().filter(char::is_ascii_digit).count() <= 2
        && name.chars().all(|sign| plain(sign) || sign.is_ascii_digit())
}

/// Mistakes that do not stop the reader.
#[derive(Default)]
struct Mistakes {
    duplicates: Places,
    replacements: Places,
    too_deep: bool,
}

/// The place of a value. The JSON pointer is written only for a mistake.
#[derive(Clone, Copy)]
enum Place<'p> {
    Root,
    Member(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

impl Place<'_> {
    /// The JSON pointer. A name that no error may repeat is left out, so that the pointer names its object.
    fn pointer(self) -> String {
        match self {
            Place::Root => String::new(),
            Place::Member(object, name) if is_plain_name(name) => format!("{}/{name}", object.pointer()),
            Place::Member(object, _) => object.pointer(),
            Place::Item(list, index) => format!("{}/{index}", list.pointer()),
        }
    }
}

/// Builds one value.
struct Node<'f, 'p> {
    mistakes: &'f mut Mistakes,
    place: Place<'p>,
    depth: usize,
}

impl Node<'_, '_> {
    fn check_text(&mut self, text: &str) {
        if text.contains(REPLACEMENT) {
            self.mistakes.replacements.add(|| self.place.pointer());
        }
    }

    fn descend<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH {
            self.mistakes.too_deep = true;
            return Err(E::custom("too deep"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
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
        self.check_text(text);
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        self.descend()?;
        let mut values = Vec::new();
        loop {
            let place = Place::Item(&self.place, values.len());
            let node = Node { mistakes: &mut *self.mistakes, place, depth: self.depth };
            let Some(value) = list.next_element_seed(node)? else { return Ok(Value::Array(values)) };
            values.push(value);
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Value, A::Error> {
        self.descend()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            self.check_text(&name);
            let place = Place::Member(&self.place, &name);
            if members.contains_key(&name) {
                self.mistakes.duplicates.add(|| place.pointer());
            }
            let node = Node { mistakes: &mut *self.mistakes, place, depth: self.depth };
            let value = object.next_value_seed(node)?;
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

    fn places(named: &[&str]) -> Places {
        Places { named: named.iter().map(|pointer| (*pointer).to_owned()).collect(), more: 0 }
    }

    #[test]
    fn i8_repeated_members_beyond_those_that_are_named_are_counted() {
        let members: Vec<String> = (0..200).map(|number| format!("\"m\":{number}")).collect();
        let Err(JsonError::Duplicates(found)) = parse(format!("{{{}}}", members.join(",")).as_bytes(), 9_000)
        else {
            panic!("read")
        };
        assert_eq!((found.named.len(), found.more), (NAMED, 199 - NAMED));
        assert!(found.to_string().ends_with(" and 149 more"));
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
        let named = places(&["/applicant/name", "/applicant/list/0/x", "/applicant"]);
        assert_eq!(read(text), Err(JsonError::Duplicates(named)));
    }

    #[test]
    fn i3_a_repeated_name_that_may_be_a_number_of_a_person_is_not_repeated() {
        let text = r#"{"a":{"11010519491231002X":1,"11010519491231002X":2}}"#;
        assert_eq!(read(text), Err(JsonError::Duplicates(places(&["/a"]))));
    }

    #[test]
    fn i2_another_character_set_is_refused_also_where_it_was_decoded_before() {
        let gbk = b"{\"address\":\"\xB1\xB1\xBE\xA9\"}";
        assert_eq!(parse(gbk, 100), Err(JsonError::NotUtf8(12)));
        let decoded = String::from_utf8_lossy(gbk).into_owned();
        assert_eq!(read(&decoded), Err(JsonError::Replacement(places(&["/address"]))));
        assert_eq!(read(r#"["\ufffd"]"#), Err(JsonError::Replacement(places(&["/0"]))));
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
    fn an_error_repeats_plain_names_only() {
        for (name, plain) in [
            ("a-b_C", true),
            ("_a12", true),
            ("a123", false),
            ("1a", false),
            ("", false),
            ("姓名", false),
            ("a b", false),
        ] {
            assert_eq!(is_plain_name(name), plain, "{name}");
        }
        assert!(is_plain_name(&"n".repeat(40)) && !is_plain_name(&"n".repeat(41)));
        assert_eq!(places(&["/a", "/b"]).to_string(), "/a, /b");
        assert!(parse(b"[1,2]", 5).is_ok(), "as many bytes as the bound");
    }

    #[test]
    fn a_wrong_shape_repeats_no_value() {
        let error = from_slice::<Vec<u8>>(br#"["11010519491231002X"]"#, 100).unwrap_err().to_string();
        assert!(!error.contains("1101"), "{error}");
        assert!(error.contains("expected u8"), "{error}");

        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Known {
            #[allow(dead_code, reason = "only its name counts")]
            name: String,
        }
        let missing = from_slice::<Known>(b"{}", 100).unwrap_err();
        assert_eq!(missing, JsonError::Shape("missing field `name`".into()));
        let unknown = from_slice::<Known>(br#"{"11010519491231002X":1}"#, 100).unwrap_err().to_string();
        assert!(!unknown.contains("1101") && unknown.contains("expected `name`"), "{unknown}");
    }

    proptest! {
        #[test]
        fn no_input_panics_and_accepted_json_reads_back_the_same(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
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
