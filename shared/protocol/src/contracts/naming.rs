//! Gives every part of a schema a name of its own, so that generators of clients need not invent one.
//!
//! A generator turns an object, an enumeration or a choice into a type. When the schema is inside another schema
//! the generator calls the type `Report3` or `AnonymousSchema_7`, and gives it another name after the next release.
//! Here each such part becomes a schema beside the others, with its name as `title`. What a schema accepts does not
//! change.

use serde_json::{Map, Value, json};

/// Schemas by name, whose parts are schemas beside them. `prefix` is what a reference has before a name.
///
/// # Errors
/// The name of two different schemas.
pub(super) fn name_parts(schemas: Map<String, Value>, prefix: &str) -> Result<Map<String, Value>, String> {
    let mut naming = Naming { prefix, named: Map::new(), twice: None };
    for (name, mut schema) in schemas {
        naming.parts(&mut schema, &name);
        naming.add(&name, schema);
    }
    naming.twice.map_or(Ok(naming.named), Err)
}

struct Naming<'a> {
    prefix: &'a str,
    named: Map<String, Value>,
    /// A name that two different schemas claim.
    twice: Option<String>,
}

impl Naming<'_> {
    fn add(&mut self, name: &str, mut schema: Value) {
        schema["title"] = name.into();
        if self.named.get(name).is_some_and(|earlier| *earlier != schema) {
            self.twice = Some(name.to_owned());
        }
        self.named.insert(name.to_owned(), schema);
    }

    /// Names the parts of a schema, whose own name is `name`.
    fn parts(&mut self, schema: &mut Value, name: &str) {
        join_constants(schema);
        spread(schema);
        let members = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (member, part) in members.into_iter().flatten() {
            self.part(part, &format!("{name}{}", pascal(member)));
        }
        if let Some(items) = schema.get_mut("items") {
            self.part(items, name.strip_suffix('s').unwrap_or(name));
        }
        for word in ["oneOf", "anyOf"] {
            for choice in schema.get_mut(word).and_then(Value::as_array_mut).into_iter().flatten() {
                let name =
                    tag(choice).map_or_else(|| name.to_owned(), |tag| format!("{}{name}", pascal(tag)));
                self.part(choice, &name);
            }
        }
    }

    /// Puts a reference in place of a part that a generator makes a type of.
    fn part(&mut self, part: &mut Value, name: &str) {
        let Some(members) = part.as_object_mut() else { return };
        let is_enumeration =
            members.get("enum").and_then(Value::as_array).is_some_and(|values| values.len() > 1);
        if !is_enumeration && !members.contains_key("properties") {
            self.parts(part, name);
            return;
        }
        let title = members.remove("title");
        let name = title.as_ref().and_then(Value::as_str).unwrap_or(name).to_owned();
        // The same enumeration occurs in several places, each with its own description.
        let description = if is_enumeration { members.remove("description") } else { None };
        let nullable = members.get_mut("enum").and_then(Value::as_array_mut).is_some_and(|values| {
            let before = values.len();
            values.retain(|value| !value.is_null());
            values.len() < before
        });
        let mut schema = part.take();
        self.parts(&mut schema, &name);
        self.add(&name, schema);
        *part = json!({ "$ref": format!("{}{name}", self.prefix) });
        if nullable {
            *part = json!({ "anyOf": [part.take(), { "type": "null" }] });
        }
        if let Some(description) = description {
            part["description"] = description;
        }
    }
}

/// Writes a choice of constants as an enumeration, whose description has a line for each of them. Constants beside an
/// object become one text: clients generated from an enumeration or constants there do not compile or fail at a value.
fn join_constants(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    let Some(choices) = members.get_mut("oneOf").and_then(Value::as_array_mut) else { return };
    let (constants, others): (Vec<Value>, Vec<Value>) =
        choices.drain(..).partition(|choice| choice["const"].is_string());
    let values: Vec<&str> = constants.iter().filter_map(|constant| constant["const"].as_str()).collect();
    let lines = constants.iter().filter_map(|constant| {
        Some(format!("- `{}`: {}", constant["const"].as_str()?, constant["description"].as_str()?))
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    if others.is_empty() {
        members.remove("oneOf");
        let description = members.get("description").and_then(Value::as_str).unwrap_or_default();
        let description = format!("{description}\n\n{lines}").trim().to_owned();
        members.insert("type".to_owned(), "string".into());
        members.insert("enum".to_owned(), json!(values));
        members.insert("description".to_owned(), description.into());
    } else if values.is_empty() {
        *choices = others;
    } else {
        let pattern = format!("^({})$", values.join("|"));
        choices.push(json!({ "type": "string", "pattern": pattern, "description": lines }));
        choices.extend(others);
    }
}

/// Moves the members that every variant has into each of the variants, so that each is complete.
fn spread(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    if !members.contains_key("properties") || !members.contains_key("oneOf") {
        return;
    }
    members.remove("type");
    let shared = members.remove("properties").unwrap_or_default();
    let required = members.remove("required").unwrap_or_default();
    for variant in members.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
        for (name, member) in shared.as_object().into_iter().flatten() {
            if variant["properties"].get(name).is_none() {
                variant["properties"][name] = member.clone();
            }
        }
        let own = variant["required"].take();
        let all = [&required, &own].into_iter().filter_map(Value::as_array).flatten();
        variant["required"] = all.cloned().collect();
    }
}

/// The name of a variant: the value of its constant, or the name of its only member.
fn tag(variant: &Value) -> Option<&str> {
    let members = variant["properties"].as_object()?;
    let constant = members.values().find_map(|member| member["const"].as_str());
    constant.or_else(|| members.keys().next().filter(|_| members.len() == 1).map(String::as_str))
}

fn pascal(name: &str) -> String {
    let words = name.split(|sign: char| !sign.is_ascii_alphanumeric());
    words
        .flat_map(|word| {
            let mut signs = word.chars();
            signs.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(signs)
        })
        .collect()
}
