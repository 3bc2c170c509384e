//! Operations that open, read and change applications.

#[cfg(feature = "schema")]
use crate::contracts::app::names::{
    AgencyCode, ApplicationChange, ApplicationView, ApplicationsPage, Confirmation, CreatedApplications,
    Cursor, EventsPage, NewApplication, NewApplications, Nothing, Service, Stage,
};
#[cfg(feature = "schema")]
use crate::contracts::app::parameters::{Application, AtVersion, IfNoneMatchParameter};
use crate::operations::operation::operations;

operations! {
    tag = "applications";

    /// Open an application
    ///
    /// An invalid application is refused with all its faults at once. The response has an upload link for each document
    /// that the body declares. Upload the documents, then submit the application; with `submit` set to `when_complete`
    /// the hub submits it. A repeat returns the same application with fresh links.
    CREATE_APPLICATION = "createApplication" post "/v1/applications" Intake token(ApplicationsWrite) idempotent {
        request_body = NewApplication,
        responses((status = 201, description = "The application was created as a draft.", body = ApplicationView,
            headers(("Location" = String, description = "Path of the application."),
                ("ETag" = String, description = "Version of the application, for `If-Match` and `If-None-Match`.")),
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
    /// For app backends that collect applications while offline. Each application has its own key and is processed like
    /// a single request with this `Idempotency-Key`. After a partial response or none, send the same batch again. A
    /// refused application does not affect the others.
    CREATE_APPLICATIONS = "createApplications" post "/v1/applications/batch" Intake token(ApplicationsWrite) {
        request_body = NewApplications,
        responses((status = 200, description = "The result for each application, in the order of the request.", body = CreatedApplications)),
    }

    /// List the app's applications
    ///
    /// Newest first. A page may be short or empty and still have a `next`: only a page without `next` is the last one.
    /// Most filters, alone or together, cost no more than what they return. With `updated_since`, with a stage of cases
    /// that an agency works on, and with a stage together with an agency, the hub examines up to 100 applications for
    /// each page.
    LIST_APPLICATIONS = "listApplications" get "/v1/applications" Intake token(ApplicationsRead) {
        params(
            ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page, 50 by default."),
            ("cursor" = Option<Cursor>, Query, description = "`next` of the previous page."),
            ("stage" = Option<Stage>, Query, description = "Stage of the applications."),
            ("service" = Option<Service>, Query, description = "Service of the applications."),
            ("agency" = Option<AgencyCode>, Query, description = "Agency that acts on the application, or that acted last."),
            ("updated_since" = Option<String>, Query, min_length = 20, max_length = 40,
                pattern = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$", example = "2026-03-02T01:00:00Z", description = "Time of the last change, at or after this one. In a query `+` is written `%2B`."),
            ("overdue" = Option<bool>, Query, description = "Whether the agency's time limit has passed."),
        ),
        responses((status = 200, description = "A page of applications.", body = ApplicationsPage)),
    }

    /// Read an application
    ///
    /// Returns the stage, the agency that acts, the documents, and the steps that the app may take next.
    READ_APPLICATION = "readApplication" get "/v1/applications/{id}" Intake token(ApplicationsRead) {
        params(Application, IfNoneMatchParameter),
        responses(
            (status = 200, description = "The application.", body = ApplicationView,
                headers(("ETag" = String, description = "Version of the application, for `If-Match` and `If-None-Match`."))),
            (status = 304, description = "The application has not changed since the version in `If-None-Match`."),
        ),
    }

    /// Correct a draft
    ///
    /// Possible until the application is submitted. The body is a merge patch (RFC 7396) of the application's members:
    /// a member that it has replaces the draft's, `null` removes an optional member, and all others stay. The corrected
    /// draft is checked like a new application. A stored document stays when the draft still needs it; the files of
    /// others are removed. `documents` declares the files anew, and the response has an upload link for each that is
    /// not stored yet. A draft has up to 16 corrections.
    CORRECT_APPLICATION = "correctApplication" patch "/v1/applications/{id}" Intake token(ApplicationsWrite) idempotent {
        params(Application, AtVersion), request_body = ApplicationChange,
        responses((status = 200, description = "The draft was corrected.", body = ApplicationView,
            headers(("ETag" = String, description = "Version of the application after this step.")))),
        extensions(("x-problems" = json!(["not_covered", "illegal_step", "bound_reached", "key_reused"]))),
    }

    /// List the events of an application
    ///
    /// In version order. An app that lost a callback finds its event here. With `wait` the response is sent once an
    /// event after `after` exists; it is empty when the wait ends, or when the application is closed and has no further
    /// events.
    LIST_EVENTS = "listEvents" get "/v1/applications/{id}/events" Intake token(ApplicationsRead) {
        params(
            Application,
            ("after" = Option<u32>, Query, minimum = 0, maximum = 4_294_967_295_u32,
                description = "Last version that the app has read; 0, the beginning, by default."),
            ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries on the page, 50 by default."),
            ("wait" = Option<u32>, Query, minimum = 0, maximum = 20,
                description = "Seconds to wait for an event when no event follows `after` yet, 0 by default."),
        ),
        responses((status = 200, description = "A page of events.", body = EventsPage,
            links(("read" = (operation_id = "readApplication", parameters(("id" = "$request.path.id"))))))),
    }

    /// Submit an application
    ///
    /// Possible once every document is stored. A repeat returns the application as the first request left it. An
    /// application that was submitted automatically with its last document is returned as it is now.
    SUBMIT_APPLICATION = "submitApplication" post "/v1/applications/{id}/submit" Intake token(ApplicationsWrite) idempotent {
        params(Application, AtVersion), request_body = Option<Nothing>,
        responses((status = 200, description = "The application was submitted.", body = ApplicationView,
            headers(("ETag" = String, description = "Version of the application after this step.")))),
        extensions(("x-problems" = json!(["documents_missing", "illegal_step", "bound_reached", "key_reused"]))),
    }

    /// Answer a supplement
    ///
    /// Possible once every document that the agency requested is stored.
    SUPPLEMENT_APPLICATION = "supplementApplication" post "/v1/applications/{id}/supplement" Intake token(ApplicationsWrite) idempotent {
        params(Application, AtVersion), request_body = Option<Nothing>,
        responses((status = 200, description = "The supplement was sent to the agency.", body = ApplicationView,
            headers(("ETag" = String, description = "Version of the application after this step.")))),
        extensions(("x-problems" = json!(["documents_missing", "illegal_step", "bound_reached", "key_reused"]))),
    }

    /// Withdraw an application
    ///
    /// Possible until an agency has decided. The hub notifies the agency that holds the case, and removes the documents
    /// within minutes.
    WITHDRAW_APPLICATION = "withdrawApplication" post "/v1/applications/{id}/withdraw" Intake token(ApplicationsWrite) idempotent {
        params(Application, AtVersion), request_body = Option<Nothing>,
        responses((status = 200, description = "The application was withdrawn.", body = ApplicationView,
            headers(("ETag" = String, description = "Version of the application after this step.")),
            links(("read" = (operation_id = "readApplication", parameters(("id" = "$response.body#/id"))))))),
        extensions(("x-problems" = json!(["illegal_step", "bound_reached", "key_reused"]))),
    }

    /// Confirm a result at the acceptance place
    ///
    /// Records that the result was handed over to the citizen, or that the citizen has settled at the move-in place.
    CONFIRM_RESULT = "confirmResult" post "/v1/applications/{id}/confirm" Intake token(ApplicationsWrite) idempotent {
        params(Application, AtVersion), request_body = Confirmation,
        responses((status = 200, description = "The confirmation was recorded.", body = ApplicationView,
            headers(("ETag" = String, description = "Version of the application after this step.")))),
        extensions(("x-problems" = json!(["illegal_step", "bound_reached", "key_reused"]))),
    }
}
