//! Every kind of problem that an agency may receive, with what it means and what the agency does: the one source of the
//! guide's table, of the OpenAPI document for agencies, of the hub's problem pages and of the hints of
//! `tongban-agency`. The command that writes the contracts writes the guide's table, too.

/// A kind of problem that an agency may receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgencyProblem {
    /// The end of the problem's `type`.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Title in English.
    pub title: &'static str,
    /// What the problem says, in English.
    pub meaning: &'static str,
    /// What the agency does, in English.
    pub remedy: &'static str,
    /// What the agency does, in Chinese.
    pub zh: &'static str,
    /// Whether the work on the message is over: a consumer stops it and deletes the message.
    pub ends_message: bool,
}

/// The body is not a signed object.
pub const MALFORMED_SIGNATURE: AgencyProblem = AgencyProblem {
    code: "malformed_signature",
    status: 400,
    title: "The body is not a valid signed object",
    meaning: "The body is not a compact JWS of the expected `typ`.",
    remedy: "Fix your code; do not send the same bytes again.",
    zh: "正文须为所要求 `typ` 的紧凑 JWS。改正程序，不要原样重发。",
    ends_message: false,
};
/// The signed payload is not JSON.
pub const MALFORMED_JSON: AgencyProblem = AgencyProblem {
    code: "malformed_json",
    status: 400,
    title: "The body is not valid JSON",
    meaning: "The signed payload is not JSON: `line` and `column` give the position of the error, `errors` the repeated members.",
    remedy: "Fix your code, and sign again.",
    zh: "签名的内容须为 JSON。改正程序后重新签名。",
    ends_message: false,
};
/// No agency has registered the key.
pub const UNKNOWN_KEY: AgencyProblem = AgencyProblem {
    code: "unknown_key",
    status: 401,
    title: "The signing key is not registered, or was revoked",
    meaning: "The key that `kid` names is not registered, or was revoked.",
    remedy: "Ask the operator to register the key, or sign with a registered one.",
    zh: "请运维人员登记该密钥，或改用已登记的密钥签名。",
    ends_message: false,
};
/// The signature does not verify.
pub const BAD_SIGNATURE: AgencyProblem = AgencyProblem {
    code: "bad_signature",
    status: 401,
    title: "The signature does not verify",
    meaning: "The bytes were changed, or signed with a key other than the one that `kid` names.",
    remedy: "Compare your signing key with the operator's, and fix your code.",
    zh: "字节被改动，或签名所用的密钥不是 `kid` 所指的密钥。与运维人员核对密钥并改正程序。",
    ends_message: false,
};
/// The signature is not fresh.
pub const SIGNATURE_EXPIRED: AgencyProblem = AgencyProblem {
    code: "signature_expired",
    status: 401,
    title: "The request was signed too long ago or ahead of time; sign it again",
    meaning: "`iat` differs from the hub's clock (`now`) by more than `tolerance_seconds`: 900 for a report, 60 for every other request.",
    remedy: "Sign again by the hub's `now`, and set your clock.",
    zh: "按平台时间 `now` 重新签名并校准时钟；`tolerance_seconds` 为允许的偏差，回报为 900 秒，其余请求为 60 秒。",
    ends_message: false,
};
/// The agency has no such case.
pub const NOT_FOUND: AgencyProblem = AgencyProblem {
    code: "not_found",
    status: 404,
    title: "Nothing exists at this address or under this id, or it belongs to another party",
    meaning: "No case or document has this id, it belongs to another agency, or its papers are not available any more.",
    remedy: "Check address and id. For the case of a message: stop the work, delete the message.",
    zh: "检查地址和编号。如为消息中的案件：停止办理，删除该消息。",
    ends_message: true,
};
/// The address takes another method.
pub const METHOD_NOT_ALLOWED: AgencyProblem = AgencyProblem {
    code: "method_not_allowed",
    status: 405,
    title: "The address does not support this method",
    meaning: "The address takes another method, which the header `Allow` names.",
    remedy: "Fix your code.",
    zh: "改正程序，使用 `Allow` 响应头列出的方法。",
    ends_message: false,
};
/// The case is at another stage.
pub const ILLEGAL_STEP: AgencyProblem = AgencyProblem {
    code: "illegal_step",
    status: 409,
    title: "The step is not possible at the application's current stage",
    meaning: "The case is at another stage (`stage`), or was withdrawn.",
    remedy: "Drop the report, stop the work, delete the message.",
    zh: "申请已在别的阶段（`stage`）或已撤回：丢弃该回报，停止办理，删除该消息。",
    ends_message: true,
};
/// The open leg is another agency's.
pub const OTHER_LEG: AgencyProblem = AgencyProblem {
    code: "other_leg",
    status: 409,
    title: "The open leg belongs to another agency",
    meaning: "The agency's leg is over, or has not started.",
    remedy: "Drop the report, stop the work, delete the message.",
    zh: "本机关的环节已结束或尚未开始：丢弃该回报，停止办理，删除该消息。",
    ends_message: true,
};
/// The report builds on a version that is not of the open leg.
pub const STALE_VERSION: AgencyProblem = AgencyProblem {
    code: "stale_version",
    status: 409,
    title: "The report builds on a version that is out of date or does not exist",
    meaning: "`seen` is no version of the open leg; `version` is the current one.",
    remedy: "Drop the report, stop the work, delete the message. Report on the next message of the case, or request the message again.",
    zh: "丢弃该回报，停止办理，删除该消息。依据该件的下一条消息回报，或请求重发消息。",
    ends_message: true,
};
/// Another certificate is stored.
pub const CONFLICT: AgencyProblem = AgencyProblem {
    code: "conflict",
    status: 409,
    title: "The request conflicts with the current state of the document",
    meaning: "Another certificate than the declared one is stored for the case, and stays.",
    remedy: "Report `issued` if the stored certificate is right; otherwise ask the operator.",
    zh: "该件已有另一份证明文件，不会替换。如其无误，直接回报 `issued`；否则联系运维人员。",
    ends_message: false,
};
/// The hub has not stored the certificate.
pub const DOCUMENTS_MISSING: AgencyProblem = AgencyProblem {
    code: "documents_missing",
    status: 409,
    title: "Documents are missing",
    meaning: "The hub has not stored the certificate that the report names; `missing` has its id.",
    remedy: "Upload the certificate, wait a second, send the report again.",
    zh: "先上传 `missing` 列出的证明文件，稍候再发同一回报。",
    ends_message: false,
};
/// The uploaded certificate was rejected.
pub const DOCUMENT_REJECTED: AgencyProblem = AgencyProblem {
    code: "document_rejected",
    status: 409,
    title: "The uploaded file was rejected",
    meaning: "The file uploaded last for `document` was rejected; `fault` says why.",
    remedy: "Get a new link, upload another file, send the report again.",
    zh: "重新获取上传链接，上传另一份文件，再发同一回报。",
    ends_message: false,
};
/// The record has no room.
pub const APPLICATION_FULL: AgencyProblem = AgencyProblem {
    code: "application_full",
    status: 409,
    title: "The application's record is full: only a decision or a withdrawal is taken",
    meaning: "The record of the application has no room for another supplement request.",
    remedy: "Decide the case.",
    zh: "该申请的记录已满，不再接受补正通知：请办结。",
    ends_message: false,
};
/// The case has reached a limit.
pub const BOUND_REACHED: AgencyProblem = AgencyProblem {
    code: "bound_reached",
    status: 409,
    title: "The application has reached one of its limits",
    meaning: "The case has reached the limit that `bound` names, for example of supplement requests.",
    remedy: "Decide the case.",
    zh: "该申请已达到 `bound` 所指的上限：请办结。",
    ends_message: false,
};
/// The body is too large.
pub const PAYLOAD_TOO_LARGE: AgencyProblem = AgencyProblem {
    code: "payload_too_large",
    status: 413,
    title: "The body is too large",
    meaning: "The signed body is larger than the address takes: `detail` names the bound, for a report 64 KiB.",
    remedy: "Fix your code.",
    zh: "签名数据过大，`detail` 为上限（回报为 64 KiB）。改正程序。",
    ends_message: false,
};
/// Another content type.
pub const UNSUPPORTED_MEDIA_TYPE: AgencyProblem = AgencyProblem {
    code: "unsupported_media_type",
    status: 415,
    title: "The address does not support this content type",
    meaning: "The body has another content type than `application/jose`, or is compressed.",
    remedy: "Send `Content-Type: application/jose`, not compressed.",
    zh: "以 `Content-Type: application/jose` 发送，不要压缩。",
    ends_message: false,
};
/// Members of the payload are wrong.
pub const INVALID_FIELDS: AgencyProblem = AgencyProblem {
    code: "invalid_fields",
    status: 422,
    title: "Some fields are wrong",
    meaning: "`errors` names every wrong, missing or unknown member by JSON pointer.",
    remedy: "Fix the members, and send a new report with a new `report_id`.",
    zh: "`errors` 列出有误、缺少或未知的成员。改正后以新的 `report_id` 发送新的回报。",
    ends_message: false,
};
/// The id belongs to another report.
pub const KEY_REUSED: AgencyProblem = AgencyProblem {
    code: "key_reused",
    status: 422,
    title: "The Idempotency-Key or report_id was used for another request",
    meaning: "The `report_id` was used for a report with other content.",
    remedy: "Choose a new `report_id`.",
    zh: "使用新的 `report_id`。",
    ends_message: false,
};
/// The hub has a fault.
pub const INTERNAL: AgencyProblem = AgencyProblem {
    code: "internal",
    status: 500,
    title: "The hub has an internal error",
    meaning: "The hub has a fault.",
    remedy: "Send the same bytes again later, with growing waits, and tell the operator the `trace`.",
    zh: "平台故障：稍后以递增的间隔重发同样的字节，并把 `trace` 告知运维人员。",
    ends_message: false,
};
/// The running version of the hub is older than the application's record.
pub const INCOMPLETE_READ: AgencyProblem = AgencyProblem {
    code: "incomplete_read",
    status: 503,
    title: "A newer version of the hub changed the application: the running version cannot change it",
    meaning: "The hub is being deployed or rolled back. The case is unchanged.",
    remedy: "Send the same bytes again after `Retry-After` seconds, with jitter.",
    zh: "平台正在升级或回退，申请未被更改。等待 `Retry-After` 所示秒数并加随机后，重发同样的字节。",
    ends_message: false,
};
/// The hub is busy.
pub const THROTTLED: AgencyProblem = AgencyProblem {
    code: "throttled",
    status: 503,
    title: "The service is busy; please repeat the request",
    meaning: "The hub is busy.",
    remedy: "Send the same bytes again after `Retry-After` seconds, with jitter.",
    zh: "等待 `Retry-After` 所示秒数并加随机后，重发同样的字节。",
    ends_message: false,
};
/// The hub is not available.
pub const UNAVAILABLE: AgencyProblem = AgencyProblem {
    code: "unavailable",
    status: 503,
    title: "The service is not available; please repeat the request",
    meaning: "The hub is not available. It may have recorded the report.",
    remedy: "Send the same bytes again after `Retry-After` seconds, with jitter.",
    zh: "等待 `Retry-After` 所示秒数并加随机后，重发同样的字节。",
    ends_message: false,
};

/// Every kind of problem that an agency may receive, by status. Tests compare it with the hub's answers.
pub const AGENCY_PROBLEMS: &[AgencyProblem] = &[
    MALFORMED_SIGNATURE,
    MALFORMED_JSON,
    UNKNOWN_KEY,
    BAD_SIGNATURE,
    SIGNATURE_EXPIRED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    ILLEGAL_STEP,
    OTHER_LEG,
    STALE_VERSION,
    CONFLICT,
    DOCUMENTS_MISSING,
    DOCUMENT_REJECTED,
    APPLICATION_FULL,
    BOUND_REACHED,
    PAYLOAD_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID_FIELDS,
    KEY_REUSED,
    INTERNAL,
    INCOMPLETE_READ,
    THROTTLED,
    UNAVAILABLE,
];

/// What an agency does about a kind of problem; `None` when agencies do not receive the kind.
#[must_use]
pub fn for_agencies(code: &str) -> Option<&'static AgencyProblem> {
    AGENCY_PROBLEMS.iter().find(|problem| problem.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{FRESH_SECONDS, REPORT_BYTES, REQUEST_FRESH_SECONDS};

    #[test]
    fn a19_the_table_states_the_constants_of_the_code() {
        let kib = format!("{} KiB", REPORT_BYTES / 1024);
        assert!(PAYLOAD_TOO_LARGE.meaning.contains(&kib) && PAYLOAD_TOO_LARGE.zh.contains(&kib));
        for seconds in [FRESH_SECONDS, REQUEST_FRESH_SECONDS] {
            let number = format!(" {seconds} ");
            assert!(SIGNATURE_EXPIRED.meaning.contains(&number) && SIGNATURE_EXPIRED.zh.contains(&number));
        }
    }

    #[test]
    fn a19_each_problem_of_agencies_is_in_the_table_once_and_by_status() {
        let codes: std::collections::BTreeSet<&str> = AGENCY_PROBLEMS.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), AGENCY_PROBLEMS.len());
        assert!(AGENCY_PROBLEMS.is_sorted_by_key(|row| row.status));
        for row in AGENCY_PROBLEMS {
            assert!(
                row.meaning.ends_with('.') && row.remedy.ends_with('.') && row.zh.ends_with('。'),
                "{}",
                row.code
            );
            assert!(
                !format!("{}{}{}", row.meaning, row.remedy, row.zh).contains(['<', '>', '&', '|']),
                "{}",
                row.code
            );
        }
    }
}
