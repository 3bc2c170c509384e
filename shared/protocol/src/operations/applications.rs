//! Applications: to open one, to follow it, to move it on.

#[cfg(feature = "schema")]
use crate::contracts::app::names::{
    AgencyCode, ApplicationView, ApplicationsPage, Confirmation, CreatedApplications, Cursor, EventsPage,
    NewApplication, NewApplications, Nothing, Service, Stage,
};
#[cfg(feature = "schema")]
use crate::contracts::app::parameters::{Application, AtVersion, Held};
use crate::operations::operation::operations;

operations! {
    tag = "applications";

    /// Open an application
    ///
    /// Everything that is wrong with it is named at once. The answer has a link for each document that the body declares:
    /// upload them, then submit, unless `submit` says `when_complete`. A repeat answers the same, with fresh links.
    CREATE_APPLICATION = "createApplication" post "/v1/applications" Intake token(ApplicationsWrite) idempotent {
        request_body = NewApplication,
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
        extensions(("x-problems" = json!(["key_reused", "not_covered"]))),
    }

    /// Open many applications
    ///
    /// For app backends that collect them while offline. Each has a key of its own, and becomes what the same body under the
    /// same `Idempotency-Key` becomes alone: a batch that was answered in part, or not at all, is sent again as it is. One that
    /// is refused does not keep the others from being opened.
    CREATE_APPLICATIONS = "createApplications" post "/v1/applications/batch" Intake token(ApplicationsWrite) {
        request_body = NewApplications,
        responses((status = 200, description = "What became of each, in the order of the request.", body = CreatedApplications)),
    }

    /// List the app's applications
    ///
    /// Newest first. Follow `next` until there is none. Where filters are given up to 500 applications are looked at for a
    /// page, so it may be short, or empty, and still have a next one.
    LIST_APPLICATIONS = "listApplications" get "/v1/applications" Intake token(ApplicationsRead) {
        params(
            ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page; 50 without it."),
            ("cursor" = Option<Cursor>, Query, description = "`next` of the page before."),
            ("stage" = Option<Stage>, Query, description = "Where they stand."),
            ("service" = Option<Service>, Query, description = "The service."),
            ("agency" = Option<AgencyCode>, Query, description = "The agency that acts, or acted last."),
            ("updated_since" = Option<String>, Query, min_length = 20, max_length = 40,
                pattern = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$", example = "2026-03-02T01:00:00Z", description = "Changed at or after this moment. In a query `+` is written `%2B`."),
            ("overdue" = Option<bool>, Query, description = "Whether the agency's limit has passed."),
        ),
        responses((status = 200, description = "A page.", body = ApplicationsPage)),
    }

    /// Read an application
    ///
    /// Where it stands, who acts on it, and what the app may do next.
    READ_APPLICATION = "readApplication" get "/v1/applications/{id}" Intake token(ApplicationsRead) {
        params(Application, Held),
        responses(
            (status = 200, description = "The application.", body = ApplicationView,
                headers(("ETag" = String, description = "Its version, for `If-Match` and `If-None-Match`."))),
            (status = 304, description = "It is as the caller has it."),
        ),
    }

    /// Read what happened to an application
    ///
    /// In the order of versions, so that a callback that was lost loses nothing. With `wait` the answer comes as soon as
    /// there is an event after `after`, or without one when the wait is over or none can come any more.
    LIST_EVENTS = "listEvents" get "/v1/applications/{id}/events" Intake token(ApplicationsRead) {
        params(
            Application,
            ("after" = Option<u32>, Query, minimum = 0, maximum = 4_294_967_295_u32,
                description = "The last version that is known; from the beginning without it."),
            ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page; 50 without it."),
            ("wait" = Option<u32>, Query, minimum = 0, maximum = 20,
                description = "Seconds to wait for an event where there is none yet; 0 without it."),
        ),
        responses((status = 200, description = "A page.", body = EventsPage,
            links(("read" = (operation_id = "readApplication", parameters(("id" = "$request.path.id"))))))),
    }

    /// Submit an application
    ///
    /// Possible once every document is in. The answer is the application as this step left it, however often it is sent.
    SUBMIT_APPLICATION = "submitApplication" post "/v1/applications/{id}/submit" Intake token(ApplicationsWrite) idempotent {
        params(Application, AtVersion), request_body = Option<Nothing>,
        responses((status = 200, description = "It is submitted.", body = ApplicationView,
            headers(("ETag" = String, description = "Its version after this.")))),
        extensions(("x-problems" = json!(["documents_missing", "illegal_step", "bound_reached", "key_reused"]))),
    }

    /// Answer a supplement
    ///
    /// Possible once every document that the agency asked for is in.
    SUPPLEMENT_APPLICATION = "supplementApplication" post "/v1/applications/{id}/supplement" Intake token(ApplicationsWrite) idempotent {
        params(Application, AtVersion), request_body = Option<Nothing>,
        responses((status = 200, description = "It is supplemented.", body = ApplicationView,
            headers(("ETag" = String, description = "Its version after this.")))),
        extensions(("x-problems" = json!(["documents_missing", "illegal_step", "bound_reached", "key_reused"]))),
    }

    /// Withdraw an application
    ///
    /// Possible until an agency has decided. The agency that holds the case is told.
    WITHDRAW_APPLICATION = "withdrawApplication" post "/v1/applications/{id}/withdraw" Intake token(ApplicationsWrite) idempotent {
        params(Application, AtVersion), request_body = Option<Nothing>,
        responses((status = 200, description = "It is withdrawn.", body = ApplicationView,
            headers(("ETag" = String, description = "Its version after this.")),
            links(("read" = (operation_id = "readApplication", parameters(("id" = "$response.body#/id"))))))),
        extensions(("x-problems" = json!(["illegal_step", "bound_reached", "key_reused"]))),
    }

    /// Confirm what the acceptance place saw
    ///
    /// That the result was handed over, or that the citizen has settled.
    CONFIRM_RESULT = "confirmResult" post "/v1/applications/{id}/confirm" Intake token(ApplicationsWrite) idempotent {
        params(Application, AtVersion), request_body = Confirmation,
        responses((status = 200, description = "It is recorded.", body = ApplicationView,
            headers(("ETag" = String, description = "Its version after this.")))),
        extensions(("x-problems" = json!(["illegal_step", "bound_reached", "key_reused"]))),
    }
}
