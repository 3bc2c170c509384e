//! Ids. None of them is personal; each has one spelling, so that two equal ids are equal as text.

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

/// Why a text is no id. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum IdError {
    /// No UUID of version 8.
    #[error("an application id is a UUID of version 8")]
    Application,
    /// Not `d1` to `d99`.
    #[error("a document id is d1 to d99")]
    Document,
    /// Not an application id, a colon and a version from 1.
    #[error("an event id is an application id, a colon and a version")]
    Event,
    /// No jurisdiction.
    #[error("an agency code is a jurisdiction")]
    Agency(#[source] JurisdictionError),
    /// Not 1 to 64 of `a-z 0-9 . _ -`, the first a letter or digit.
    #[error(
        "a tenant id has 1 to 64 of a-z, 0-9, dot, underscore and hyphen, and begins with a letter or digit"
    )]
    Tenant,
    /// No UUID.
    #[error("a report id is a UUID")]
    Report,
    /// No UUID.
    #[error("a subscription id is a UUID")]
    Subscription,
}

impl IdError {
    /// The stable name of the problem.
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

/// Reads the hyphenated form of a UUID alone (RFC 9562, section 4), in either case. The nil UUID is
/// nobody's id.
fn parse_uuid(text: &str) -> Option<Uuid> {
    // The crate takes braces, a URN and bare digits too; only the hyphenated form has 36 characters.
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten().filter(|uuid| !uuid.is_nil())
}

/// An application: a UUID of version 8 that intake derives from tenant and idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationId(Uuid);

impl ApplicationId {
    /// Shapes 16 bytes, the beginning of a keyed hash, as a UUID of version 8: 122 bits of them are
    /// kept.
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

/// Ids that are any UUID, made by whoever opens the thing.
macro_rules! uuid_ids {
    ($($(#[$doc:meta])+ $type:ident: $error:ident),+ $(,)?) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Uuid);

        impl $type {
            /// Takes a UUID that was made elsewhere. Not the nil one: it would not parse again.
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
    /// A report, named by the agency that sends it: a repeat carries the same id.
    ReportId: Report,
    /// A callback subscription of a tenant.
    SubscriptionId: Subscription,
}

/// A document within its application: `d1` to `d99`, ordered by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(u8);

impl DocumentId {
    /// The id with a number, 1 to 99; `None` for any other.
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

/// A number from 1 as it is written by us: digits only, no zero in front.
fn canonical_number(text: &str) -> Option<u32> {
    let written = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    written.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}", self.0)
    }
}

/// An event: its application and the version it made, written `<application>:<version>`. It is the id of
/// the queue message and of the callback too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    application: ApplicationId,
    version: u32,
}

impl EventId {
    /// The event that made `version` (from 1) of an application; `None` for version 0, which no event
    /// makes.
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

/// An agency, named by the jurisdiction it answers for: 2, 4 or 6 digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgencyCode(Jurisdiction);

impl AgencyCode {
    /// What it answers for.
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

/// An app backend, as its access tokens name it: 1 to 64 of `a-z 0-9 . _ -`, the first a letter or digit.
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
    fn the_nil_uuid_names_nothing() {
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
    fn tenant_ids_are_plain() {
        for text in ["a", "mobile-app.nmg_1", &"a".repeat(64)] {
            assert_eq!(text.parse::<TenantId>().map(|id| id.to_string()), Ok(text.to_owned()));
        }
        refused::<TenantId>(&["", "-a", ".a", "A", "a b", "a/b", "a#b", "租户", &"a".repeat(65)]);
    }

    /// Text and JSON give the same id back, and JSON is the text.
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
        fn any_text_is_parsed_as_it_is_or_refused(text in "d?[0-9]{0,3}|[a-z0-9._-]{0,70}|\\PC{0,70}") {
            if let Ok(id) = text.parse::<DocumentId>() { prop_assert_eq!(id.to_string(), text.clone()); }
            if let Ok(id) = text.parse::<TenantId>() { prop_assert_eq!(id.to_string(), text.clone()); }
            if let Ok(id) = text.parse::<AgencyCode>() { prop_assert_eq!(id.to_string(), text.clone()); }
            if let Ok(id) = text.parse::<EventId>() { prop_assert_eq!(id.to_string(), text); }
        }
    }
}
