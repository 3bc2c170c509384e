//! The schemas that operations name. `schemars` derives the schema of a Rust type with the same name; schemas without a
//! Rust type are written by hand.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::super::schemas::tidy;

/// A schema name for `utoipa`, which writes only a reference to the schema.
macro_rules! names {
    ($($name:ident),+ $(,)?) => {$(
        /// The schema with this name.
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
    ApplicationChange,
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

/// A schema without a Rust type.
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
        "description": "The hub is reachable.",
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
            "description": "Every service, and every kind of document with its title.",
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
            "description": "The result for each application, in the order of the request.",
            "type": "object",
            "required": ["results"],
            "properties": { "results": { "type": "array", "minItems": 1, "maxItems": 100, "items": {
                "title": "BatchResult",
                "type": "object",
                "required": ["key", "status"],
                "properties": {
                    "key": { "type": "string", "description": "Idempotency key of the application." },
                    "status": {
                        "type": "integer", "minimum": 200, "maximum": 599,
                        "description": "Status that a single request would have received: 201 when the application was created. Send those with \
                            429 or 503 again, after `retry_after`.",
                    },
                    "application": view,
                    "problem": problem,
                    "retry_after": {
                        "type": "integer", "minimum": 1,
                        "description": "Seconds to wait before sending the application again; present when a retry may succeed.",
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
                        "webhook_id": { "type": "string", "description": "Value of the header `webhook-id`." },
                        "type": { "type": "string", "description": "`application.<event>`, or `webhook.test`." },
                        "application": application,
                        "version": version,
                        "attempt": { "type": "integer", "minimum": 1, "description": "Number of the attempt of this callback, counted from 1. A replay of an accepted callback counts as the second." },
                        "at": at,
                        "delivered": { "type": "boolean", "description": "Whether the endpoint answered 2xx." },
                        "status": { "type": "integer", "minimum": 100, "maximum": 599, "description": "HTTP status of the endpoint's response." },
                        "cause": {
                            "description": "Why the attempt has no status.",
                            "type": "string",
                            "enum": ["timeout", "dns", "refused_address", "tls", "connect", "reset", "protocol"],
                        },
                        "latency_ms": { "type": "integer", "minimum": 0 },
                    },
                } },
                "next": { "type": "string", "description": "Value of `cursor` for the next page; absent on the last page." },
            },
        })
    };
    NoticesBody: "Notices" => |generator| {
        let subscription = generator.subschema_for::<domain::ids::SubscriptionId>();
        let at = generator.subschema_for::<domain::schema::Moment>();
        json_schema!({
            "description": "Notices about subscriptions, oldest first.",
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
                        "reason": { "type": "string", "enum": ["gone", "exhausted"], "description": "Why the subscription was disabled." },
                    },
                } },
                "after": { "type": "string", "description": "Value of `after` for the next page, now or later." },
                "more": { "type": "boolean", "description": "Whether the next page may already have notices." },
            },
        })
    };
    ReplayedBody: "Replayed" => |_| json_schema!({
        "description": "The callbacks that the hub sends again, each with its original `webhook-id`.",
        "type": "object",
        "required": ["queued"],
        "properties": {
            "queued": { "type": "integer", "minimum": 0, "description": "Number of callbacks." },
            "next": { "type": "string", "description": "Value of `cursor` to continue; absent at the end." },
        },
    });
    TestedBody: "Tested" => |_| json_schema!({
        "description": "The test event that the hub sends.",
        "type": "object",
        "required": ["webhook_id"],
        "properties": { "webhook_id": { "type": "string", "description": "Value of its header `webhook-id`." } },
    });
    CursorText: "Cursor" => |_| json_schema!({
        "description": "A position in a list, as a page returned it. Treat it as opaque. It belongs to this list with these parameters; another list refuses it.",
        "type": "string",
        "minLength": 1,
        "maxLength": 512,
        "pattern": "^[A-Za-z0-9_-]+$",
    });
    DescriptionBody: "Description" => |_| json_schema!({
        "description": "This OpenAPI document.",
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
                "who": { "type": "string", "description": "Who can fix the problem." },
                "advice": { "type": "string", "description": "How to fix the problem." },
            },
        });
        json_schema!({
            "description": "A kind of problem in both languages: its meaning, and how to fix it.",
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

/// Every schema of responses, path parameters and query parameters.
///
/// # Errors
/// The name that two different types share.
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
        // `schemars` adds a number to the name of a second type with the same name.
        return Err(twice.clone());
    }
    all.values_mut().for_each(tidy);
    Ok(all)
}
