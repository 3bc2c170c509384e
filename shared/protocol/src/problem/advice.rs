//! Advice on each kind of problem: who can fix it, and how. The hub's problem pages and the OpenAPI document for apps
//! are generated from this table.

use super::agency::{
    APPLICATION_FULL, AgencyProblem, BAD_SIGNATURE, MALFORMED_SIGNATURE, OTHER_LEG, SIGNATURE_EXPIRED,
    STALE_VERSION, UNKNOWN_KEY,
};
use Fixer::{Citizen, Developer, Operator, Program};

/// Who can fix a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixer {
    /// The developer of the calling program.
    Developer,
    /// The calling program, by repeating the request later.
    Program,
    /// The citizen, or the person who helps the citizen.
    Citizen,
    /// The operators of the hub.
    Operator,
}

impl Fixer {
    /// The text in English.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Fixer::Developer => "the developer of the calling program",
            Fixer::Program => "the calling program, by repeating the request",
            Fixer::Citizen => "the citizen, or whoever serves the citizen",
            Fixer::Operator => "the operators of the hub",
        }
    }

    /// The text in Chinese.
    #[must_use]
    pub fn zh(self) -> &'static str {
        match self {
            Fixer::Developer => "调用方的开发人员",
            Fixer::Program => "调用方程序，重复请求即可",
            Fixer::Citizen => "办事群众或窗口人员",
            Fixer::Operator => "平台运维人员",
        }
    }
}

/// What to do about a kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The end of the problem's `type`.
    pub code: &'static str,
    /// Who can fix the problem.
    pub who: Fixer,
    /// What to do, in Chinese.
    pub zh: &'static str,
    /// What to do, in English.
    pub en: &'static str,
}

/// The advice on a kind of problem; `None` when no kind has this code.
#[must_use]
pub fn advice(code: &str) -> Option<&'static Advice> {
    ADVICE.iter().find(|advice| advice.code == code)
}

const fn row(code: &'static str, who: Fixer, zh: &'static str, en: &'static str) -> Advice {
    Advice { code, who, zh, en }
}

/// The advice on a kind of problem that only agencies receive.
const fn of_agencies(who: Fixer, problem: AgencyProblem) -> Advice {
    Advice { code: problem.code, who, zh: problem.zh, en: problem.remedy }
}

/// Advice on every kind of problem, for apps where both apps and agencies receive the kind. A test compares it with the kinds that the hub returns.
pub const ADVICE: &[Advice] = &[
    row(
        "bad_request",
        Developer,
        "地址或请求头无法识别，请对照接口文档检查后重发。",
        "The path or a header cannot be read. Compare the request with the interface's description, fix it, then send it again.",
    ),
    row(
        "malformed_json",
        Developer,
        "正文须为一个 JSON 值，`line` 和 `column` 指出出错位置。",
        "The body must be one JSON value. `line` and `column` give the position of the error.",
    ),
    of_agencies(Developer, MALFORMED_SIGNATURE),
    row(
        "idempotency_key_required",
        Developer,
        "为每一个新操作生成一个随机的 Idempotency-Key（如 UUID），重发时使用同一个。",
        "Make a random Idempotency-Key (a UUID will do) for each new operation, and send the same one with each repeat.",
    ),
    row(
        "idempotency_key_invalid",
        Developer,
        "Idempotency-Key 只出现一次，为 1 至 128 个可见 ASCII 字符。",
        "Send the header once, with 1 to 128 visible ASCII characters.",
    ),
    row(
        "unauthorized",
        Developer,
        "向签发方换取新的访问令牌，并以 `Authorization: Bearer` 发送。",
        "Get a fresh access token from the issuer and send it as `Authorization: Bearer`.",
    ),
    of_agencies(Operator, UNKNOWN_KEY),
    of_agencies(Developer, BAD_SIGNATURE),
    of_agencies(Developer, SIGNATURE_EXPIRED),
    row(
        "insufficient_scope",
        Operator,
        "访问令牌需要更多权限（见 `WWW-Authenticate`），请向签发方申请。",
        "The token needs another scope, which `WWW-Authenticate` names. Ask the issuer of the tokens for this scope.",
    ),
    row(
        "not_found",
        Developer,
        "检查地址和编号。不存在的对象与不属于调用方的对象，答复相同。",
        "Check the address and the id. An object that does not exist and an object of another party are answered alike.",
    ),
    row(
        "method_not_allowed",
        Developer,
        "使用 `Allow` 响应头列出的方法。",
        "Use one of the methods that the header `Allow` names.",
    ),
    row(
        "illegal_step",
        Citizen,
        "申请已在别的阶段（`stage`），请先读取申请，`next` 列出现在可以做的操作。",
        "The application is at another stage (`stage`). Read the application: `next` lists the steps that are possible now.",
    ),
    of_agencies(Developer, OTHER_LEG),
    of_agencies(Developer, STALE_VERSION),
    row(
        "precondition_failed",
        Program,
        "重新读取申请（`version` 为当前版本），确认仍需此操作后，以新的 If-Match 发送。",
        "Read the application again (`version` is the current one), check that the step is still wanted, and send the step with \
         the new If-Match.",
    ),
    row(
        "documents_missing",
        Citizen,
        "先上传 `missing` 列出的材料，再重复同一请求。",
        "Upload the documents that `missing` names, then send the same request.",
    ),
    row(
        "document_rejected",
        Developer,
        "`document` 最近上传的文件未通过检查，`fault` 为原因。请重新获取上传链接，上传另一份文件，再发送同一请求。",
        "The file uploaded last for `document` was rejected; `fault` says why. Get a new link, upload another file, then send \
         the same request.",
    ),
    row(
        "incomplete_read",
        Program,
        "平台正在升级或回退。等待 `Retry-After` 所示秒数后重发同一请求；申请未被更改。",
        "The hub is being deployed or rolled back. Repeat the same request after `Retry-After` seconds; the application was not changed.",
    ),
    of_agencies(Operator, APPLICATION_FULL),
    row(
        "bound_reached",
        Operator,
        "该申请已达到 `bound` 所指的上限，只能办结或撤回。",
        "The application has reached the limit that `bound` names. It can only be decided or withdrawn.",
    ),
    row(
        "conflict",
        Program,
        "重新读取后再决定；重复同样的请求没有用。",
        "Read the document again, then decide. The same request will not succeed.",
    ),
    row(
        "too_many_subscriptions",
        Developer,
        "先删除不再使用的回调订阅。",
        "Remove a subscription that is not needed any more.",
    ),
    row(
        "payload_too_large",
        Developer,
        "`detail` 为正文的上限。文件上传到上传链接，不放在正文里。",
        "`detail` names the bound of the body. Files go to their upload links, not into a body.",
    ),
    row(
        "unsupported_media_type",
        Developer,
        "以 `Content-Type: application/json` 发送，不要压缩。",
        "Send `Content-Type: application/json`, not compressed.",
    ),
    row(
        "invalid_fields",
        Citizen,
        "`errors` 以 JSON 指针列出有误字段，逐一改正后重发。`more_errors` 为未列出的数量。",
        "`errors` names the wrong fields by JSON pointer, at most 50; `more_errors` counts the others. Fix all of them, then send the request again.",
    ),
    row(
        "key_reused",
        Developer,
        "新的请求使用新的 Idempotency-Key。",
        "A new request takes a new Idempotency-Key.",
    ),
    row(
        "not_covered",
        Citizen,
        "`offered_by` 列出受理该事项的机关；先查询 `/v1/coverage` 可避免此答复。",
        "`offered_by` lists the agencies that offer the service. Call `/v1/coverage` first to avoid this problem.",
    ),
    row(
        "too_many_requests",
        Program,
        "等待 `Retry-After` 所示秒数后，以递增的随机间隔重发。",
        "Wait for `Retry-After` seconds, then repeat with growing, random pauses.",
    ),
    row(
        "internal",
        Operator,
        "平台故障，重试未必有用。请把 `trace` 告知运维人员。",
        "The hub has a fault that a repeat may not fix. Report the `trace` to the operators.",
    ),
    row(
        "throttled",
        Program,
        "等待 `Retry-After` 所示秒数后重发同一请求，间隔递增并加随机。",
        "Repeat the same request after `Retry-After` seconds, with growing, random pauses.",
    ),
    row(
        "unavailable",
        Program,
        "等待 `Retry-After` 所示秒数后重发同一请求，间隔递增并加随机。",
        "Repeat the same request after `Retry-After` seconds, with growing, random pauses. The hub may have carried out the request already: the Idempotency-Key makes the repeat safe.",
    ),
];
