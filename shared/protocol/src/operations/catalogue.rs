//! The catalogue of services, coverage, the meaning of problems, and the description of the interface.

#[cfg(feature = "schema")]
use crate::contracts::app::names::{
    Coverage, Description, DivisionCode, Health, ProblemPage, ProblemTable, Service, ServiceRow, Services,
};
#[cfg(feature = "schema")]
use crate::contracts::app::parameters::Held;
use crate::operations::operation::operations;

operations! {
    tag = "catalogue";

    /// Ask whether the hub answers
    ///
    /// It says nothing of what lies behind it.
    READ_HEALTH = "readHealth" get "/v1/health" Intake open {
        responses((status = 200, description = "It does.", body = Health)),
    }

    /// Read this description
    ///
    /// May be kept for five minutes; ask again with `If-None-Match`.
    READ_DESCRIPTION = "readDescription" get "/v1/openapi.json" Intake open {
        params(Held),
        responses(
            (status = 200, description = "The OpenAPI document.", body = Description,
                headers(("ETag" = String, description = "Names this version of it."))),
            (status = 304, description = "The copy that is kept is this one."),
        ),
    }

    /// List all codes of problems and of wrong fields
    ///
    /// Every end of a problem's `type`, and every `code` that its `errors` may name, in both languages with the remedy. New
    /// codes may appear. A page for people where the caller prefers `text/html`.
    LIST_PROBLEMS = "listProblems" get "/problems" Intake open {
        responses((status = 200, description = "All of them.",
            content((ProblemTable = "application/json"), (String = "text/html")))),
    }

    /// Read what a kind of problem means
    ///
    /// Where the `type` of every problem leads: what it means, who can mend it, what to do. A page for people where the
    /// caller prefers `text/html`.
    READ_PROBLEM = "readProblem" get "/problems/{code}" Intake open {
        params(("code" = String, Path, min_length = 1, max_length = 64, pattern = "^[a-z_]+$",
            description = "The last segment of a problem's `type`.", example = "invalid_fields")),
        responses((status = 200, description = "What it means.",
            content((ProblemPage = "application/json"), (String = "text/html")))),
    }

    /// List the services
    ///
    /// With their cases, the documents each needs, and who acts within what time.
    LIST_SERVICES = "listServices" get "/v1/services" Intake token {
        responses((status = 200, description = "All of them.", body = Services)),
    }

    /// Read one service
    ///
    /// As in the list.
    READ_SERVICE = "readService" get "/v1/services/{service}" Intake token {
        params(("service" = Service, Path, description = "The service.")),
        responses((status = 200, description = "The service.", body = ServiceRow)),
    }

    /// Ask who takes a service
    ///
    /// What an app asks before a citizen fills in a form. `reason` goes with a transfer, `certificate` with a certificate;
    /// by `age` it is known whether a guardian applies. Ask again with `If-None-Match`: an agency that was suspended a moment ago is not offered any
    /// more, and what has not changed is not sent again.
    READ_COVERAGE = "readCoverage" get "/v1/coverage" Intake token {
        params(
            ("service" = Service, Query, description = "The service."),
            ("from" = Option<DivisionCode>, Query, description = "Where the citizen applies; of a transfer, where they move to."),
            ("to" = Option<DivisionCode>, Query, description = "Where the citizen is registered."),
            ("age" = Option<u32>, Query, minimum = 0, maximum = 150, description = "Full years of the applicant."),
            Held,
        ),
        responses(
            (status = 200, description = "Who takes it.", body = Coverage,
                headers(("ETag" = String, description = "Names this answer."))),
            (status = 304, description = "It is as the caller has it."),
        ),
    }
}
