//! The one map from refusals and failures to answers.

use domain::agencies::{NotCovered, Place};
use domain::decide::Refusal;
use domain::ids::IdError;
use serde_json::{Value, json};

use super::{Code, Problem};
use crate::fields::FieldError;
use platform::apply::ApplyError;
use platform::documents::DocumentsError;
use platform::queues::SendError;
use platform::store::StoreError;
use platform::vault::VaultError;
use protocol::jose::JoseError;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
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
                    format!("It builds on version {seen}; versions {from} to {to} are accepted."),
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
            Refusal::Invalid(faults) => Problem::invalid(
                faults.into_iter().map(|fault| FieldError::new(fault.pointer, fault.code)).collect(),
            ),
            Refusal::Bound(bound) => Problem::new(Code::BoundReached).with_member("bound", bound.into()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Throttled => Problem::new(Code::Throttled),
            StoreError::Unavailable => Problem::new(Code::Unavailable),
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
            SendError::Unavailable | SendError::Held => Problem::new(Code::Unavailable),
            SendError::Refused | SendError::NoQueue => internal(&error),
        }
    }
}

/// A malformed id in a path is answered 404, like an unknown one.
impl From<IdError> for Problem {
    fn from(_: IdError) -> Self {
        Problem::not_found()
    }
}

impl From<JoseError> for Problem {
    fn from(error: JoseError) -> Self {
        Problem::new(match error {
            JoseError::Malformed | JoseError::Header | JoseError::Payload => Code::MalformedSignature,
            JoseError::UnknownKey | JoseError::Key => Code::UnknownKey,
            JoseError::Forged => Code::BadSignature,
        })
    }
}

impl From<Vec<NotCovered>> for Problem {
    /// 422, naming each place that is not covered and, as `offered_by`, who does offer the service.
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

/// A failure that no repeat mends is logged here, where its cause is still known, and told to nobody else.
fn internal(error: &dyn std::error::Error) -> Problem {
    let source = error.source().map(ToString::to_string);
    tracing::error!(%error, source, "a request failed for a reason that no retry fixes; an operator must look");
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
    fn each_refusal_has_its_answer() {
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
        ];
        for (refusal, status) in answers {
            assert_eq!(Problem::from(refusal.clone()).status().as_u16(), status, "{refusal:?}");
        }
    }

    #[test]
    fn not_yours_is_not_there() {
        assert_eq!(Problem::from(Refusal::NotYours), Problem::from(ApplyError::NotFound));
        assert_eq!(Problem::from(IdError::Application), Problem::not_found());
    }

    #[test]
    fn what_will_pass_is_503_and_the_rest_is_ours() {
        let passing = [
            Problem::from(StoreError::Throttled),
            StoreError::Unavailable.into(),
            ApplyError::Contended.into(),
            VaultError::Denied.into(),
            DocumentsError::Denied.into(),
            SendError::Held.into(),
        ];
        for problem in passing {
            assert_eq!(problem.status().as_u16(), 503);
        }
        let ours = [
            Problem::from(StoreError::Corrupt(LedgerError::Broken(3))),
            VaultError::Corrupt.into(),
            SendError::NoQueue.into(),
        ];
        for problem in ours {
            assert_eq!(problem.body(Language::English, None).as_object().map(serde_json::Map::len), Some(3));
        }
    }

    #[test]
    fn who_does_offer_it_is_named() {
        let codes = ["37", "11", "11"].iter().filter_map(|code| code.parse().ok()).collect();
        let problem = Problem::from(vec![NotCovered::NotOffered { role: Place::MoveIn, offered_by: codes }]);
        let body = problem.body(Language::English, None);
        assert_eq!(body["offered_by"], json!(["11", "37"]));
        assert_eq!(body["errors"][0]["pointer"], "/move_in");
    }
}
