//! Values that break parsers, and random changes of valid values.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Texts that parsers, paths, dates, numbers and registers trip over.
const TEXTS: &[&str] = &[
    "",
    " ",
    "\n",
    "\0",
    "\u{7f}",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{10ffff}",
    "\u{f9e1}",
    "\u{20000}",
    "e\u{301}",
    "😀",
    "·",
    "．",
    "Ｚ",
    "%",
    "%00",
    "%zz",
    "%2e%2e%2f",
    "..",
    "../..",
    "/",
    "//",
    "?",
    "#",
    "&",
    "=",
    "+",
    "*",
    "\"",
    "'",
    "\\",
    "<y>",
    "{}",
    "[]",
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1.5",
    "1e400",
    "0x10",
    "NaN",
    "9223372036854775808",
    "18446744073709551616",
    "99999999999999999999999",
    "2026-02-30",
    "0000-00-00",
    "9999-12-31",
    "10000-01-01",
    "-009999-01-01",
    "2026-01-01T00:00:00+08:00",
    "9999-12-31T23:59:60Z",
    "-009999-01-02T01:59:59Z",
    "+999999-01-01T00:00:00Z",
    "11010520000101001X",
    "110105180001010010",
    "510213",
    "000000",
    "999999",
    "1101051",
    "https://",
    "https://a.example:65536/",
    "https://a..b/",
    "https://[::1/",
    "https://user:p@a.example/",
    "https://xn--/",
    "http://127.0.0.1/",
    "data:,",
    "W/\"1\"",
    "\"4294967296\"",
    "\"",
    "*, *",
    "Bearer ",
    "Bearer a.b.c",
    "Bearer e30.e30.",
    "a.b.c",
    "..",
    "e30",
    "application/json; charset=gbk",
    "application/json;",
    "multipart/form-data",
    "gzip, br",
    "zh;q=2",
    "en;q=",
    "chunked",
];

/// A text of [`TEXTS`], a repeated one, or random characters.
pub(crate) fn text(rng: &mut Rng) -> String {
    let fixed = TEXTS[rng.usize(..TEXTS.len())];
    match rng.u8(..8) {
        0 => fixed.repeat([2, 50, 300, 20_000][rng.usize(..4)] / fixed.len().max(1) + 1),
        1 => (0..rng.usize(1..20)).map(|_| rng.char(..)).collect(),
        2 => (0..rng.usize(1..40)).map(|_| rng.char(' '..='~')).collect(),
        3 => format!("{fixed}{}", TEXTS[rng.usize(..TEXTS.len())]),
        _ => fixed.to_owned(),
    }
}

/// A JSON value.
pub(crate) fn value(rng: &mut Rng) -> Value {
    match rng.u8(..16) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!([i64::MIN, -1, 0, 1, 1 << 53, i64::MAX][rng.usize(..6)]),
        3 => json!([u64::MAX, u64::from(u32::MAX), 1 << 32][rng.usize(..3)]),
        4 => json!([0.1, -0.0, 1e308, 5e-324][rng.usize(..4)]),
        5 => (0..[1, 31, 40, 500][rng.usize(..4)]).fold(json!([]), |inner, _| json!([inner])),
        6 => json!(vec![value(rng); [0, 1, 9, 300][rng.usize(..4)]]),
        7 => Value::Object((0..rng.usize(..30)).map(|_| (text(rng), json!(0))).collect::<Map<_, _>>()),
        _ => json!(text(rng)),
    }
}

/// Changes a text: replaces, inserts, removes or repeats a part.
pub(crate) fn change_text(rng: &mut Rng, valid: &str) -> String {
    let mut characters: Vec<char> = valid.chars().collect();
    let at = rng.usize(..=characters.len());
    match rng.u8(..5) {
        0 => return text(rng),
        1 => characters.truncate(at),
        2 => characters.splice(at..at, text(rng).chars()).for_each(drop),
        3 if at < characters.len() => characters[at] = rng.char(..),
        _ => characters.extend_from_within(at..),
    }
    characters.into_iter().collect()
}

/// Changes one value at a random place: replaces it, changes its text, removes a member or adds one.
pub(crate) fn change_value(rng: &mut Rng, at: &mut Value) {
    match at {
        Value::Object(members) if !members.is_empty() && rng.u8(..6) > 0 => {
            let index = rng.usize(..members.len());
            let name = members.keys().nth(index).expect("a member").clone();
            match rng.u8(..8) {
                0 => drop(members.remove(&name)),
                1 => drop(members.insert(text(rng), value(rng))),
                2 => {
                    let moved = members.remove(&name).expect("a member");
                    members.insert(change_text(rng, &name), moved);
                }
                _ => change_value(rng, &mut members[&name]),
            }
        }
        Value::Array(items) if !items.is_empty() && rng.u8(..6) > 0 => {
            let index = rng.usize(..items.len());
            match rng.u8(..4) {
                0 => items.insert(index, value(rng)),
                1 => drop(items.remove(index)),
                _ => change_value(rng, &mut items[index]),
            }
        }
        Value::String(text) if rng.bool() => *text = change_text(rng, text),
        other => *other = value(rng),
    }
}

/// Changes the bytes of a serialized value.
pub(crate) fn change_bytes(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let at = rng.usize(..=bytes.len());
    match rng.u8(..6) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, rng.u8(..)),
        2 if at < bytes.len() => bytes[at] = rng.u8(..),
        3 => bytes.splice(at..at, text(rng).into_bytes()).for_each(drop),
        4 => bytes.extend_from_within(at..),
        _ => {
            // A member that stands twice.
            let Some(brace) = bytes.iter().position(|byte| *byte == b'{') else { return };
            let end = bytes.iter().position(|byte| *byte == b',').unwrap_or(brace);
            if let Some(first) = bytes.get(brace + 1..=end).map(<[u8]>::to_vec) {
                bytes
                    .splice(end..end, [&b","[..], &first[..first.len().saturating_sub(1)]].concat())
                    .for_each(drop);
            }
        }
    }
}
