//! Who decides what: the agencies, what they offer, and which of them an application goes to.
//!
//! The rows come from `infra/agencies.toml` and lie beside every function as `agencies.json`.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::catalogue::{Role, Service, ServiceRow, Title, When, service_row};
use crate::division::{DivisionCode, longest_match};
use crate::event::{Leg, Places};
use crate::ids::AgencyCode;

/// Whether an agency takes cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgencyState {
    /// Takes cases.
    Active,
    /// Takes none for now: it is not offered, and what is under way waits.
    Suspended,
}

/// One agency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgencyRow {
    /// Its code: the division prefix it answers for.
    pub code: AgencyCode,
    /// Name in Chinese.
    pub zh: String,
    /// Name in English.
    pub en: String,
    /// Whether it takes cases.
    pub state: AgencyState,
    /// Services it decides for applicants elsewhere, each since a day.
    #[serde(default)]
    pub offers: BTreeMap<Service, Date>,
    /// What it can do beyond the ordinary, for example `script:mongolian`.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Public JWKs that verify its reports; several while it rotates.
    #[serde(default)]
    pub signing_keys: Vec<serde_json::Value>,
    /// Public JWKs (P-256) that its messages are encrypted to; the first one is used.
    #[serde(default)]
    pub encryption_keys: Vec<serde_json::Value>,
}

impl AgencyRow {
    /// Whether it takes new cases of a service on a day.
    #[must_use]
    pub fn offers(&self, service: Service, today: Date) -> bool {
        self.state == AgencyState::Active && self.offers.get(&service).is_some_and(|since| *since <= today)
    }

    /// Its name in both languages.
    #[must_use]
    pub fn title(&self) -> Title {
        Title { zh: self.zh.clone(), en: self.en.clone() }
    }
}

/// All agencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agencies {
    agencies: Vec<AgencyRow>,
}

/// Why the rows cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AgenciesError {
    /// Two rows share a code.
    #[error("agency {0} is listed twice")]
    Twice(AgencyCode),
    /// No row.
    #[error("no agency is listed")]
    Empty,
}

/// Why nobody takes an application. `at` is the place that is not covered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotCovered {
    /// No agency there offers the service; `offered_by` are those elsewhere that do.
    #[error("no agency offers the service there")]
    NotOffered {
        /// The role that nobody fills.
        role: Place,
        /// Who offers it.
        offered_by: Vec<AgencyCode>,
    },
    /// The agency lacks what the application needs.
    #[error("the agency lacks a capability")]
    Incapable {
        /// Which agency.
        agency: AgencyCode,
        /// What it lacks.
        lacks: Vec<String>,
    },
    /// The acceptance place or the move-in place belongs to the agency of the place of registration: the citizen applies
    /// there directly.
    #[error("the agency of the place of registration decides itself")]
    SamePlace {
        /// The place to report: `move_in` when the citizen moves within the agency's area.
        role: Place,
        /// Which agency.
        agency: AgencyCode,
    },
}

/// A place of an application, by its field name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// `registered_at`.
    RegisteredAt,
    /// `move_in`.
    MoveIn,
}

impl Agencies {
    /// Takes validated rows.
    ///
    /// # Errors
    /// No rows, or two with one code.
    pub fn new(mut agencies: Vec<AgencyRow>) -> Result<Agencies, AgenciesError> {
        agencies.sort_by(|a, b| a.code.cmp(&b.code));
        if let Some(pair) = agencies.windows(2).find(|pair| pair[0].code == pair[1].code) {
            return Err(AgenciesError::Twice(pair[0].code.clone()));
        }
        if agencies.is_empty() {
            return Err(AgenciesError::Empty);
        }
        Ok(Agencies { agencies })
    }

    /// Rows that replace these one by one: the codes stay.
    pub(crate) fn with_rows(&self, rows: impl Iterator<Item = AgencyRow>) -> Agencies {
        Agencies { agencies: rows.collect() }
    }

    /// All rows by code.
    #[must_use]
    pub fn agencies(&self) -> &[AgencyRow] {
        &self.agencies
    }

    /// One row.
    #[must_use]
    pub fn agency(&self, code: &AgencyCode) -> Option<&AgencyRow> {
        self.agencies.iter().find(|row| &row.code == code)
    }

    /// The agency that takes a service's cases for a place: the longest prefix that offers it.
    #[must_use]
    pub fn covering(&self, service: Service, place: &DivisionCode, today: Date) -> Option<&AgencyRow> {
        longest_match(
            place,
            self.agencies
                .iter()
                .filter(|row| row.offers(service, today))
                .map(|row| (row.code.jurisdiction(), row)),
        )
    }

    /// Everyone who offers a service.
    pub fn offering(&self, service: Service, today: Date) -> impl Iterator<Item = &AgencyRow> {
        self.agencies.iter().filter(move |row| row.offers(service, today))
    }

    /// The legs of an application, each with its agency; or every reason why there are none.
    ///
    /// # Errors
    /// One entry for each place that is not covered or agency that is not able.
    pub fn legs(
        &self,
        service: Service,
        when: When,
        places: &Places,
        capabilities: &[String],
        today: Date,
    ) -> Result<Vec<Leg>, Vec<NotCovered>> {
        let row: &ServiceRow = service_row(service);
        let Some(case) = row.case(when) else {
            return Ok(Vec::new());
        };
        let mut legs = Vec::new();
        let mut problems: Vec<NotCovered> = Vec::new();
        let mut note = |problem: NotCovered| {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        };
        for leg in row.legs_of(case) {
            let (role, place) = match leg.role {
                Role::Registration | Role::MoveOut => (Place::RegisteredAt, &places.registered_at),
                Role::MoveIn => (Place::MoveIn, places.move_in.as_ref().unwrap_or(&places.accepted_at)),
            };
            let Some(agency) = self.covering(service, place, today) else {
                let offered_by = self.offering(service, today).map(|row| row.code.clone()).collect();
                note(NotCovered::NotOffered { role, offered_by });
                continue;
            };
            // A move-in agency may well be the acceptance place's own; the one that decides may not.
            let own = role == Place::RegisteredAt && agency.code.jurisdiction().covers(&places.accepted_at);
            if own {
                note(NotCovered::SamePlace { role, agency: agency.code.clone() });
            }
            // A move within one agency's area is no matter between agencies. Where the citizen also applies there, the
            // place of registration says so already.
            let moves_within = role == Place::MoveIn
                && !agency.code.jurisdiction().covers(&places.accepted_at)
                && self.covering(service, &places.registered_at, today) == Some(agency);
            if moves_within {
                note(NotCovered::SamePlace { role, agency: agency.code.clone() });
            }
            let lacks: Vec<String> =
                capabilities.iter().filter(|needed| !agency.capabilities.contains(needed)).cloned().collect();
            if !lacks.is_empty() {
                note(NotCovered::Incapable { agency: agency.code.clone(), lacks });
            }
            legs.push(Leg { purpose: leg.purpose, agency: agency.code.clone() });
        }
        if problems.is_empty() { Ok(legs) } else { Err(problems) }
    }
}
