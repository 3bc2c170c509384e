//! The schemas that operations name. A name stands for a Rust type of the same name, whose schema is made by
//! `schemars`; only what has no type is written by hand.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::super::schemas::tidy;

/// A name for `utoipa`, which writes a reference to it and looks no further.
macro_rules! names {
    ($($name:ident),+ $(,)?) => {$(
        /// The schema of this name.
        pub(super) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<utoipa::openapi::Schema> {
                RefOr::Ref(Ref::from_schema_name(stringify!($name)))
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}

names!(
    AgencyCode,
    ApplicationId,
    ApplicationView,
    ApplicationsPage,
    CertificateKind,
    Confirmation,
    Coverage,
    Cursor,
    Description,
    DivisionCode,
    DocumentId,
    EventsPage,
    Health,
    Link,
    NewApplication,
    NewDocument,
    NewSubscription,
    Nothing,
    ProblemPage,
    Service,
    ServiceRow,
    Stage,
    Services,
    SubscriptionId,
    SubscriptionView,
    Subscriptions,
    TransferReason,
);

/// A schema that has no type of its own.
macro_rules! written {
    ($($type:ident: $name:literal => $schema:expr;)+) => {$(
        struct $type;

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let make: fn(&mut SchemaGenerator) -> Schema = $schema;
                make(generator)
            }
        }
    )+};
}

written! {
    HealthBody: "Health" => |_| json_schema!({
        "description": "The hub takes requests.",
        "type": "object",
        "required": ["status"],
        "properties": { "status": { "type": "string", "const": "ok" } },
    });
    ServicesBody: "Services" => |generator| {
        let row = generator.subschema_for::<domain::catalogue::ServiceRow>();
        json_schema!({
            "description": "Every service.",
            "type": "object",
            "required": ["services"],
            "properties": { "services": { "type": "array", "minItems": 1, "items": row } },
        })
    };
    SubscriptionsBody: "Subscriptions" => |generator| {
        let view = generator.subschema_for::<crate::app::SubscriptionView>();
        json_schema!({
            "description": "The app's subscriptions, oldest first, without their secrets.",
            "type": "object",
            "required": ["subscriptions"],
            "properties": { "subscriptions": { "type": "array", "items": view } },
        })
    };
    CursorText: "Cursor" => |_| json_schema!({
        "description": "A place in a list, as a page of it names it. Nothing else may be relied on.",
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "pattern": "^[A-Za-z0-9_-]+$",
    });
    DescriptionBody: "Description" => |_| json_schema!({
        "description": "An OpenAPI document: this one.",
        "type": "object",
        "required": ["openapi", "info", "paths", "components"],
        "properties": {
            "openapi": { "type": "string", "pattern": "^3\\.1\\." },
            "info": { "type": "object" },
            "paths": { "type": "object" },
            "components": { "type": "object" },
        },
    });
    ProblemPageBody: "ProblemPage" => |_| {
        let text = json!({
            "type": "object",
            "required": ["title", "who", "advice"],
            "properties": {
                "title": { "type": "string" },
                "who": { "type": "string", "description": "Who can mend it." },
                "advice": { "type": "string", "description": "What to do." },
            },
        });
        json_schema!({
            "description": "What a kind of problem means, in both languages.",
            "type": "object",
            "required": ["type", "status", "zh", "en"],
            "properties": {
                "type": { "type": "string", "pattern": "^/problems/[a-z_]+$" },
                "status": { "type": "integer", "minimum": 400, "maximum": 599 },
                "zh": text, "en": text,
            },
        })
    };
}

/// Every schema of what the hub writes, and of what stands in a path or a query.
///
/// # Errors
/// The name of two different types.
pub(super) fn schemas() -> Result<Map<String, Value>, String> {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    for add in [
        SchemaGenerator::subschema_for::<crate::app::ApplicationView>,
        SchemaGenerator::subschema_for::<crate::app::ApplicationsPage>,
        SchemaGenerator::subschema_for::<crate::app::EventsPage>,
        SchemaGenerator::subschema_for::<crate::app::SubscriptionView>,
        SchemaGenerator::subschema_for::<crate::coverage::Coverage>,
        SchemaGenerator::subschema_for::<crate::problem::Problem>,
        SchemaGenerator::subschema_for::<crate::report::Link>,
        SchemaGenerator::subschema_for::<domain::division::DivisionCode>,
        SchemaGenerator::subschema_for::<domain::identity_number::IdentityNumber>,
        SchemaGenerator::subschema_for::<domain::person::Address>,
        SchemaGenerator::subschema_for::<domain::person::MobileNumber>,
        SchemaGenerator::subschema_for::<domain::person::PersonName>,
        SchemaGenerator::subschema_for::<CursorText>,
        SchemaGenerator::subschema_for::<DescriptionBody>,
        SchemaGenerator::subschema_for::<HealthBody>,
        SchemaGenerator::subschema_for::<ProblemPageBody>,
        SchemaGenerator::subschema_for::<ServicesBody>,
        SchemaGenerator::subschema_for::<SubscriptionsBody>,
    ] {
        add(&mut generator);
    }
    let mut all = generator.take_definitions(true);
    if let Some(twice) = all.keys().find(|name| name.ends_with(|sign: char| sign.is_ascii_digit())) {
        // What the generator calls a second type of one name.
        return Err(twice.clone());
    }
    all.values_mut().for_each(tidy);
    Ok(all)
}
