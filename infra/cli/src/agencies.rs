//! Reads and checks `infra/agencies.toml`. Reports all faults at once, each with its line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::agencies::{Agencies, AgencyRow, AgencyState};
use domain::agency_override::{KEY_BYTES, KID_BYTES, is_same_key};
use domain::catalogue::Service;
use domain::division::{AbolishedDivision, Jurisdiction};
use domain::free_text::FreeText;
use domain::ids::AgencyCode;
use jiff::civil::Date;
use protocol::jose::{KeyUse, PublicKey};
use serde::Deserialize;
use serde_json::Value as Json;
use thiserror::Error;
use toml::{Spanned, Value};

use crate::secrets::AgencyKeys;

/// An unchecked row. Each value has its position in the file.
type RawRow = BTreeMap<String, Spanned<Value>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    agency: Vec<Spanned<RawRow>>,
}

/// The rows of the file, each with the account that reads the queue.
#[derive(Clone, Debug, PartialEq)]
pub struct AgencyList {
    rows: Vec<(AgencyRow, Option<String>)>,
}

/// A fault of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Line of the file, from 1.
    pub line: usize,
    /// The agency's code, unchecked. `None` when the row has no code.
    pub agency: Option<String>,
    /// Description of the fault.
    pub problem: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "infra/agencies.toml:{}: ", self.line)?;
        if let Some(agency) = &self.agency {
            write!(f, "agency {agency}: ")?;
        }
        f.write_str(&self.problem)
    }
}

/// All faults of the file, one per line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(Flaw::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Flaws(pub Vec<Flaw>);

impl AgencyList {
    /// Reads and checks the text of the file.
    ///
    /// # Errors
    /// Every fault of every row. If the text is not TOML, the first syntax error.
    pub fn parse(text: &str) -> Result<AgencyList, Flaws> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            Flaws(vec![Flaw { line, agency: None, problem: error.message().to_owned() }])
        })?;
        let mut flaws = Vec::new();
        let mut rows = Vec::new();
        let mut lines: BTreeMap<AgencyCode, usize> = BTreeMap::new();
        let mut keys: Vec<(AgencyCode, Json)> = Vec::new();
        for written in &file.agency {
            let first = written.get_ref().values().map(|value| value.span().start).min();
            let line = line_of(text, first.unwrap_or(written.span().start));
            let mut reader = RowReader { text, line, written: written.get_ref(), flaws: Vec::new() };
            let row = reader.read();
            if let Some((row, _)) = &row
                && let Some(earlier) = lines.insert(row.code.clone(), line)
            {
                reader.flaw("code", &format!("listed twice, first at line {earlier}"));
            }
            if let Some((row, _)) = &row {
                reader.check_keys_are_its_own(row, &keys);
                let own = row.signing_keys.iter().chain(&row.encryption_keys);
                keys.extend(own.map(|jwk| (row.code.clone(), jwk.clone())));
            }
            flaws.append(&mut reader.flaws);
            rows.extend(row);
        }
        if file.agency.is_empty() {
            flaws.push(Flaw { line: 1, agency: None, problem: "no agency is listed".to_owned() });
        }
        flaws.sort_by_key(|flaw| flaw.line);
        if flaws.is_empty() { Ok(AgencyList { rows }) } else { Err(Flaws(flaws)) }
    }

    pub fn rows(&self) -> impl Iterator<Item = &AgencyRow> {
        self.rows.iter().map(|(row, _)| row)
    }

    /// The account that reads each agency's queue: the row's account, else the result of `otherwise`.
    pub fn accounts(&self, otherwise: impl Fn(&AgencyCode) -> String) -> BTreeMap<AgencyCode, String> {
        self.rows
            .iter()
            .map(|(row, account)| (row.code.clone(), account.clone().unwrap_or_else(|| otherwise(&row.code))))
            .collect()
    }

    /// The rows for a live hub, and the codes of agencies without keys. Those are suspended, because the hub can
    /// neither encrypt to them nor verify their reports.
    #[must_use]
    pub fn live(&self) -> (Vec<AgencyRow>, Vec<AgencyCode>) {
        let mut keyless = Vec::new();
        let rows = self
            .rows()
            .map(|row| {
                let mut row = row.clone();
                let has_keys = !row.signing_keys.is_empty() && !row.encryption_keys.is_empty();
                if row.state == AgencyState::Active && !row.offers.is_empty() && !has_keys {
                    row.state = AgencyState::Suspended;
                    keyless.push(row.code.clone());
                }
                row
            })
            .collect();
        (rows, keyless)
    }

    /// The rows for a hub on this machine, with the generated keys of each agency.
    ///
    /// # Errors
    /// A key cannot be written as a JWK.
    pub fn local(
        &self,
        keys: &BTreeMap<AgencyCode, AgencyKeys>,
    ) -> Result<Vec<AgencyRow>, protocol::jose::JoseError> {
        self.rows()
            .map(|row| {
                let mut row = row.clone();
                if let Some(own) = keys.get(&row.code) {
                    row.signing_keys = vec![own.signing.public().to_jwk()?];
                    row.encryption_keys = vec![own.encryption.public().to_jwk()?];
                }
                Ok(row)
            })
            .collect()
    }
}

/// The content of `agencies.json`, which is packed with each function.
///
/// # Errors
/// The list is empty, or two rows have the same code.
pub fn agencies_json(rows: Vec<AgencyRow>) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&Agencies::new(rows)?)?)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The fields of a row.
const FIELDS: [&str; 10] = [
    "code",
    "zh",
    "en",
    "state",
    "offers",
    "public",
    "capabilities",
    "account",
    "signing_keys",
    "encryption_keys",
];

/// Reads one row and collects its faults.
struct RowReader<'t> {
    text: &'t str,
    line: usize,
    written: &'t RawRow,
    flaws: Vec<Flaw>,
}

impl RowReader<'_> {
    fn read(&mut self) -> Option<(AgencyRow, Option<String>)> {
        for name in self.written.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
            self.flaw(name, &format!("unknown field `{name}`"));
        }
        let code = self.required("code").and_then(|text| {
            let code = text.parse::<AgencyCode>();
            let code = code
                .map_err(|_| self.flaw("code", "`code` is not two, four or six digits of a division"))
                .ok()?;
            self.check_division(code.jurisdiction());
            Some(code)
        });
        let zh = self.required("zh");
        let en = self.required("en");
        let state = self.required("state").and_then(|text| match text.as_str() {
            "active" => Some(AgencyState::Active),
            "suspended" => Some(AgencyState::Suspended),
            _ => {
                self.flaw("state", "`state` is neither \"active\" nor \"suspended\"");
                None
            }
        });
        let offers = self.offers();
        self.check_public(&offers);
        let capabilities = self.capabilities();
        let account = self.account();
        let signing_keys = self.keys("signing_keys", KeyUse::Signing);
        let encryption_keys = self.keys("encryption_keys", KeyUse::Encryption);
        if !self.flaws.is_empty() {
            return None;
        }
        let row = AgencyRow {
            code: code?,
            zh: zh?,
            en: en?,
            state: state?,
            offers,
            capabilities,
            signing_keys,
            encryption_keys,
        };
        Some((row, account))
    }

    /// An agency that answers for no division of today would never receive a case.
    fn check_division(&mut self, jurisdiction: &Jurisdiction) {
        if jurisdiction.current_divisions().next().is_some() {
            return;
        }
        let was = match jurisdiction.abolished() {
            Some(AbolishedDivision { was, successor: Some(successor), .. }) => {
                format!(": {was} was abolished, its successor is {successor}")
            }
            Some(AbolishedDivision { was, .. }) => format!(": {was} was abolished"),
            None => String::new(),
        };
        self.flaw("code", &format!("no division of today begins with `code`{was}"));
    }

    /// Two agencies with one key, or with one `kid`, could act for each other.
    fn check_keys_are_its_own(&mut self, row: &AgencyRow, earlier: &[(AgencyCode, Json)]) {
        let lists = [("signing_keys", &row.signing_keys), ("encryption_keys", &row.encryption_keys)];
        for (field, jwk) in
            lists.into_iter().flat_map(|(field, keys)| keys.iter().map(move |jwk| (field, jwk)))
        {
            let is_taken = |other: &Json| other.get("kid") == jwk.get("kid") || is_same_key(other, jwk);
            let owner = earlier.iter().find(|(code, other)| *code != row.code && is_taken(other));
            if let Some((owner, _)) = owner {
                let kid = jwk.get("kid").and_then(Json::as_str).unwrap_or_default();
                self.flaw(
                    field,
                    &format!("the key {kid} of `{field}`, or its \"kid\", is a key of agency {owner}"),
                );
            }
        }
    }

    fn flaw(&mut self, field: &str, problem: &str) {
        let at = self.written.get(field).map(|value| line_of(self.text, value.span().start));
        let code = self.written.get("code").and_then(|value| value.get_ref().as_str());
        self.flaws.push(Flaw {
            line: at.unwrap_or(self.line),
            agency: code.map(str::to_owned),
            problem: problem.to_owned(),
        });
    }

    fn value(&self, field: &str) -> Option<Value> {
        self.written.get(field).map(|value| value.get_ref().clone())
    }

    fn required(&mut self, field: &str) -> Option<String> {
        match self.value(field) {
            Some(Value::String(text)) if !text.trim().is_empty() => {
                match FreeText::read(&text, domain::limits::TEXT) {
                    Ok(text) => Some(text.into_string()),
                    Err(error) => {
                        self.flaw(field, &format!("`{field}` is not acceptable: {error}"));
                        None
                    }
                }
            }
            Some(_) => {
                self.flaw(field, &format!("`{field}` is not a non-empty string"));
                None
            }
            None => {
                self.flaw(field, &format!("`{field}` is missing"));
                None
            }
        }
    }

    fn table(&mut self, field: &str) -> toml::Table {
        match self.value(field) {
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.flaw(field, &format!("`{field}` is not a table"));
                toml::Table::new()
            }
            None => toml::Table::new(),
        }
    }

    fn list(&mut self, field: &str) -> Vec<Value> {
        match self.value(field) {
            Some(Value::Array(list)) => list,
            Some(_) => {
                self.flaw(field, &format!("`{field}` is not a list"));
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    fn offers(&mut self) -> BTreeMap<Service, Date> {
        if !self.written.contains_key("offers") {
            self.flaw("offers", "`offers` is missing; an agency without services has `offers = {}`");
        }
        let mut offers = BTreeMap::new();
        for (name, since) in self.table("offers") {
            let service = Service::named(&name);
            if service.is_none() {
                self.flaw("offers", &format!("unknown service `{name}`"));
            }
            let since = match &since {
                Value::String(text) => text.parse::<Date>().ok(),
                Value::Datetime(day) => day.to_string().parse::<Date>().ok(),
                _ => None,
            };
            if since.is_none() {
                self.flaw("offers", &format!("the start of the offer `{name}` is not a date"));
            }
            offers.extend(service.zip(since));
        }
        offers
    }

    /// Checks `public`. Only readers of the file use its texts, but each must belong to an offer.
    fn check_public(&mut self, offers: &BTreeMap<Service, Date>) {
        for (name, source) in self.table("public") {
            if !Service::named(&name).is_some_and(|service| offers.contains_key(&service)) {
                self.flaw("public", &format!("`public` names `{name}`, which is not offered"));
            }
            if source.as_str().is_none_or(str::is_empty) {
                self.flaw("public", &format!("`public` has no source for `{name}`"));
            }
        }
    }

    fn capabilities(&mut self) -> Vec<String> {
        let mut capabilities = BTreeSet::new();
        for capability in self.list("capabilities") {
            let plain = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b':' | b'-' | b'_');
            match capability.as_str() {
                Some(text) if !text.is_empty() && text.bytes().all(plain) => {
                    capabilities.insert(text.to_owned());
                }
                Some(_) | None => {
                    self.flaw("capabilities", "a capability has lower-case letters, `:`, `-` and `_` only, for example `script:mongolian`")
                }
            }
        }
        capabilities.into_iter().collect()
    }

    fn account(&mut self) -> Option<String> {
        let account = self.value("account")?;
        match account.as_str() {
            Some(text) if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(text.to_owned())
            }
            Some(_) | None => {
                self.flaw("account", "`account` is not a string of 12 digits");
                None
            }
        }
    }

    fn keys(&mut self, field: &str, usage: KeyUse) -> Vec<Json> {
        let (name, wanted) = match usage {
            KeyUse::Signing => ("sig", "a public JWK (P-256, \"kid\", \"use\": \"sig\")"),
            KeyUse::Encryption => ("enc", "a public JWK (P-256, \"kid\", \"use\": \"enc\")"),
        };
        let mut keys = Vec::new();
        let mut names = BTreeSet::new();
        for (place, written) in self.list(field).into_iter().enumerate() {
            let Ok(jwk) = serde_json::to_value(&written) else { continue };
            let text = |member: &str| jwk.get(member).and_then(Json::as_str).map(str::to_owned);
            let number = place + 1;
            if jwk.get("d").is_some() {
                self.flaw(
                    field,
                    &format!(
                        "key {number} of `{field}` is PRIVATE: replace the key and list only the public part"
                    ),
                );
            } else if PublicKey::from_jwk(&jwk).is_err()
                || text("crv").as_deref() != Some("P-256")
                || text("use").as_deref() != Some(name)
                || text("kid").is_none()
            {
                self.flaw(field, &format!("key {number} of `{field}` is not {wanted}"));
            } else if jwk.to_string().len() > KEY_BYTES
                || text("kid").is_some_and(|kid| kid.len() > KID_BYTES)
            {
                self.flaw(
                    field,
                    &format!("key {number} of `{field}` has more than {KEY_BYTES} bytes, or a \"kid\" of more than {KID_BYTES}"),
                );
            } else if !names.insert(text("kid")) {
                self.flaw(field, &format!("two keys of `{field}` have the same \"kid\""));
            } else {
                keys.push(jwk);
            }
        }
        keys
    }
}

#[cfg(test)]
mod tests;
