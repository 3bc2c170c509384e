//! Operations that read the catalogue of services, coverage, problem pages, the health, the OpenAPI document and the
//! reference pages that show it.

#[cfg(feature = "schema")]
use crate::contracts::app::names::{
    Coverage, Description, DivisionCode, Health, ProblemPage, ProblemTable, Service, ServiceRow, Services,
};
#[cfg(feature = "schema")]
use crate::contracts::app::parameters::IfNoneMatchParameter;
use crate::operations::operation::operations;

operations! {
    tag = "catalogue";

    /// Check that the hub is reachable
    ///
    /// Does not check the services behind the hub, such as its database and queues.
    READ_HEALTH = "readHealth" get "/v1/health" Intake open {
        responses((status = 200, description = "The hub is reachable.", body = Health)),
    }

    /// Read this OpenAPI document
    ///
    /// Clients may cache the document for five minutes, then revalidate it with `If-None-Match`.
    READ_DESCRIPTION = "readDescription" get "/v1/openapi.json" Intake open {
        params(IfNoneMatchParameter),
        responses(
            (status = 200, description = "The OpenAPI document.", body = Description,
                headers(("ETag" = String, description = "Version of the document."))),
            (status = 304, description = "The cached document is current."),
        ),
    }

    /// Read the reference as a page
    ///
    /// A page for people that shows this document. It loads its files from the hub and nothing from another host. A hub
    /// that was built without the renderer answers 404.
    READ_REFERENCE = "readReference" get "/docs" Intake open {
        params(IfNoneMatchParameter),
        extensions(("x-problems" = json!(["not_found"]))),
        responses(
            (status = 200, description = "The page.", content((String = "text/html")),
                headers(("ETag" = String, description = "Version of the page."))),
            (status = 304, description = "The cached page is current."),
        ),
    }

    /// Read a file of the reference
    ///
    /// `agencies` is the page of the interface for agencies. The other files are those that a page names: each name
    /// contains a hash of the content, so that clients may cache the file for good.
    READ_REFERENCE_FILE = "readReferenceFile" get "/docs/{file}" Intake open {
        params(
            ("file" = String, Path, min_length = 1, max_length = 64, pattern = "^[a-z0-9][a-z0-9.-]*$",
                description = "Name of the file.", example = "agencies"),
            IfNoneMatchParameter,
        ),
        responses(
            (status = 200, description = "The file.",
                content((String = "text/html"), (String = "text/css"), (String = "text/javascript"), (String = "text/plain")),
                headers(("ETag" = String, description = "Version of the file."))),
            (status = 304, description = "The cached file is current."),
        ),
    }

    /// List all codes of problems and of wrong fields
    ///
    /// Every end of a problem's `type`, and every `code` that its `errors` may name, in both languages with the remedy.
    /// New codes may appear. A page for people where the caller prefers `text/html`.
    LIST_PROBLEMS = "listProblems" get "/problems" Intake open {
        responses((status = 200, description = "All of them.",
            content((ProblemTable = "application/json"), (String = "text/html")))),
    }

    /// Read about a kind of problem
    ///
    /// The `type` of every problem is the path of this page. The page says what the problem means, who can fix it and
    /// how. It is HTML when the caller prefers `text/html`.
    READ_PROBLEM = "readProblem" get "/problems/{code}" Intake open {
        params(("code" = String, Path, min_length = 1, max_length = 64, pattern = "^[a-z_]+$",
            description = "The last segment of a problem's `type`.", example = "invalid_fields")),
        responses((status = 200, description = "The meaning of the problem.",
            content((ProblemPage = "application/json"), (String = "text/html")))),
    }

    /// List the services
    ///
    /// Returns each service with its cases, the documents of each case, and the legs with their time limits.
    LIST_SERVICES = "listServices" get "/v1/services" Intake token {
        responses((status = 200, description = "All services.", body = Services)),
    }

    /// Read one service
    ///
    /// Returns the same entry as the list of services.
    READ_SERVICE = "readService" get "/v1/services/{service}" Intake token {
        params(("service" = Service, Path, description = "Name of the service.")),
        responses((status = 200, description = "The service.", body = ServiceRow)),
    }

    /// Check which agencies cover a service
    ///
    /// Ask before the citizen fills in a form. `reason` chooses the case of a transfer, `certificate` that of a
    /// certificate; `age` decides whether a guardian applies. Revalidate a cached response with `If-None-Match`: a
    /// suspended agency drops out of the coverage at once.
    READ_COVERAGE = "readCoverage" get "/v1/coverage" Intake token {
        params(
            ("service" = Service, Query, description = "Service that the citizen applies for."),
            ("from" = Option<DivisionCode>, Query, description = "Acceptance place; for a transfer, the move-in place."),
            ("to" = Option<DivisionCode>, Query, description = "Place of household registration."),
            ("age" = Option<u32>, Query, minimum = 0, maximum = 150, description = "Age of the applicant in full years."),
            IfNoneMatchParameter,
        ),
        responses(
            (status = 200, description = "The coverage of the service.", body = Coverage,
                headers(("ETag" = String, description = "Version of this response."))),
            (status = 304, description = "The coverage has not changed since the version in `If-None-Match`."),
        ),
    }
}
