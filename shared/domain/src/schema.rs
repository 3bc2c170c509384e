//! JSON Schemas of the values that travel as text. They say what is written; where `FromStr` also takes another
//! spelling (white space around a number, capital letters in an id), the schema does not, and where it checks more
//! than a pattern can say (a check character, a day that exists), the description names it.

use std::borrow::Cow;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::catalogue::{DocumentKind, Service, Title, When, current};
use crate::division::{DivisionCode, PROVINCES};
use crate::identity_number::IdentityNumber;
use crate::ids::{AgencyCode, ApplicationId, DocumentId, EventId, ReportId, SubscriptionId};
use crate::limits;
use crate::person::{Address, MobileNumber, PersonName};

/// An application's id within a longer pattern.
const APPLICATION: &str = "[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
/// Characters that no text of ours has: the controls (general category Cc).
const CONTROLS: &str = r"\u0000-\u001f\u007f-\u009f";
/// What is neither a control nor white space, so that a text of at least one says something.
const VISIBLE: &str = r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";

/// The two digits of every province, as alternatives of a pattern.
static PROVINCE: LazyLock<String> =
    LazyLock::new(|| PROVINCES.iter().map(|(code, _, _)| *code).collect::<Vec<_>>().join("|"));

/// For a type that travels as text: its name, and its schema.
macro_rules! texts {
    ($($type:ty: $name:literal => $schema:expr;)+) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!("domain::", $name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

texts! {
    ApplicationId: "ApplicationId" => json_schema!({
        "description": "An application: a UUID of version 8 in lower case.",
        "type": "string",
        "format": "uuid",
        "pattern": format!("^{APPLICATION}$"),
        "examples": ["0190f4c0-0000-8000-8000-000000000001"],
    });
    SubscriptionId: "SubscriptionId" => json_schema!({
        "description": "A callback subscription: a UUID in lower case.",
        "type": "string",
        "format": "uuid",
        "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        "examples": ["2b1f0d5e-8c1a-4f0e-9d2b-7a6c5e4f3d21"],
    });
    ReportId: "ReportId" => json_schema!({
        "description": "A report, named by the agency that sends it: a UUID of any version, new for each report; a \
            repeat carries the same one. Not the nil UUID. Written with hyphens; lower and upper case are the same id.",
        "type": "string",
        "format": "uuid",
        "pattern": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
        "not": { "const": "00000000-0000-0000-0000-000000000000" },
        "examples": ["6ba7b810-9dad-41d1-80b4-00c04fd430c8"],
    });
    DocumentId: "DocumentId" => json_schema!({
        "description": "A document within its application: d1 to d99.",
        "type": "string",
        "pattern": "^d[1-9][0-9]?$",
        "examples": ["d1"],
    });
    EventId: "EventId" => json_schema!({
        "description": "An application's id, a colon and a version of it from 1: the identity of a message, the same \
            however often it is sent. Keep the ids that were worked on.",
        "type": "string",
        "pattern": format!("^{APPLICATION}:[1-9][0-9]{{0,9}}$"),
        "examples": ["0190f4c0-0000-8000-8000-000000000001:4"],
    });
    AgencyCode: "AgencyCode" => json_schema!({
        "description": "An agency, named by the prefix of the division codes that it answers for: 2 digits for a \
            province, 4 for a city or league, 6 for a county or district.",
        "type": "string",
        "pattern": format!("^({})([0-9]{{2}}){{0,2}}$", *PROVINCE),
        "examples": ["11", "1501"],
    });
    DivisionCode: "DivisionCode" => json_schema!({
        "description": "A division code (GB/T 2260): six digits, the first two of a province. The lower digits are not \
            checked: divisions are merged and renamed every year.",
        "type": "string",
        "pattern": format!("^({})[0-9]{{4}}$", *PROVINCE),
        "examples": ["150102"],
    });
    IdentityNumber: "IdentityNumber" => json_schema!({
        "description": "A citizen identity number (GB 11643): 17 digits and a check character, a digit or a capital X. \
            The pattern does not say that the birth date exists and that the check character fits; it always is so.",
        "type": "string",
        "pattern": format!(
            "^({}|71|81|82|83)[0-9]{{4}}(1[89]|[2-9][0-9])[0-9]{{2}}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])[0-9]{{3}}[0-9X]$",
            *PROVINCE
        ),
        "examples": ["110101202311012177"],
    });
    MobileNumber: "MobileNumber" => json_schema!({
        "description": "A mobile number of the mainland: 11 digits, without a country code.",
        "type": "string",
        "pattern": "^1[3-9][0-9]{9}$",
        "examples": ["13800000000"],
    });
    PersonName: "PersonName" => json_schema!({
        "description": "A name as in the household register, in any script: 1 to 50 characters. It begins with a letter \
            and has letters, single spaces, middle dots (U+00B7), hyphens, apostrophes and full stops. The pattern \
            leaves out what ASCII and Latin-1 have beside those; of other scripts it takes every sign.",
        "type": "string",
        "minLength": 1,
        "maxLength": 50,
        "pattern": r"^[^\u0000-@\[-`{-\u00a9][^\u0000-\u001f!-&(-,/-@\[-`{-\u00a9]*$",
        "examples": ["张三", "阿依·古丽"],
    });
    Service: "Service" => named(
        "A service the hub handles.",
        current().services.iter().map(|row| (row.service.name(), &row.title)),
    );
    When: "When" => named(
        "Which of a service's cases an application is: chosen by the applicant's age or by a member of the form.",
        current().services.iter().flat_map(|row| &row.cases).map(|case| (case.when.name(), &case.title)),
    );
    DocumentKind: "DocumentKind" => named(
        "What a document is.",
        current().kinds.iter().map(|row| (row.kind.name(), &row.title)),
    );
    Address: "Address" => json_schema!({
        "description": "A postal address in one line: 1 to 200 characters, without control characters and marks that \
            change the writing direction.",
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "pattern": format!(r"^[^{CONTROLS}\u2028-\u202e\u2066-\u2069]+$"),
        "examples": ["呼和浩特市新城区示例街1号"],
    });
}

/// One of the catalogue's names, each with the first title it has.
fn named<'a>(description: &str, names: impl Iterator<Item = (&'static str, &'a Title)>) -> Schema {
    let mut seen = Vec::new();
    let mut choices = Vec::new();
    for (name, title) in names {
        if !seen.contains(&name) {
            seen.push(name);
            let title = format!("{} / {}.", title.en, title.zh);
            choices.push(serde_json::json!({ "const": name, "description": title, "type": "string" }));
        }
    }
    json_schema!({ "description": description, "oneOf": choices })
}

/// For a schema that is written where it is used: it has no name of its own.
macro_rules! inline {
    ($($(#[$doc:meta])+ $type:ident => $schema:expr;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $type;

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

inline! {
    /// A day of the calendar.
    Day => json_schema!({
        "type": "string",
        "format": "date",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        "examples": ["2026-03-02"],
    });
    /// A moment in UTC.
    Moment => json_schema!({
        "type": "string",
        "format": "date-time",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$",
        "examples": ["2026-03-02T01:30:00Z"],
    });
    /// Seconds since 1970, for `iat`.
    Seconds => json_schema!({ "type": "integer", "minimum": 0, "examples": [1_772_415_000] });
    /// A version of an application.
    Version => json_schema!({ "type": "integer", "minimum": 1, "maximum": u32::MAX, "examples": [4] });
    /// Bytes of a document.
    Size => json_schema!({
        "type": "integer",
        "minimum": 1,
        "maximum": limits::DOCUMENT_BYTES,
        "examples": [48_213],
    });
    /// A SHA-256 in base64.
    Sha256 => json_schema!({
        "type": "string",
        "pattern": "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$",
        "examples": ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="],
    });
    /// The media type of a document.
    Media => json_schema!({
        "type": "string",
        "enum": ["application/pdf", "image/jpeg", "image/png"],
        "title": "MediaType",
    });
    /// What an agency writes in its own words; it may not be left blank.
    Words => text(limits::TEXT, true);
    /// What an agency may add in its own words.
    Note => text(limits::TEXT, false);
    /// A number or name that an agency gives.
    Number => text(limits::NUMBER, true);
}

fn text(bound: usize, required: bool) -> Schema {
    let any = format!("[^{CONTROLS}]*");
    let pattern = if required { format!("^{any}{VISIBLE}{any}$") } else { format!("^{any}$") };
    let mut schema = json_schema!({ "type": "string", "maxLength": bound, "pattern": pattern });
    if required {
        schema.insert("minLength".to_owned(), Value::from(1));
    }
    schema
}

/// How many items a supplement list has.
pub fn bound_items(schema: &mut Schema) {
    schema.insert("minItems".to_owned(), Value::from(1));
    schema.insert("maxItems".to_owned(), Value::from(limits::SUPPLEMENT_ITEMS));
}

/// At least one.
pub fn not_empty(schema: &mut Schema) {
    schema.insert("minItems".to_owned(), Value::from(1));
}
