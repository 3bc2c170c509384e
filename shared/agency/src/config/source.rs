//! Reads settings one by one and collects every problem.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use protocol::json;
use serde_json::{Map, Value};

use super::key_fault::KeyRole;
use super::setting::{ConfigProblem, NUMBERS, SETTINGS};

/// What editors on Windows write before a text in UTF-8.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
/// Most bytes of a configuration or key file.
const FILE_BYTES: usize = 1024 * 1024;

/// The raw settings, and the problems found so far.
pub(super) struct ConfigSource {
    given: Map<String, Value>,
    base: PathBuf,
    /// The file could not be read: what it sets is not known, so nothing is reported as missing.
    is_unread: bool,
    problems: Vec<ConfigProblem>,
}

impl ConfigSource {
    /// Collects the settings of the file and the environment.
    pub(super) fn read(file: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> ConfigSource {
        let mut source = ConfigSource {
            given: Map::new(),
            base: file.and_then(Path::parent).map(Path::to_owned).unwrap_or_default(),
            is_unread: false,
            problems: Vec::new(),
        };
        if let Some(file) = file {
            match parse(file) {
                Ok(given) => source.given = given,
                Err(problem) => {
                    source.is_unread = true;
                    source.reject(&file.display().to_string(), &problem);
                }
            }
        }
        let unknown: Vec<String> =
            source.given.keys().filter(|name| !SETTINGS.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            source.reject(&name, "no such setting exists");
        }
        for name in SETTINGS {
            let variable = variable(&format!("TONGBAN_{}", name.to_uppercase()));
            if let Some(value) = variable.filter(|value| !value.is_empty()) {
                // The environment gives numbers as text.
                let number = value.trim().parse::<u64>().ok().filter(|_| NUMBERS.contains(&name));
                source.given.insert(name.to_owned(), number.map_or(Value::String(value), Value::from));
            }
        }
        source
    }

    pub(super) fn reject(&mut self, name: &str, problem: &str) {
        self.problems.push(ConfigProblem { name: name.to_owned(), problem: problem.to_owned() });
    }

    pub(super) fn finish(self) -> Vec<ConfigProblem> {
        self.problems
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.given.remove(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => {
                if text.trim() != text {
                    self.reject(name, "the value begins or ends with a space or a line break");
                    return None;
                }
                Some(text)
            }
            None => None,
            Some(_) => {
                self.reject(name, "the value must be a text that is not empty");
                None
            }
        }
    }

    pub(super) fn required(&mut self, name: &str) -> Option<String> {
        if !self.given.contains_key(name) {
            self.reject_missing(name);
        }
        self.text(name)
    }

    fn reject_missing(&mut self, name: &str) {
        if !self.is_unread {
            self.reject(name, "the setting is missing");
        }
    }

    pub(super) fn parsed<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.required(name)?;
        self.parse(name, &text)
    }

    pub(super) fn optional<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.text(name)?;
        self.parse(name, &text)
    }

    fn parse<T: FromStr>(&mut self, name: &str, text: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        text.parse().map_err(|error: T::Err| self.reject(name, &error.to_string())).ok()
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let number = self.given.remove(name)?.as_u64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.reject(name, &format!("the value must be a whole number from {least} to {most}"));
        }
        number
    }

    /// The keys of an optional setting. When given, the setting must hold at least one key.
    pub(super) fn optional_keys<K, E>(
        &mut self,
        name: &str,
        role: KeyRole,
        read: impl Fn(&Value) -> Result<K, E>,
    ) -> Vec<K> {
        if self.given.get(name).is_some_and(|given| !given.is_null()) {
            self.keys(name, role, read)
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

    /// The bytes of the file that an optional setting names, relative to the configuration.
    pub(super) fn file(&mut self, name: &str) -> Option<Vec<u8>> {
        let path = self.text(name)?;
        bytes(&self.base.join(&path)).map_err(|problem| self.reject(name, &format!("{path}: {problem}"))).ok()
    }

    /// The keys of a required setting, at least one. A text is a path, or several paths separated by commas.
    pub(super) fn keys<K, E>(
        &mut self,
        name: &str,
        role: KeyRole,
        read: impl Fn(&Value) -> Result<K, E>,
    ) -> Vec<K> {
        let Some(given) = self.given.remove(name) else {
            self.reject_missing(name);
            return Vec::new();
        };
        let parts: Vec<Value> = match given {
            Value::String(paths) => {
                paths.split(',').map(|path| Value::String(path.trim().to_owned())).collect()
            }
            other => members(other),
        };
        if parts.is_empty() {
            self.reject(name, "the list holds no key");
        }
        let mut keys = Vec::new();
        for part in parts {
            let (label, jwks) = match part {
                Value::String(path) => match json(&self.base.join(&path)) {
                    Ok(value) => (path, members(value)),
                    Err(problem) => {
                        self.reject(name, &format!("{path}: {problem}"));
                        continue;
                    }
                },
                inline => ("a key given inline".to_owned(), vec![inline]),
            };
            if jwks.is_empty() {
                self.reject(name, &format!("{label}: the file holds no key"));
            }
            for jwk in &jwks {
                let key = match role.fault(jwk) {
                    Some(fault) => Err(fault),
                    None => read(jwk).map_err(|_| "the numbers of the key (x, y, d) are wrong or missing"),
                };
                match key {
                    Ok(key) => keys.push(key),
                    Err(fault) => self.reject(name, &format!("{label}: {fault}")),
                }
            }
        }
        keys
    }
}

/// The keys of a JWK set or list, or the single key.
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

fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    let cause = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => "no such file exists".to_owned(),
        ErrorKind::PermissionDenied => "this user may not read the file".to_owned(),
        kind => kind.to_string(),
    };
    let size = std::fs::metadata(file).map_err(cause)?;
    if size.len() > FILE_BYTES as u64 {
        return Err("the file is over 1 MiB".to_owned());
    }
    std::fs::read(file).map_err(cause)
}

/// Reports only the line: a parser's own message may quote the file, which may hold a private key.
fn json(file: &Path) -> Result<Value, String> {
    json::parse(&bytes(file)?, FILE_BYTES).map_err(|error| format!("the file cannot be read: {error}"))
}

fn parse(file: &Path) -> Result<Map<String, Value>, String> {
    if file.extension().is_some_and(|extension| extension == "json") {
        return match json(file)? {
            Value::Object(members) => Ok(members),
            _ => Err("the file is not a JSON object".to_owned()),
        };
    }
    let bytes = bytes(file)?;
    if bytes.starts_with(&BYTE_ORDER_MARK) {
        return Err(
            "the file begins with a byte order mark (EF BB BF): save it as UTF-8 without one".to_owned()
        );
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("byte {} of the file is not UTF-8", error.utf8_error().valid_up_to()))?;
    toml::from_str(&text).map_err(|error| {
        let before = |end: usize| text.get(..end).unwrap_or(&text);
        let line = error.span().map_or(0, |span| before(span.start).lines().count().max(1));
        format!("the file is not TOML at line {line}")
    })
}
