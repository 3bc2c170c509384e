//! What there is: services, who takes them, and this description.

use super::applications::Held;
use super::names::{Coverage, Description, DivisionCode, Health, ProblemPage, Service, ServiceRow, Services};

/// Ask whether the hub answers
///
/// It says nothing of what lies behind it.
#[utoipa::path(get, path = "/v1/health", operation_id = "readHealth", tag = "catalogue", security(()),
    responses((status = 200, description = "It does.", body = Health)))]
pub(super) fn read_health() {}

/// Read this description
///
/// May be kept for five minutes; ask again with `If-None-Match`.
#[utoipa::path(get, path = "/v1/openapi.json", operation_id = "readDescription", tag = "catalogue", security(()),
    params(Held),
    responses(
        (status = 200, description = "The OpenAPI document.", body = Description,
            headers(("ETag" = String, description = "Names this version of it."))),
        (status = 304, description = "The copy that is kept is this one."),
    ))]
pub(super) fn read_description() {}

/// Read what a kind of problem means
///
/// Where the `type` of every problem leads: what it means, who can mend it, what to do. A page for people where the
/// caller prefers `text/html`.
#[utoipa::path(get, path = "/problems/{code}", operation_id = "readProblem", tag = "catalogue", security(()),
    params(("code" = String, Path, min_length = 1, max_length = 64, pattern = "^[a-z_]+$",
        description = "The last segment of a problem's `type`.", example = "invalid_fields")),
    responses((status = 200, description = "What it means.",
        content((ProblemPage = "application/json"), (String = "text/html")))))]
pub(super) fn read_problem() {}

/// List the services
///
/// With their cases, the documents each needs, and who acts within what time.
#[utoipa::path(get, path = "/v1/services", operation_id = "listServices", tag = "catalogue", security(("token" = [])),
    responses((status = 200, description = "All of them.", body = Services)))]
pub(super) fn list_services() {}

/// Read one service
///
/// As in the list.
#[utoipa::path(get, path = "/v1/services/{service}", operation_id = "readService", tag = "catalogue",
    params(("service" = Service, Path, description = "The service.")), security(("token" = [])),
    responses((status = 200, description = "The service.", body = ServiceRow)))]
pub(super) fn read_service() {}

/// Ask who takes a service
///
/// What an app asks before a citizen fills in a form. `reason` goes with a transfer, `certificate` with a certificate;
/// by `age` it is known whether a guardian applies. Ask again with `If-None-Match`: an agency that was suspended a moment ago is not offered any
/// more, and what has not changed is not sent again.
#[utoipa::path(get, path = "/v1/coverage", operation_id = "readCoverage", tag = "catalogue",
    params(
        ("service" = Service, Query, description = "The service."),
        ("from" = Option<DivisionCode>, Query, description = "Where the citizen applies; of a transfer, where they move to."),
        ("to" = Option<DivisionCode>, Query, description = "Where the citizen is registered."),
        ("age" = Option<u32>, Query, minimum = 0, maximum = 150, description = "Full years of the applicant."),
        Held,
    ), security(("token" = [])),
    responses(
        (status = 200, description = "Who takes it.", body = Coverage,
            headers(("ETag" = String, description = "Names this answer."))),
        (status = 304, description = "It is as the caller has it."),
    ))]
pub(super) fn read_coverage() {}
