//! Finds the line of a file that a JSON pointer (RFC 6901) names.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Syntax of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Toml,
    Json,
}

/// The line, from 1, of the value that a pointer names, or of the nearest enclosing value. `None` when the file lacks
/// even the pointer's first part.
pub(super) fn line_of(text: &str, syntax: Syntax, pointer: &str) -> Option<usize> {
    let path: Vec<String> =
        pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let start = match syntax {
        Syntax::Toml => in_toml(text, &path),
        Syntax::Json => in_json(text, &path),
    }?;
    Some(text.get(..start)?.matches('\n').count() + 1)
}

/// Offset of the deepest key on the path, in TOML.
fn in_toml(text: &str, path: &[String]) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let (first, rest) = path.split_first()?;
    let (mut found, mut value) = entry(document.get_ref(), first)?;
    for part in rest {
        let deeper = match value.get_ref() {
            DeValue::Table(table) => entry(table, part),
            DeValue::Array(list) => part
                .parse::<usize>()
                .ok()
                .and_then(|index| list.get(index))
                .map(|value| (value.span(), value)),
            _ => None,
        };
        let Some(deeper) = deeper else { break };
        (found, value) = deeper;
    }
    Some(found.start)
}

fn entry<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> Option<(Range<usize>, &'t Spanned<DeValue<'i>>)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((key.span(), value))
}

/// Offset of the deepest value on the path, in JSON.
fn in_json(text: &str, path: &[String]) -> Option<usize> {
    let mut value: &RawValue = serde_json::from_str(text).ok()?;
    let mut found = None;
    for part in path {
        let deeper = inside(value, part);
        let Some(deeper) = deeper else { break };
        value = deeper;
        // The value borrows from the text, so the difference of the addresses is the offset.
        found = Some(value.get().as_ptr().addr() - text.as_ptr().addr());
    }
    found
}

fn inside<'t>(value: &'t RawValue, part: &str) -> Option<&'t RawValue> {
    if value.get().starts_with('[') {
        let list: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
        return part.parse::<usize>().ok().and_then(|index| list.get(index).copied());
    }
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(value.get()).ok()?;
    fields.get(part).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "# a form\naddress = \"…\"\n\n[applicant]\nname = \"…\"\nmobile = \"1\"\n\n[relative]\n\
                        name = \"…\"\ncapabilities = [\"a\",\n  \"b\"]\n";
    const JSON: &str =
        "{\n  \"address\": \"…\",\n  \"applicant\": {\n    \"name\": \"…\" },\n  \"list\": [ 1,\n 2 ]\n}";

    #[test]
    fn a_pointer_is_found_in_toml() {
        let line = |pointer| line_of(TOML, Syntax::Toml, pointer);
        assert_eq!(line("/address"), Some(2));
        assert_eq!(line("/applicant/mobile"), Some(6));
        assert_eq!(line("/relative/capabilities/1"), Some(11));
        assert_eq!(line("/applicant/identity_number"), Some(4), "the table that lacks it");
        assert_eq!(line("/documents/0"), None);
        assert_eq!(line(""), None);
    }

    #[test]
    fn a_pointer_is_found_in_json() {
        let line = |pointer| line_of(JSON, Syntax::Json, pointer);
        assert_eq!(line("/address"), Some(2));
        assert_eq!(line("/applicant/name"), Some(4));
        assert_eq!(line("/applicant/identity_number"), Some(3));
        assert_eq!(line("/list/1"), Some(6));
        assert_eq!(line("/documents/0"), None);
        assert_eq!(line_of("{", Syntax::Json, "/address"), None);
    }
}
