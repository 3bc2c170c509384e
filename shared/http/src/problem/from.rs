//! Maps refusals and failures to problems.

use domain::agencies::{NotCovered, Place};
use domain::decide::Refusal;
use domain::event::DocumentFault;
use domain::ids::IdError;
use serde_json::{Value, json};

use super::{Code, Problem};
use crate::fields::FieldError;
use platform::apply::ApplyError;
use platform::documents::DocumentsError;
use platform::internal_queue::ProofError;
use platform::log_fault;
use platform::queues::SendError;
use platform::store::StoreError;
use platform::vault::VaultError;
use protocol::jose::JoseError;
use protocol::json::{DEPTH, JsonError, Places};

/// `Retry-After` while the deployed version of the hub is older than the record, in seconds.
const INCOMPLETE_RETRY_SECONDS: u32 = 60;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::IncompleteRead => {
                Problem::new(Code::IncompleteRead).with_retry_after(INCOMPLETE_RETRY_SECONDS)
            }
            Refusal::NotYours => Problem::not_found(),
            Refusal::Illegal { stage, step } => {
                let (stage, step) = (stage.name(), step.name());
                Problem::new(Code::IllegalStep)
                    .with_detail(
                        format!("申请处于 {stage} 阶段，不能进行 {step}。"),
                        format!("The application is at stage {stage}, where {step} is not possible."),
                    )
                    .with_member("stage", stage.into())
                    .with_member("step", step.into())
            }
            Refusal::OtherLeg { stage } => {
                Problem::new(Code::OtherLeg).with_member("stage", stage.name().into())
            }
            Refusal::Stale { seen, from, to } => Problem::new(Code::StaleVersion)
                .with_detail(
                    format!("依据的是版本 {seen}，可接受的是 {from} 至 {to}。"),
                    format!("The report builds on version {seen}; versions {from} to {to} are accepted."),
                )
                .with_member("seen", seen.into())
                .with_member("version", to.into()),
            Refusal::Changed { version } => {
                Problem::new(Code::PreconditionFailed).with_member("version", version.into())
            }
            Refusal::KeyReused => Problem::new(Code::KeyReused),
            Refusal::Missing(documents) => {
                let errors = documents
                    .iter()
                    .map(|document| FieldError::new(format!("/documents/{document}"), "document_missing"));
                let errors = errors.collect();
                Problem::new(Code::DocumentsMissing)
                    .with_member(
                        "missing",
                        documents.iter().map(|document| Value::from(document.to_string())).collect(),
                    )
                    .with_errors(errors)
            }
            Refusal::DocumentRejected { document, fault } => {
                let (zh, en) = rejection(fault);
                Problem::new(Code::DocumentRejected)
                    .with_detail(
                        format!("{zh}请重新获取上传链接，上传另一份文件。"),
                        format!("{en} Get a new link and upload another file."),
                    )
                    .with_member("document", document.to_string().into())
                    .with_member("fault", json!(fault))
                    .with_errors(vec![FieldError::new("/document", "document_rejected")])
            }
            Refusal::Full => Problem::new(Code::ApplicationFull),
            Refusal::Invalid(faults) => Problem::invalid(
                faults.into_iter().map(|fault| FieldError::new(fault.pointer, fault.code)).collect(),
            ),
            Refusal::Bound(bound) => Problem::new(Code::BoundReached).with_member("bound", bound.into()),
        }
    }
}

/// Why a file was rejected.
fn rejection(fault: DocumentFault) -> (&'static str, &'static str) {
    match fault {
        DocumentFault::Empty => ("文件为空。", "The file is empty."),
        DocumentFault::TooLarge => ("文件超过 20 MiB。", "The file has more than 20 MiB."),
        DocumentFault::ContentMismatch => {
            ("文件内容与其媒体类型不符。", "The file is not of the media type that was declared for it.")
        }
        DocumentFault::WrongKind => {
            ("材料种类不符。", "The document is not of a kind that is accepted here.")
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Throttled => Problem::new(Code::Throttled),
            StoreError::Unavailable => Problem::new(Code::Unavailable),
            StoreError::Full => Problem::new(Code::ApplicationFull),
            StoreError::Corrupt(_) | StoreError::Unreadable(_) => internal(&error),
        }
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::NotFound => Problem::not_found(),
            ApplyError::Refused(refusal) => refusal.into(),
            ApplyError::Store(error) => error.into(),
            ApplyError::Contended => Problem::new(Code::Throttled),
        }
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Throttled => Problem::new(Code::Throttled),
            VaultError::Denied | VaultError::Unavailable => Problem::new(Code::Unavailable),
            VaultError::Corrupt | VaultError::TooLarge => internal(&error),
        }
    }
}

impl From<DocumentsError> for Problem {
    fn from(error: DocumentsError) -> Self {
        match error {
            DocumentsError::Throttled => Problem::new(Code::Throttled),
            DocumentsError::Unavailable | DocumentsError::Denied => Problem::new(Code::Unavailable),
        }
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Throttled => Problem::new(Code::Throttled),
            SendError::Unavailable | SendError::Blocked => Problem::new(Code::Unavailable),
            SendError::Refused | SendError::NoQueue => internal(&error),
        }
    }
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Vault(error) => error.into(),
            ProofError::Unwritable => internal(&error),
        }
    }
}

/// A malformed id in a path is answered 404, like an unknown one.
impl From<IdError> for Problem {
    fn from(_: IdError) -> Self {
        Problem::not_found()
    }
}

impl From<JsonError> for Problem {
    /// 400 or 413, with the place of the mistake and without the text at that place.
    fn from(error: JsonError) -> Self {
        let problem = Problem::new(Code::MalformedJson);
        let at = |problem: Problem, places: Places, code| {
            let errors = places.named.into_iter().map(|pointer| FieldError::new(pointer, code)).collect();
            problem.with_errors(errors).with_more_errors(places.more)
        };
        match error {
            JsonError::TooLarge(bound) => Problem::too_large(bound),
            JsonError::NotUtf8(byte) => problem.with_detail(
                format!("第 {} 字节不是 UTF-8。正文须为 UTF-8。", byte.saturating_add(1)),
                format!("Byte {} is not UTF-8. The body must be UTF-8.", byte.saturating_add(1)),
            ),
            JsonError::ByteOrderMark => problem.with_detail(
                "正文以字节顺序标记（EF BB BF）开头，须去掉。",
                "The body begins with a byte order mark (EF BB BF). Send it without one.",
            ),
            JsonError::Syntax { expected, line, column } => problem
                .with_detail(
                    format!("第 {line} 行第 {column} 列：{expected}。"),
                    format!("At line {line}, column {column}: {expected}."),
                )
                .with_member("line", line.into())
                .with_member("column", column.into()),
            JsonError::TooDeep => problem.with_detail(
                format!("对象和数组最多嵌套 {DEPTH} 层。"),
                format!("Objects and lists are nested at most {DEPTH} levels deep."),
            ),
            JsonError::Duplicates(places) => {
                let problem =
                    problem.with_detail("同一成员出现两次。", "A member is repeated in one object.");
                at(problem, places, "duplicate")
            }
            JsonError::Replacement(places) => {
                let problem = problem.with_detail(
                    "文本含 U+FFFD：此前曾用错误的字符集解码。",
                    "A text contains U+FFFD: it was decoded with the wrong character set before.",
                );
                at(problem, places, "replacement_character")
            }
            JsonError::Shape(what) => {
                problem.with_detail(format!("结构不符：{what}。"), format!("The shape is wrong: {what}."))
            }
        }
    }
}

impl From<JoseError> for Problem {
    fn from(error: JoseError) -> Self {
        Problem::new(match error {
            JoseError::Malformed | JoseError::Header | JoseError::Payload => Code::MalformedSignature,
            JoseError::UnknownKey | JoseError::Key => Code::UnknownKey,
            JoseError::Forged => Code::BadSignature,
            JoseError::SignatureForm => {
                return Problem::new(Code::BadSignature).with_detail(
                    "ES256 签名为 64 字节的 R 与 S（RFC 7518 第 3.4 节），不是 DER 格式。",
                    "An ES256 signature must be R and S, 64 bytes (RFC 7518, section 3.4), not DER.",
                );
            }
        })
    }
}

impl From<Vec<NotCovered>> for Problem {
    /// 422, with each place that is not covered and, as `offered_by`, the agencies that offer the service.
    fn from(reasons: Vec<NotCovered>) -> Self {
        let mut offers = Vec::new();
        let mut lacking = Vec::new();
        let mut errors = Vec::new();
        for reason in reasons {
            let (pointer, code) = match reason {
                NotCovered::NotOffered { role, offered_by } => {
                    offers.extend(offered_by.iter().map(ToString::to_string));
                    (pointer(role), "not_offered")
                }
                NotCovered::Incapable { agency: _, lacks } => {
                    lacking.extend(lacks);
                    ("/capabilities", "incapable")
                }
                NotCovered::SamePlace { role, agency: _ } => (pointer(role), "same_place"),
            };
            errors.push(FieldError::new(pointer, code));
        }
        let mut problem = Problem::new(Code::NotCovered).with_errors(errors);
        for (name, mut values) in [("offered_by", offers), ("lacks", lacking)] {
            values.sort();
            values.dedup();
            if !values.is_empty() {
                problem = problem.with_member(name, json!(values));
            }
        }
        problem
    }
}

fn pointer(place: Place) -> &'static str {
    match place {
        Place::RegisteredAt => "/registered_at",
        Place::MoveIn => "/move_in",
    }
}

/// 500 for a failure that no retry fixes. The cause is logged here, because the problem does not contain it.
fn internal(error: &dyn std::error::Error) -> Problem {
    let source = error.source().map(ToString::to_string);
    log_fault!(true, &format!("{error} {source:?}"), %error, source, "a request failed for a reason that no retry fixes; an operator must act");
    Problem::new(Code::Internal)
}

#[cfg(test)]
mod tests {
    use domain::decide::Fault;
    use domain::ledger::LedgerError;
    use domain::stage::{Stage, Step};

    use super::*;
    use crate::problem::Language;

    #[test]
    fn each_refusal_has_its_status() {
        let document = domain::ids::DocumentId::numbered(2).into_iter().collect();
        let answers = [
            (Refusal::NotYours, 404),
            (Refusal::Illegal { stage: Stage::Draft, step: Step::Withdraw }, 409),
            (Refusal::Stale { seen: 1, from: 2, to: 3 }, 409),
            (Refusal::Changed { version: 3 }, 412),
            (Refusal::KeyReused, 422),
            (Refusal::Missing(document), 409),
            (Refusal::Invalid(vec![Fault { pointer: "/reason".into(), code: "required" }]), 422),
            (Refusal::Bound("events"), 409),
            (Refusal::Full, 409),
            (Refusal::IncompleteRead, 503),
        ];
        for (refusal, status) in answers {
            assert_eq!(Problem::from(refusal.clone()).status().as_u16(), status, "{refusal:?}");
        }
    }

    #[test]
    fn another_tenants_application_is_answered_like_an_unknown_one() {
        assert_eq!(Problem::from(Refusal::NotYours), Problem::from(ApplyError::NotFound));
        assert_eq!(Problem::from(IdError::Application), Problem::not_found());
    }

    #[test]
    fn temporary_failures_are_503_and_others_reveal_nothing() {
        let temporary = [
            Problem::from(StoreError::Throttled),
            StoreError::Unavailable.into(),
            ApplyError::Contended.into(),
            VaultError::Denied.into(),
            DocumentsError::Denied.into(),
            SendError::Blocked.into(),
        ];
        for problem in temporary {
            assert_eq!(problem.status().as_u16(), 503);
        }
        let internal = [
            Problem::from(StoreError::Corrupt(LedgerError::Broken(3))),
            VaultError::Corrupt.into(),
            SendError::NoQueue.into(),
        ];
        for problem in internal {
            assert_eq!(problem.body(Language::English, None).as_object().map(serde_json::Map::len), Some(3));
        }
    }

    #[test]
    fn not_covered_names_the_agencies_that_offer_the_service() {
        let codes = ["37", "11", "11"].iter().filter_map(|code| code.parse().ok()).collect();
        let problem = Problem::from(vec![NotCovered::NotOffered { role: Place::MoveIn, offered_by: codes }]);
        let body = problem.body(Language::English, None);
        assert_eq!(body["offered_by"], json!(["11", "37"]));
        assert_eq!(body["errors"][0]["pointer"], "/move_in");
    }
}
