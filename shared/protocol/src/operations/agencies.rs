//! Operations for agencies, and the hub's public keys, which verify its messages. `contracts/agency.openapi.yaml`
//! describes them.

use super::operation::{Access, Function, Method, Operation};

/// Reads the hub's public keys (RFC 7517, section 5).
pub const READ_KEYS: Operation = Operation {
    id: "readKeys",
    method: Method::Get,
    path: "/.well-known/jwks.json",
    function: Function::Intake,
    access: Access::Open,
    idempotent: false,
};

/// Reports what an agency did with a case.
pub const SEND_REPORT: Operation = signed("sendReport", "/v1/reports", Function::Reports);
/// Lists the reports that the agency sent on one of its cases, with what came of each.
pub const LIST_REPORTS: Operation = signed("listReports", "/v1/agency/reports", Function::Reports);
/// Lists the agency's open cases.
pub const LIST_CASES: Operation = signed("listCases", "/v1/agency/cases", Function::Reports);
/// Requests messages of a case again.
pub const RESEND_CASES: Operation = signed("resendCases", "/v1/agency/resend", Function::Reports);
/// Gets a link to read or to upload a document of a case.
pub const LINK_DOCUMENT: Operation = signed("linkDocument", "/v1/agency/documents", Function::Documents);

/// The operations of this module.
pub const OPERATIONS: &[&Operation] =
    &[&READ_KEYS, &SEND_REPORT, &LIST_REPORTS, &LIST_CASES, &RESEND_CASES, &LINK_DOCUMENT];

const fn signed(id: &'static str, path: &'static str, function: Function) -> Operation {
    Operation { id, method: Method::Post, path, function, access: Access::Signed, idempotent: false }
}
