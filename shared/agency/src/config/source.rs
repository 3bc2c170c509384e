//! Reads settings one by one and keeps every problem.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Map, Value};

use super::{SETTINGS, Wrong};

/// Bytes of a configuration or key file.
const FILE: u64 = 1024 * 1024;

/// The settings as given, before they are understood.
pub(super) struct Source {
    given: Map<String, Value>,
    base: PathBuf,
    wrong: Vec<Wrong>,
}

impl Source {
    /// Collects what the file and the environment give.
    pub(super) fn read(file: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> Source {
        let mut source = Source {
            given: Map::new(),
            base: file.and_then(Path::parent).map(Path::to_owned).unwrap_or_default(),
            wrong: Vec::new(),
        };
        if let Some(file) = file {
            match parse(file) {
                Ok(given) => source.given = given,
                Err(problem) => source.wrong(&file.display().to_string(), &problem),
            }
        }
        let unknown: Vec<String> =
            source.given.keys().filter(|name| !SETTINGS.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            source.wrong(&name, "no such setting");
        }
        for name in SETTINGS {
            let variable = variable(&format!("TONGBAN_{}", name.to_uppercase()));
            if let Some(value) = variable.filter(|value| !value.is_empty()) {
                source.given.insert(name.to_owned(), Value::String(value));
            }
        }
        source
    }

    pub(super) fn wrong(&mut self, name: &str, problem: &str) {
        self.wrong.push(Wrong { name: name.to_owned(), problem: problem.to_owned() });
    }

    pub(super) fn finish(self) -> Vec<Wrong> {
        self.wrong
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.given.remove(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            None => None,
            Some(_) => {
                self.wrong(name, "a text is needed");
                None
            }
        }
    }

    pub(super) fn required(&mut self, name: &str) -> Option<String> {
        if !self.given.contains_key(name) {
            self.wrong(name, "missing");
        }
        self.text(name)
    }

    pub(super) fn parsed<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.required(name)?;
        text.parse().map_err(|error: T::Err| self.wrong(name, &error.to_string())).ok()
    }

    /// A whole number from `least` to `most`; the environment gives it as text.
    pub(super) fn number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let number = match self.given.remove(name)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.wrong(name, &format!("a whole number from {least} to {most}"));
        }
        number
    }

    /// The keys where the setting is given: then at least one.
    pub(super) fn optional_keys<K, E>(
        &mut self,
        name: &str,
        read: impl Fn(&Value) -> Result<K, E>,
    ) -> Vec<K> {
        if self.given.get(name).is_some_and(|given| !given.is_null()) {
            self.keys(name, read)
        } else {
            self.given.remove(name);
            Vec::new()
        }
    }

    /// A path, relative to the file.
    pub(super) fn path(&mut self, name: &str, default: &str) -> PathBuf {
        let given = self.text(name);
        self.base.join(given.as_deref().unwrap_or(default))
    }

    /// At least one key. A text is one path or several with commas between them.
    pub(super) fn keys<K, E>(&mut self, name: &str, read: impl Fn(&Value) -> Result<K, E>) -> Vec<K> {
        let Some(given) = self.given.remove(name) else {
            self.wrong(name, "missing");
            return Vec::new();
        };
        let parts: Vec<Value> = match given {
            Value::String(paths) => {
                paths.split(',').map(|path| Value::String(path.trim().to_owned())).collect()
            }
            other => members(other),
        };
        if parts.is_empty() {
            self.wrong(name, "no key in it");
        }
        let mut keys = Vec::new();
        for part in parts {
            let (label, jwks) = match part {
                Value::String(path) => match json(&self.base.join(&path)) {
                    Ok(value) => (path, members(value)),
                    Err(problem) => {
                        self.wrong(name, &format!("{path}: {problem}"));
                        continue;
                    }
                },
                inline => ("a key given inline".to_owned(), vec![inline]),
            };
            if jwks.is_empty() {
                self.wrong(name, &format!("{label}: no key in it"));
            }
            for jwk in &jwks {
                match read(jwk) {
                    Ok(key) => keys.push(key),
                    Err(_) => self.wrong(name, &format!("{label}: not a JWK that can be used here")),
                }
            }
        }
        keys
    }
}

/// The keys of a JWK set or of a list, or the one key that it is.
fn members(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        Value::Object(mut object) => match object.remove("keys") {
            Some(Value::Array(list)) => list,
            _ => vec![Value::Object(object)],
        },
        other => vec![other],
    }
}

fn text(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|error| error.kind().to_string())?;
    if size.len() > FILE {
        return Err("over 1 MiB".to_owned());
    }
    std::fs::read_to_string(file).map_err(|error| error.kind().to_string())
}

/// A parser's own message may quote what it read, and that may be a key: only the place is told.
fn json(file: &Path) -> Result<Value, String> {
    serde_json::from_str(&text(file)?).map_err(|error| format!("not JSON at line {}", error.line()))
}

fn parse(file: &Path) -> Result<Map<String, Value>, String> {
    if file.extension().is_some_and(|extension| extension == "json") {
        return match json(file)? {
            Value::Object(members) => Ok(members),
            _ => Err("not an object".to_owned()),
        };
    }
    let text = text(file)?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
        format!("not TOML at line {line}")
    })
}
