//! Applications: to open one, to follow it, to move it on.

use utoipa::IntoParams;

use super::names::{
    AgencyCode, ApplicationId, ApplicationView, ApplicationsPage, Confirmation, CreatedApplications, Cursor,
    EventsPage, NewApplication, NewApplications, Nothing, Service, Stage,
};

/// Which application.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Application {
    /// The application.
    id: ApplicationId,
}

/// What makes a request safe to send again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct Idempotent {
    /// A random text of the caller's for this operation, the same with each repeat. It never expires; of a draft that ran out everything is removed after 180 days.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 128,
        pattern = r"^[!#-~]+$",
        example = "8e03978e-40d5-43e8-bc93-6894a57f9324"
    )]
    key: String,
}

/// What the caller has already.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct Held {
    /// `ETag`s of copies that the caller has, or `*`.
    #[param(
        rename = "If-None-Match",
        min_length = 1,
        max_length = 512,
        pattern = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*"){0,15})$"#,
        example = "\"4\""
    )]
    held: Option<String>,
}

/// From which version a step is taken.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct AtVersion {
    /// The `ETag` of the application as the caller saw it, or `*`. Where it has another version by now nothing is done
    /// (412). A repeat with the same `Idempotency-Key` is answered as the first was all the same.
    #[param(
        rename = "If-Match",
        min_length = 1,
        max_length = 512,
        pattern = r#"^(\*|(W/)?"[!#-~]*")$"#,
        example = "\"4\""
    )]
    at: Option<String>,
}

/// Open an application
///
/// Everything that is wrong with it is named at once. The answer has a link for each document that the body declares:
/// upload them, then submit, unless `submit` says `when_complete`. A repeat answers the same, with fresh links.
#[utoipa::path(post, path = "/v1/applications", operation_id = "createApplication", tag = "applications",
    params(Idempotent), request_body = NewApplication, security(("token" = ["applications:write"])),
    responses((status = 201, description = "It is opened, as a draft.", body = ApplicationView,
        headers(("Location" = String, description = "Its address."),
            ("ETag" = String, description = "Its version, for `If-Match` and `If-None-Match`.")),
        links(
            ("read" = (operation_id = "readApplication", parameters(("id" = "$response.body#/id")))),
            ("events" = (operation_id = "listEvents", parameters(("id" = "$response.body#/id")))),
            ("submit" = (operation_id = "submitApplication", parameters(("id" = "$response.body#/id")))),
            ("supplement" = (operation_id = "supplementApplication", parameters(("id" = "$response.body#/id")))),
            ("withdraw" = (operation_id = "withdrawApplication", parameters(("id" = "$response.body#/id")))),
            ("confirm" = (operation_id = "confirmResult", parameters(("id" = "$response.body#/id")))),
            ("upload" = (operation_id = "linkToUpload", parameters(
                ("id" = "$response.body#/id"), ("document" = "$response.body#/documents/0/id")))),
            ("document" = (operation_id = "linkToRead", parameters(
                ("id" = "$response.body#/id"), ("document" = "$response.body#/documents/0/id")))),
        ))),
    extensions(("x-problems" = json!(["key_reused", "not_covered"]))))]
pub(super) fn create_application() {}

/// Open many applications
///
/// For app backends that collect them while offline. Each has a key of its own, and becomes what the same body under the
/// same `Idempotency-Key` becomes alone: a batch that was answered in part, or not at all, is sent again as it is. One that
/// is refused does not keep the others from being opened.
#[utoipa::path(post, path = "/v1/applications/batch", operation_id = "createApplications", tag = "applications",
    request_body = NewApplications, security(("token" = ["applications:write"])),
    responses((status = 200, description = "What became of each, in the order of the request.", body = CreatedApplications)))]
pub(super) fn create_applications() {}

/// List the app's applications
///
/// Newest first. Follow `next` until there is none. Where filters are given up to 500 applications are looked at for a
/// page, so it may be short, or empty, and still have a next one.
#[utoipa::path(get, path = "/v1/applications", operation_id = "listApplications", tag = "applications",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page; 50 without it."),
        ("cursor" = Option<Cursor>, Query, description = "`next` of the page before."),
        ("stage" = Option<Stage>, Query, description = "Where they stand."),
        ("service" = Option<Service>, Query, description = "The service."),
        ("agency" = Option<AgencyCode>, Query, description = "The agency that acts, or acted last."),
        ("updated_since" = Option<String>, Query, min_length = 20, max_length = 40,
            pattern = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$", example = "2026-03-02T01:00:00Z", description = "Changed at or after this moment. In a query `+` is written `%2B`."),
        ("overdue" = Option<bool>, Query, description = "Whether the agency's limit has passed."),
    ), security(("token" = ["applications:read"])),
    responses((status = 200, description = "A page.", body = ApplicationsPage)))]
pub(super) fn list_applications() {}

/// Read an application
///
/// Where it stands, who acts on it, and what the app may do next.
#[utoipa::path(get, path = "/v1/applications/{id}", operation_id = "readApplication", tag = "applications",
    params(Application, Held), security(("token" = ["applications:read"])),
    responses(
        (status = 200, description = "The application.", body = ApplicationView,
            headers(("ETag" = String, description = "Its version, for `If-Match` and `If-None-Match`."))),
        (status = 304, description = "It is as the caller has it."),
    ))]
pub(super) fn read_application() {}

/// Read what happened to an application
///
/// In the order of versions, so that a callback that was lost loses nothing. With `wait` the answer comes as soon as
/// there is an event after `after`, or without one when the wait is over or none can come any more.
#[utoipa::path(get, path = "/v1/applications/{id}/events", operation_id = "listEvents", tag = "applications",
    params(
        Application,
        ("after" = Option<u32>, Query, minimum = 0, maximum = 4_294_967_295_u32,
            description = "The last version that is known; from the beginning without it."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page; 50 without it."),
        ("wait" = Option<u32>, Query, minimum = 0, maximum = 20,
            description = "Seconds to wait for an event where there is none yet; 0 without it."),
    ), security(("token" = ["applications:read"])),
    responses((status = 200, description = "A page.", body = EventsPage,
        links(("read" = (operation_id = "readApplication", parameters(("id" = "$request.path.id"))))))))]
pub(super) fn list_events() {}

/// Submit an application
///
/// Possible once every document is in. The answer is the application as this step left it, however often it is sent.
#[utoipa::path(post, path = "/v1/applications/{id}/submit", operation_id = "submitApplication", tag = "applications",
    params(Application, Idempotent, AtVersion), request_body = Option<Nothing>, security(("token" = ["applications:write"])),
    responses((status = 200, description = "It is submitted.", body = ApplicationView,
        headers(("ETag" = String, description = "Its version after this.")))),
    extensions(("x-problems" = json!(["documents_missing", "illegal_step", "bound_reached", "key_reused"]))))]
pub(super) fn submit_application() {}

/// Answer a supplement
///
/// Possible once every document that the agency asked for is in.
#[utoipa::path(post, path = "/v1/applications/{id}/supplement", operation_id = "supplementApplication", tag = "applications",
    params(Application, Idempotent, AtVersion), request_body = Option<Nothing>, security(("token" = ["applications:write"])),
    responses((status = 200, description = "It is supplemented.", body = ApplicationView,
        headers(("ETag" = String, description = "Its version after this.")))),
    extensions(("x-problems" = json!(["documents_missing", "illegal_step", "bound_reached", "key_reused"]))))]
pub(super) fn supplement_application() {}

/// Withdraw an application
///
/// Possible until an agency has decided. The agency that holds the case is told.
#[utoipa::path(post, path = "/v1/applications/{id}/withdraw", operation_id = "withdrawApplication", tag = "applications",
    params(Application, Idempotent, AtVersion), request_body = Option<Nothing>, security(("token" = ["applications:write"])),
    responses((status = 200, description = "It is withdrawn.", body = ApplicationView,
        headers(("ETag" = String, description = "Its version after this.")),
        links(("read" = (operation_id = "readApplication", parameters(("id" = "$response.body#/id"))))))),
    extensions(("x-problems" = json!(["illegal_step", "bound_reached", "key_reused"]))))]
pub(super) fn withdraw_application() {}

/// Confirm what the acceptance place saw
///
/// That the result was handed over, or that the citizen has settled.
#[utoipa::path(post, path = "/v1/applications/{id}/confirm", operation_id = "confirmResult", tag = "applications",
    params(Application, Idempotent, AtVersion), request_body = Confirmation, security(("token" = ["applications:write"])),
    responses((status = 200, description = "It is recorded.", body = ApplicationView,
        headers(("ETag" = String, description = "Its version after this.")))),
    extensions(("x-problems" = json!(["illegal_step", "bound_reached", "key_reused"]))))]
pub(super) fn confirm_result() {}
