//! Ids. No id is personal data. Each id has one spelling, so that equal ids are equal as text.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use uuid::{Uuid, Variant};

use crate::division::{Jurisdiction, JurisdictionError};
use crate::text::plain_text;

/// Characters of a tenant id.
const TENANT_CHARACTERS: usize = 64;
/// Highest number of a document.
const LAST_DOCUMENT: u8 = 99;

/// Why a text is not an id. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum IdError {
    /// The text is not a UUID of version 8.
    #[error("an application id must be a UUID of version 8")]
    Application,
    /// The text is not `d1` to `d99`.
    #[error("a document id must be d1 to d99")]
    Document,
    /// The text is not an application id, a colon and a version from 1.
    #[error("an event id must be an application id, a colon and a version")]
    Event,
    /// The text is not a jurisdiction.
    #[error("an agency code must be a jurisdiction: the first 2, 4 or 6 digits of a division code")]
    Agency(#[source] JurisdictionError),
    /// The text is not 1 to 64 of `a-z 0-9 . _ -` with a letter or digit first.
    #[error(
        "a tenant id must have 1 to 64 of a-z, 0-9, dot, underscore and hyphen, and begin with a letter or digit"
    )]
    Tenant,
    /// The text is not a UUID.
    #[error("a report id must be a UUID")]
    Report,
    /// The text is not a UUID.
    #[error("a subscription id must be a UUID")]
    Subscription,
}

impl IdError {
    /// Stable code of the problem.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            IdError::Application => "application_id",
            IdError::Document => "document_id",
            IdError::Event => "event_id",
            IdError::Agency(_) => "agency_code",
            IdError::Tenant => "tenant_id",
            IdError::Report => "report_id",
            IdError::Subscription => "subscription_id",
        }
    }
}

/// Parses only the hyphenated form of a UUID (RFC 9562, section 4), in upper or lower case. The nil UUID is refused.
fn parse_uuid(text: &str) -> Option<Uuid> {
    // The `uuid` crate also parses braces, a URN and bare digits; only the hyphenated form has 36 characters.
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten().filter(|uuid| !uuid.is_nil())
}

/// Id of an application: a UUID of version 8 that intake derives from tenant and idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationId(Uuid);

impl ApplicationId {
    /// Builds a UUID of version 8 from the first 16 bytes of a keyed hash. The UUID keeps 122 bits.
    #[must_use]
    pub fn from_bytes16(bytes: [u8; 16]) -> Self {
        ApplicationId(Uuid::new_v8(bytes))
    }

    /// The id as a UUID.
    #[must_use]
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl FromStr for ApplicationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_uuid(text)
            .filter(|uuid| uuid.get_version_num() == 8 && uuid.get_variant() == Variant::RFC4122)
            .map(ApplicationId)
            .ok_or(IdError::Application)
    }
}

impl fmt::Display for ApplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Defines ids that are UUIDs of any version, chosen by the creator of the object.
macro_rules! uuid_ids {
    ($($(#[$doc:meta])+ $type:ident: $error:ident),+ $(,)?) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Uuid);

        impl $type {
            /// Wraps a UUID; `None` for the nil UUID, which does not parse.
            #[must_use]
            pub fn from_uuid(uuid: Uuid) -> Option<Self> {
                (!uuid.is_nil()).then_some($type(uuid))
            }

            /// The id as a UUID.
            #[must_use]
            pub fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_uuid(text).map($type).ok_or(IdError::$error)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

uuid_ids! {
    /// Id of a report, chosen by the agency. A repeat carries the same id.
    ReportId: Report,
    /// Id of a tenant's callback subscription.
    SubscriptionId: Subscription,
}

/// Id of a document within its application: `d1` to `d99`, ordered by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(u8);

impl DocumentId {
    /// The id with a number from 1 to 99; `None` for any other number.
    #[must_use]
    pub fn numbered(number: usize) -> Option<Self> {
        let number = u8::try_from(number).ok()?;
        (1..=LAST_DOCUMENT).contains(&number).then_some(DocumentId(number))
    }

    /// The number, 1 to 99.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

impl FromStr for DocumentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix('d')
            .and_then(canonical_number)
            .and_then(|number| usize::try_from(number).ok())
            .and_then(DocumentId::numbered)
            .ok_or(IdError::Document)
    }
}

/// Parses a number from 1 in the hub's spelling: digits only, without leading zeros.
fn canonical_number(text: &str) -> Option<u32> {
    let written = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    written.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}", self.0)
    }
}

/// Id of an event: its application and version, written `<application>:<version>`. The queue message and the callback
/// of the event have the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    application: ApplicationId,
    version: u32,
}

impl EventId {
    /// The id of the event with this version, from 1; `None` for version 0.
    #[must_use]
    pub fn new(application: ApplicationId, version: u32) -> Option<Self> {
        (version > 0).then_some(EventId { application, version })
    }

    /// The application.
    #[must_use]
    pub fn application(self) -> ApplicationId {
        self.application
    }

    /// The version, from 1.
    #[must_use]
    pub fn version(self) -> u32 {
        self.version
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (application, version) = text.split_once(':').ok_or(IdError::Event)?;
        let application = application.parse().map_err(|_| IdError::Event)?;
        let version = canonical_number(version).ok_or(IdError::Event)?;
        EventId::new(application, version).ok_or(IdError::Event)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.application, self.version)
    }
}

/// Code of an agency: its jurisdiction, 2, 4 or 6 digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgencyCode(Jurisdiction);

impl AgencyCode {
    /// The jurisdiction of the agency.
    #[must_use]
    pub fn jurisdiction(&self) -> &Jurisdiction {
        &self.0
    }
}

impl From<Jurisdiction> for AgencyCode {
    fn from(jurisdiction: Jurisdiction) -> Self {
        AgencyCode(jurisdiction)
    }
}

impl FromStr for AgencyCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(AgencyCode).map_err(IdError::Agency)
    }
}

impl fmt::Display for AgencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Id of an app backend, as its access tokens name it: 1 to 64 of `a-z 0-9 . _ -`, the first a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(String);

impl TenantId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let well_formed = text.len() <= TENANT_CHARACTERS
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'));
        well_formed.then(|| TenantId(text.to_owned())).ok_or(IdError::Tenant)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

plain_text!(
    ApplicationId: IdError,
    ReportId: IdError,
    SubscriptionId: IdError,
    DocumentId: IdError,
    EventId: IdError,
    AgencyCode: IdError,
    TenantId: IdError,
);

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use proptest::prelude::*;
    use serde::{Serialize, de::DeserializeOwned};

    use super::*;

    const APPLICATION: &str = "0190f4c0-0000-8000-8000-000000000001";

    fn refused<T: FromStr<Err = IdError> + Debug>(texts: &[&str]) {
        for text in texts {
            let parsed = text.parse::<T>();
            assert!(parsed.is_err(), "{text:?} became {parsed:?}");
        }
    }

    #[test]
    fn application_ids_are_uuids_of_version_8() {
        let id: ApplicationId = APPLICATION.parse().expect("an application id");
        assert_eq!(id.to_string(), APPLICATION);
        assert_eq!(APPLICATION.to_uppercase().parse(), Ok(id));
        assert_eq!(format!("{id:?}"), format!("ApplicationId({APPLICATION})"));
        refused::<ApplicationId>(&[
            "",
            "0190f4c0000080008000000000000001",
            "{0190f4c0-0000-8000-8000-000000000001}",
            "urn:uuid:0190f4c0-0000-8000-8000-000000000001",
            "0190f4c0-0000-4000-8000-000000000001",
            "0190f4c0-0000-8000-0000-000000000001",
            "00000000-0000-0000-0000-000000000000",
            "0190f4c0-0000-8000-8000-00000000000g",
            " 190f4c0-0000-8000-8000-000000000001",
        ]);
    }

    #[test]
    fn the_nil_uuid_is_refused() {
        assert_eq!(ReportId::from_uuid(Uuid::nil()), None);
        assert_eq!(SubscriptionId::from_uuid(Uuid::nil()), None);
        refused::<ReportId>(&["00000000-0000-0000-0000-000000000000", "", "1"]);
        let id: ReportId = "6ba7b810-9dad-41d1-80b4-00c04fd430c8".parse().expect("a report id");
        assert_eq!(ReportId::from_uuid(id.as_uuid()), Some(id));
    }

    #[test]
    fn document_ids_are_numbered() {
        assert_eq!("d99".parse::<DocumentId>().map(DocumentId::number), Ok(99));
        assert!(DocumentId::numbered(2) < DocumentId::numbered(10));
        assert_eq!(DocumentId::numbered(0), None);
        assert_eq!(DocumentId::numbered(100), None);
        refused::<DocumentId>(&["", "d", "d0", "d01", "d100", "D1", "1", "d+1", "d1 ", "d-1", "d１"]);
    }

    #[test]
    fn event_ids_are_application_and_version() {
        let id: EventId = format!("{APPLICATION}:12").parse().expect("an event id");
        assert_eq!((id.application().to_string().as_str(), id.version()), (APPLICATION, 12));
        assert_eq!(EventId::new(id.application(), 0), None);
        for tail in ["", ":", ":0", ":01", ":+1", ":1:2", ":4294967296"] {
            refused::<EventId>(&[&format!("{APPLICATION}{tail}")]);
        }
    }

    #[test]
    fn agencies_are_named_by_jurisdiction() {
        let code: AgencyCode = "1501".parse().expect("an agency code");
        assert!(code.jurisdiction().covers(&"150102".parse().expect("a code")));
        assert_eq!(AgencyCode::from(code.jurisdiction().clone()), code);
        assert_eq!("150".parse::<AgencyCode>(), Err(IdError::Agency(JurisdictionError::Length)));
        assert_eq!(IdError::Agency(JurisdictionError::Length).code(), "agency_code");
    }

    #[test]
    fn tenant_ids_have_a_small_alphabet() {
        for text in ["a", "mobile-app.nmg_1", &"a".repeat(64)] {
            assert_eq!(text.parse::<TenantId>().map(|id| id.to_string()), Ok(text.to_owned()));
        }
        refused::<TenantId>(&["", "-a", ".a", "A", "a b", "a/b", "a#b", "租户", &"a".repeat(65)]);
    }

    /// Text and JSON parse to the same id, and the JSON is the text.
    fn travels<T>(id: &T) -> Result<(), TestCaseError>
    where
        T: FromStr<Err = IdError> + Display + Debug + PartialEq + Serialize + DeserializeOwned,
    {
        prop_assert_eq!(&id.to_string().parse::<T>().expect("the text parses"), id);
        let json = serde_json::to_string(id).expect("JSON");
        prop_assert_eq!(&json, &format!("\"{id}\""));
        prop_assert_eq!(&serde_json::from_str::<T>(&json).expect("the JSON parses"), id);
        Ok(())
    }

    proptest! {
        #[test]
        fn ids_travel_as_text(bytes in any::<[u8; 16]>(), version in 1..=u32::MAX, number in 1..=99_usize) {
            let application = ApplicationId::from_bytes16(bytes);
            travels(&application)?;
            travels(&EventId::new(application, version).expect("from 1"))?;
            travels(&DocumentId::numbered(number).expect("1 to 99"))?;
            travels(&SubscriptionId::from_uuid(application.as_uuid()).expect("not nil"))?;
        }

        #[test]
        fn parsed_text_keeps_its_spelling(text in "d?[0-9]{0,3}|[a-z0-9._-]{0,70}|\\PC{0,70}") {
            if let Ok(id) = text.parse::<DocumentId>() { prop_assert_eq!(id.to_string(), text.clone()); }
            if let Ok(id) = text.parse::<TenantId>() { prop_assert_eq!(id.to_string(), text.clone()); }
            if let Ok(id) = text.parse::<AgencyCode>() { prop_assert_eq!(id.to_string(), text.clone()); }
            if let Ok(id) = text.parse::<EventId>() { prop_assert_eq!(id.to_string(), text); }
        }
    }
}
