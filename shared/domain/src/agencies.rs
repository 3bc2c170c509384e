//! The agencies, the services that they offer, and the agencies of an application's legs.
//!
//! The rows come from `infra/agencies.toml`; every function is packaged with them as `agencies.json`.

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
    /// The agency takes cases.
    Active,
    /// The agency takes no cases for now: coverage omits it, and its open cases wait.
    Suspended,
}

/// One agency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgencyRow {
    /// Code: the prefix of the division codes that the agency covers.
    pub code: AgencyCode,
    /// Name in Chinese.
    pub zh: String,
    /// Name in English.
    pub en: String,
    /// Whether the agency takes cases.
    pub state: AgencyState,
    /// Services that the agency offers to applicants elsewhere, each with its first day.
    #[serde(default)]
    pub offers: BTreeMap<Service, Date>,
    /// Special capabilities, for example `script:mongolian`.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Public JWKs that verify the agency's reports; several during a rotation.
    #[serde(default)]
    pub signing_keys: Vec<serde_json::Value>,
    /// Public JWKs (P-256) of the agency. The hub encrypts messages to the first one.
    #[serde(default)]
    pub encryption_keys: Vec<serde_json::Value>,
}

impl AgencyRow {
    /// Whether the agency takes new cases of a service on a day.
    #[must_use]
    pub fn offers(&self, service: Service, today: Date) -> bool {
        self.state == AgencyState::Active && self.offers.get(&service).is_some_and(|since| *since <= today)
    }

    /// Name of the agency in both languages.
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

/// Why the rows of agencies are refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AgenciesError {
    /// Two rows have the same code.
    #[error("two rows have the agency code {0}")]
    Twice(AgencyCode),
    /// The list has no row.
    #[error("no agency is listed")]
    Empty,
}

/// Why no agency takes an application. `at` is the place that is not covered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotCovered {
    /// No agency of the place offers the service. `offered_by` lists the agencies elsewhere that offer it.
    #[error("no agency of the place offers the service")]
    NotOffered {
        /// Place that no agency covers.
        role: Place,
        /// Agencies that offer the service.
        offered_by: Vec<AgencyCode>,
    },
    /// The agency lacks a capability that the application needs.
    #[error("the agency lacks a capability that the application needs")]
    Incapable {
        /// Code of the agency.
        agency: AgencyCode,
        /// Missing capabilities.
        lacks: Vec<String>,
    },
    /// The acceptance place or the move-in place belongs to the agency of the place of registration, so the citizen
    /// must apply there directly.
    #[error(
        "the agency of the place of registration is responsible for this place, too: the citizen must apply there directly"
    )]
    SamePlace {
        /// The place to report: `move_in` when the citizen moves within the agency's area.
        role: Place,
        /// Code of the agency.
        agency: AgencyCode,
    },
}

/// A place of an application, named by its field in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The field `registered_at`.
    RegisteredAt,
    /// The field `move_in`.
    MoveIn,
}

impl Agencies {
    /// Builds the list from validated rows.
    ///
    /// # Errors
    /// [`AgenciesError`] when the list is empty or two rows have the same code.
    pub fn new(mut agencies: Vec<AgencyRow>) -> Result<Agencies, AgenciesError> {
        agencies.sort_by(|a, b| a.code.cmp(&b.code));
        if let Some([row, _]) = agencies.array_windows().find(|[row, next]| row.code == next.code) {
            return Err(AgenciesError::Twice(row.code.clone()));
        }
        if agencies.is_empty() {
            return Err(AgenciesError::Empty);
        }
        Ok(Agencies { agencies })
    }

    /// Replaces each row with one of the same code.
    pub(crate) fn with_rows(&self, rows: impl Iterator<Item = AgencyRow>) -> Agencies {
        Agencies { agencies: rows.collect() }
    }

    /// All rows, ordered by code.
    #[must_use]
    pub fn agencies(&self) -> &[AgencyRow] {
        &self.agencies
    }

    /// The row of an agency.
    #[must_use]
    pub fn agency(&self, code: &AgencyCode) -> Option<&AgencyRow> {
        self.agencies.iter().find(|row| &row.code == code)
    }

    /// The agency that covers a service at a place: the longest code prefix whose agency offers the service.
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

    /// All agencies that offer a service.
    pub fn offering(&self, service: Service, today: Date) -> impl Iterator<Item = &AgencyRow> {
        self.agencies.iter().filter(move |row| row.offers(service, today))
    }

    /// The legs of an application, each with its agency; or every reason why no agency takes the application.
    ///
    /// # Errors
    /// One [`NotCovered`] for each uncovered place and each agency that lacks a capability.
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
            // The move-in agency may be that of the acceptance place; the deciding agency may not.
            let own = role == Place::RegisteredAt && agency.code.jurisdiction().covers(&places.accepted_at);
            if own {
                note(NotCovered::SamePlace { role, agency: agency.code.clone() });
            }
            // A move within one agency's area needs no other agency. When the acceptance place is in that area, too,
            // the fault of the place of registration already says so.
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const TODAY: Date = date(2026, 3, 2);

    fn service(name: &str) -> Service {
        Service::named(name).expect("a service")
    }

    fn row(code: &str, offers: &[(&str, Date)]) -> AgencyRow {
        AgencyRow {
            code: code.parse().expect("a code"),
            zh: format!("机构{code}"),
            en: format!("Agency {code}"),
            state: AgencyState::Active,
            offers: offers.iter().map(|(name, since)| (service(name), *since)).collect(),
            capabilities: Vec::new(),
            signing_keys: Vec::new(),
            encryption_keys: Vec::new(),
        }
    }

    /// Hohhot, Shandong and Beijing. Beijing offers first cards from tomorrow, and one of its districts certificates.
    fn agencies() -> Agencies {
        let (card, transfer) = (("first_identity_card", TODAY), ("household_transfer", TODAY));
        let tomorrow = ("first_identity_card", date(2026, 3, 3));
        Agencies::new(vec![
            row("37", &[card, transfer]),
            row("11", &[tomorrow, ("household_certificate", TODAY)]),
            row("110105", &[("household_certificate", TODAY)]),
            row("1501", &[card, transfer]),
        ])
        .expect("rows")
    }

    fn places(accepted_at: &str, registered_at: &str, move_in: Option<&str>) -> Places {
        Places {
            accepted_at: accepted_at.parse().expect("a code"),
            registered_at: registered_at.parse().expect("a code"),
            move_in: move_in.map(|code| code.parse().expect("a code")),
        }
    }

    fn codes<'a>(rows: impl IntoIterator<Item = &'a AgencyRow>) -> Vec<String> {
        rows.into_iter().map(|row| row.code.to_string()).collect()
    }

    fn legs(
        name: &str,
        when: &str,
        places: &Places,
        capabilities: &[&str],
    ) -> Result<Vec<String>, Vec<NotCovered>> {
        let capabilities: Vec<String> = capabilities.iter().map(|name| (*name).to_owned()).collect();
        let when = When::named(when).expect("a case");
        let legs = agencies().legs(service(name), when, places, &capabilities, TODAY)?;
        Ok(legs.iter().map(|leg| format!("{} {}", leg.purpose.name(), leg.agency)).collect())
    }

    fn not_offered(role: Place, offered_by: &[&str]) -> NotCovered {
        let offered_by = offered_by.iter().map(|code| code.parse().expect("a code")).collect();
        NotCovered::NotOffered { role, offered_by }
    }

    #[test]
    fn rows_are_sorted_and_each_code_occurs_once() {
        let all = agencies();
        assert_eq!(codes(all.agencies()), ["11", "110105", "1501", "37"]);
        let code: AgencyCode = "1501".parse().expect("a code");
        assert_eq!(
            all.agency(&code).map(AgencyRow::title),
            Some(Title { zh: "机构1501".into(), en: "Agency 1501".into() })
        );
        assert_eq!(all.agency(&"15".parse().expect("a code")), None);
        assert_eq!(
            Agencies::new(vec![row("37", &[]), row("37", &[])]),
            Err(AgenciesError::Twice("37".parse().expect("a code")))
        );
        assert_eq!(Agencies::new(Vec::new()), Err(AgenciesError::Empty));
    }

    #[test]
    fn an_offer_begins_with_its_first_day_and_rests_while_the_agency_is_suspended() {
        let card = service("first_identity_card");
        let mut beijing = agencies().agency(&"11".parse().expect("a code")).expect("Beijing").clone();
        let days = [date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)];
        assert_eq!(days.map(|day| beijing.offers(card, day)), [false, true, true]);
        assert!(!beijing.offers(service("household_transfer"), days[2]));
        beijing.state = AgencyState::Suspended;
        assert!(!beijing.offers(card, days[2]));
    }

    #[test]
    fn the_agency_with_the_longest_code_that_offers_the_service_covers_a_place() {
        let all = agencies();
        let covering = |name: &str, place: &str| {
            let found = all.covering(service(name), &place.parse().expect("a code"), TODAY);
            found.map(|row| row.code.to_string())
        };
        assert_eq!(covering("household_certificate", "110105").as_deref(), Some("110105"));
        assert_eq!(covering("household_certificate", "110101").as_deref(), Some("11"));
        assert_eq!(covering("first_identity_card", "150102").as_deref(), Some("1501"));
        assert_eq!(covering("first_identity_card", "150202"), None);
        assert_eq!(covering("first_identity_card", "110101"), None, "from tomorrow");
        assert_eq!(codes(all.offering(service("first_identity_card"), TODAY)), ["1501", "37"]);
    }

    #[test]
    fn each_leg_has_the_agency_of_its_place() {
        let transfer = "household_transfer";
        let all = ["approve 1501", "move_out 37", "settle 1501", "restore 37"].map(str::to_owned).to_vec();
        assert_eq!(legs(transfer, "job_transfer", &places("150102", "370102", None), &[]), Ok(all.clone()));
        assert_eq!(
            legs(transfer, "job_transfer", &places("110101", "370102", Some("150102")), &[]),
            Ok(all.clone())
        );
        assert_eq!(
            legs(transfer, "school_admission", &places("150102", "370102", None), &[]),
            Ok(all[1..].to_vec())
        );
        let card = legs("first_identity_card", "adult", &places("150102", "370102", None), &[]);
        assert_eq!(card, Ok(vec!["decide 37".to_owned()]));
        let other = legs("first_identity_card", "kinship", &places("150102", "370102", None), &[]);
        assert_eq!(other, Ok(Vec::new()), "a case of another service has no leg");
    }

    #[test]
    fn every_reason_is_named_once() {
        let (card, transfer) = ("first_identity_card", "household_transfer");
        let shandong: AgencyCode = "37".parse().expect("a code");
        let same = |role| NotCovered::SamePlace { role, agency: shandong.clone() };
        assert_eq!(
            legs(card, "adult", &places("150102", "110101", None), &[]),
            Err(vec![not_offered(Place::RegisteredAt, &["1501", "37"])])
        );
        assert_eq!(
            legs(transfer, "job_transfer", &places("150102", "110101", Some("440103")), &[]),
            Err(vec![
                not_offered(Place::MoveIn, &["1501", "37"]),
                not_offered(Place::RegisteredAt, &["1501", "37"])
            ])
        );
        assert_eq!(
            legs(card, "adult", &places("370102", "370103", None), &[]),
            Err(vec![same(Place::RegisteredAt)])
        );
        assert_eq!(
            legs(transfer, "job_transfer", &places("150102", "370102", Some("370103")), &[]),
            Err(vec![same(Place::MoveIn)]),
            "a move within the agency's area"
        );
        assert_eq!(
            legs(transfer, "job_transfer", &places("370104", "370102", Some("370103")), &[]),
            Err(vec![same(Place::RegisteredAt)]),
            "the citizen applies there directly"
        );
        let lacks = vec!["script:mongolian".to_owned()];
        assert_eq!(
            legs(card, "adult", &places("150102", "370102", None), &["script:mongolian"]),
            Err(vec![NotCovered::Incapable { agency: shandong.clone(), lacks }])
        );
    }

    #[test]
    fn a_capability_that_the_agency_declares_is_not_missing() {
        let mut shandong = row("37", &[("first_identity_card", TODAY)]);
        shandong.capabilities = vec!["script:mongolian".to_owned()];
        let all = Agencies::new(vec![shandong]).expect("rows");
        let when = When::named("adult").expect("a case");
        let wanted = ["script:mongolian".to_owned()];
        let places = places("150102", "370102", None);
        assert!(all.legs(service("first_identity_card"), when, &places, &wanted, TODAY).is_ok());
    }
}
