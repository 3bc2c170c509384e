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
        pub(crate) enum $name {}

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
    Confirmation,
    Coverage,
    CreatedApplications,
    Cursor,
    Deliveries,
    Description,
    DivisionCode,
    DocumentId,
    EventsPage,
    Health,
    Link,
    NewApplication,
    NewApplications,
    NewDocument,
    NewSubscription,
    Nothing,
    Notices,
    ProblemPage,
    ProblemTable,
    Replay,
    Replayed,
    Rotation,
    Service,
    ServiceRow,
    Stage,
    Services,
    SubscriptionChange,
    SubscriptionId,
    SubscriptionView,
    Subscriptions,
    Tested,
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
    GatewayRefusalBody: "GatewayRefusal" => |_| json_schema!({
        "description": "What the gateway before the hub answers, which is no problem.",
        "type": "object",
        "properties": { "message": { "type": "string" } },
    });
    ServicesBody: "Services" => |generator| {
        let row = generator.subschema_for::<domain::catalogue::ServiceRow>();
        let kind = generator.subschema_for::<domain::catalogue::TitledKind>();
        json_schema!({
            "description": "Every service, and every kind of document in words.",
            "type": "object",
            "required": ["services", "kinds"],
            "properties": {
                "services": { "type": "array", "minItems": 1, "items": row },
                "kinds": { "type": "array", "minItems": 1, "items": kind },
            },
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
    CreatedBody: "CreatedApplications" => |generator| {
        let view = generator.subschema_for::<crate::app::ApplicationView>();
        let problem = generator.subschema_for::<crate::problem::Problem>();
        json_schema!({
            "description": "What became of each application, in the order of the request.",
            "type": "object",
            "required": ["results"],
            "properties": { "results": { "type": "array", "minItems": 1, "maxItems": 100, "items": {
                "title": "BatchResult",
                "type": "object",
                "required": ["key", "status"],
                "properties": {
                    "key": { "type": "string", "description": "Its key." },
                    "status": {
                        "type": "integer", "minimum": 200, "maximum": 599,
                        "description": "What it would have been answered with alone: 201 where it is opened. Send those with \
                            429 or 503 again, after `retry_after`.",
                    },
                    "application": view,
                    "problem": problem,
                    "retry_after": {
                        "type": "integer", "minimum": 1,
                        "description": "Seconds to wait before it is sent again, where that may help.",
                    },
                },
            } } },
        })
    };
    DeliveriesBody: "Deliveries" => |generator| {
        let application = generator.subschema_for::<domain::ids::ApplicationId>();
        let at = generator.subschema_for::<domain::schema::Moment>();
        let version = generator.subschema_for::<domain::schema::Version>();
        json_schema!({
            "description": "Attempts, the newest first; with `failed` the last one of each callback that has not arrived. The \
                newest successes may be missing for a minute; no failure and no test is.",
            "type": "object",
            "required": ["deliveries"],
            "properties": {
                "deliveries": { "type": "array", "items": {
                    "title": "Delivery",
                    "type": "object",
                    "required": ["webhook_id", "type", "application", "version", "attempt", "at", "delivered", "latency_ms"],
                    "properties": {
                        "webhook_id": { "type": "string", "description": "The header `webhook-id`." },
                        "type": { "type": "string", "description": "`application.<event>`, or `webhook.test`." },
                        "application": application,
                        "version": version,
                        "attempt": { "type": "integer", "minimum": 1, "description": "Counted since it last took a callback." },
                        "at": at,
                        "delivered": { "type": "boolean", "description": "Whether it was answered with 2xx." },
                        "status": { "type": "integer", "minimum": 100, "maximum": 599, "description": "What was answered." },
                        "cause": {
                            "description": "Why there was no status.",
                            "type": "string",
                            "enum": ["timeout", "dns", "refused_address", "tls", "connect", "reset", "protocol"],
                        },
                        "latency_ms": { "type": "integer", "minimum": 0 },
                    },
                } },
                "next": { "type": "string", "description": "Pass as `cursor` to read on; none at the end." },
            },
        })
    };
    NoticesBody: "Notices" => |generator| {
        let subscription = generator.subschema_for::<domain::ids::SubscriptionId>();
        let at = generator.subschema_for::<domain::schema::Moment>();
        json_schema!({
            "description": "What happened to subscriptions, the oldest first.",
            "type": "object",
            "required": ["notices", "more"],
            "properties": {
                "notices": { "type": "array", "items": {
                    "title": "SubscriptionNotice",
                    "type": "object",
                    "required": ["type", "subscription", "at"],
                    "properties": {
                        "type": { "type": "string", "enum": [
                            "subscription.disabled", "subscription.enabled", "subscription.paused",
                            "subscription.secret_rotated",
                        ] },
                        "subscription": subscription,
                        "at": at,
                        "reason": { "type": "string", "enum": ["gone", "exhausted"], "description": "Why it was disabled." },
                    },
                } },
                "after": { "type": "string", "description": "Pass as `after` to read on, now or later." },
                "more": { "type": "boolean", "description": "Whether there may be more already." },
            },
        })
    };
    ReplayedBody: "Replayed" => |_| json_schema!({
        "description": "What is on its way again, under the same `webhook-id` as before.",
        "type": "object",
        "required": ["queued"],
        "properties": {
            "queued": { "type": "integer", "minimum": 0, "description": "How many callbacks." },
            "next": { "type": "string", "description": "Pass as `cursor` to go on; none at the end." },
        },
    });
    TestedBody: "Tested" => |_| json_schema!({
        "description": "The test event that is on its way.",
        "type": "object",
        "required": ["webhook_id"],
        "properties": { "webhook_id": { "type": "string", "description": "Its header `webhook-id`." } },
    });
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
    ProblemTableBody: "ProblemTable" => |generator| {
        let page = generator.subschema_for::<ProblemPageBody>();
        json_schema!({
            "description": "All codes of problems and of wrong fields.",
            "type": "object",
            "required": ["problems", "fields"],
            "properties": {
                "problems": { "type": "array", "minItems": 1, "items": page },
                "fields": { "type": "array", "minItems": 1, "items": {
                    "title": "FieldCode",
                    "description": "A code of a wrong field, with what the field must be.",
                    "type": "object",
                    "required": ["code", "zh", "en"],
                    "properties": {
                        "code": { "type": "string", "pattern": "^[a-z][a-z0-9_]*$" },
                        "zh": { "type": "string" },
                        "en": { "type": "string" },
                    },
                } },
            },
        })
    };
    ProblemPageBody: "ProblemPage" => |_| {
        let text = json!({
            "title": "ProblemText",
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
pub(crate) fn schemas() -> Result<Map<String, Value>, String> {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    for add in [
        SchemaGenerator::subschema_for::<crate::app::ApplicationView>,
        SchemaGenerator::subschema_for::<crate::app::ApplicationsPage>,
        SchemaGenerator::subschema_for::<crate::app::EventsPage>,
        SchemaGenerator::subschema_for::<crate::app::SubscriptionView>,
        SchemaGenerator::subschema_for::<crate::callback::Payload>,
        SchemaGenerator::subschema_for::<crate::coverage::Coverage>,
        SchemaGenerator::subschema_for::<crate::problem::Problem>,
        SchemaGenerator::subschema_for::<crate::report::Link>,
        SchemaGenerator::subschema_for::<domain::division::DivisionCode>,
        SchemaGenerator::subschema_for::<domain::identity_number::IdentityNumber>,
        SchemaGenerator::subschema_for::<domain::person::Address>,
        SchemaGenerator::subschema_for::<domain::person::MobileNumber>,
        SchemaGenerator::subschema_for::<domain::person::PersonName>,
        SchemaGenerator::subschema_for::<CreatedBody>,
        SchemaGenerator::subschema_for::<CursorText>,
        SchemaGenerator::subschema_for::<DeliveriesBody>,
        SchemaGenerator::subschema_for::<NoticesBody>,
        SchemaGenerator::subschema_for::<ReplayedBody>,
        SchemaGenerator::subschema_for::<TestedBody>,
        SchemaGenerator::subschema_for::<DescriptionBody>,
        SchemaGenerator::subschema_for::<GatewayRefusalBody>,
        SchemaGenerator::subschema_for::<HealthBody>,
        SchemaGenerator::subschema_for::<ProblemPageBody>,
        SchemaGenerator::subschema_for::<ProblemTableBody>,
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
