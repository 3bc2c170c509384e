//! JSON Schemas of values that are strings on the wire. A schema describes the written form. `FromStr` may also accept
//! other spellings (white space around a number, capital letters in an id), and may check more than a pattern can (a
//! check character, a day that exists); the description names such a check.

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

/// Pattern of an application's id within a longer pattern.
const APPLICATION: &str = "[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
/// Characters that no text may have: the controls (general category Cc).
const CONTROLS: &str = r"\u0000-\u001f\u007f-\u009f";
/// Characters that are neither controls nor white space. A required text has at least one.
const VISIBLE: &str = r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";

/// The two digits of every province, as alternatives of a pattern.
static PROVINCE: LazyLock<String> =
    LazyLock::new(|| PROVINCES.iter().map(|(code, _, _)| *code).collect::<Vec<_>>().join("|"));

/// Implements `JsonSchema` for types that are strings on the wire, from a name and a schema.
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
        "description": "Id of an application: a UUID of version 8 in lower case.",
        "type": "string",
        "format": "uuid",
        "pattern": format!("^{APPLICATION}$"),
        "examples": ["0190f4c0-0000-8000-8000-000000000001"],
    });
    SubscriptionId: "SubscriptionId" => json_schema!({
        "description": "Id of a callback subscription: a UUID in lower case.",
        "type": "string",
        "format": "uuid",
        "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        "examples": ["2b1f0d5e-8c1a-4f0e-9d2b-7a6c5e4f3d21"],
    });
    ReportId: "ReportId" => json_schema!({
        "description": "Id of a report, chosen by the agency: a UUID of any version, new for each report. A \
            repeat carries the same id. The nil UUID is refused. Written with hyphens; lower and upper case are the same id.",
        "type": "string",
        "format": "uuid",
        "pattern": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
        "not": { "const": "00000000-0000-0000-0000-000000000000" },
        "examples": ["6ba7b810-9dad-41d1-80b4-00c04fd430c8"],
    });
    DocumentId: "DocumentId" => json_schema!({
        "description": "Id of a document within its application: d1 to d99.",
        "type": "string",
        "pattern": "^d[1-9][0-9]?$",
        "examples": ["d1"],
    });
    EventId: "EventId" => json_schema!({
        "description": "Id of a message: an application's id, a colon and a version from 1. The hub may send a message \
            more than once with the same id. Store the ids of handled messages.",
        "type": "string",
        "pattern": format!("^{APPLICATION}:[1-9][0-9]{{0,9}}$"),
        "examples": ["0190f4c0-0000-8000-8000-000000000001:4"],
    });
    AgencyCode: "AgencyCode" => json_schema!({
        "description": "Code of an agency: the prefix of the division codes that it covers. 2 digits for a \
            province, 4 for a city or league, 6 for a county or district.",
        "type": "string",
        "pattern": format!("^({})([0-9]{{2}}){{0,2}}$", *PROVINCE),
        "examples": ["11", "1501"],
    });
    DivisionCode: "DivisionCode" => json_schema!({
        "description": "A division code (GB/T 2260): six digits, the first two of a province. A new application and a \
            coverage query need the code of a county or district of today; stored codes are kept when a division is abolished.",
        "type": "string",
        "pattern": format!("^({})[0-9]{{4}}$", *PROVINCE),
        "examples": ["150102"],
    });
    IdentityNumber: "IdentityNumber" => json_schema!({
        "description": "A citizen identity number (GB 11643), or the number of a residence permit of the same form (81, 82, 83, 9): \
            17 digits and a check character, a digit or a capital X. A permit's holder may be a guardian or a relative, never the applicant. \
            The pattern does not say that the birth date exists and that the check character fits; it always is so.",
        "type": "string",
        "pattern": format!(
            "^(({}|71|81|82|83)[0-9]{{4}}|9[0-9]{{5}})(1[89]|[2-9][0-9])[0-9]{{2}}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])[0-9]{{3}}[0-9X]$",
            *PROVINCE
        ),
        "examples": ["110101202311012177"],
    });
    MobileNumber: "MobileNumber" => json_schema!({
        "description": "A mobile number of mainland China: 11 digits. A request may also write `+86` or `86`, spaces and \
            hyphens; the hub leaves them out.",
        "type": "string",
        "pattern": "^1[3-9][0-9]{9}$",
        "examples": ["13800000000"],
    });
    PersonName: "PersonName" => json_schema!({
        "description": "A name as in the household register, in any script: 1 to 50 characters. It begins with a letter \
            and has letters, single spaces, middle dots (U+00B7), hyphens, apostrophes and full stops. A dot stands alone \
            between two parts. The hub changes the look-alikes of the dot and compatibility forms (fullwidth Latin) to the usual characters. The pattern \
            leaves out what ASCII and Latin-1 have beside those; of other scripts it takes every sign.",
        "type": "string",
        "minLength": 1,
        "maxLength": 50,
        "pattern": r"^[^\u0000-@\[-`{-\u00a9][^\u0000-\u001f!-&(-,/-@\[-`{-\u00a9]*$",
        "examples": ["张三", "阿依·古丽"],
    });
    Service: "Service" => named(
        "A service of the hub.",
        current().services.iter().map(|row| (row.service.name(), &row.title)),
    );
    When: "When" => named(
        "A case of a service. The applicant's age or a member of the form chooses the case.",
        current().services.iter().flat_map(|row| &row.cases).map(|case| (case.when.name(), &case.title)),
    );
    DocumentKind: "DocumentKind" => named(
        "Kind of document.",
        current().kinds.iter().map(|row| (row.kind.name(), &row.title)),
    );
    Address: "Address" => json_schema!({
        "description": "A postal address in one line: 1 to 200 characters with a letter or a digit, in normal form C, without \
            control characters, marks that change the writing direction, invisible and undefined characters.",
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "pattern": format!(r"^[^{CONTROLS}\u2028-\u202e\u2066-\u2069]+$"),
        "examples": ["呼和浩特市新城区示例街1号"],
    });
}

/// Schema of a closed list of catalogue names, each with its first title.
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

/// Defines marker types for schemas that are inlined where they are used.
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
    /// A time in UTC.
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
    /// Size of a document in bytes.
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
    /// Text in the agency's words; must not be blank.
    Words => text(limits::TEXT, true);
    /// Optional text in the agency's words.
    Note => text(limits::TEXT, false);
    /// A number or name that an agency writes.
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

/// Bounds the number of items of a supplement request.
pub fn bound_items(schema: &mut Schema) {
    schema.insert("minItems".to_owned(), Value::from(1));
    schema.insert("maxItems".to_owned(), Value::from(limits::SUPPLEMENT_ITEMS));
}

/// Bounds the kinds of document that an item accepts, each once.
pub fn accepted_kinds(schema: &mut Schema) {
    schema.insert("minItems".to_owned(), Value::from(1));
    schema.insert("maxItems".to_owned(), Value::from(limits::ACCEPTED_KINDS));
    schema.insert("uniqueItems".to_owned(), Value::from(true));
}
