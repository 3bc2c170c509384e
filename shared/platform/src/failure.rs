//! What kind of failure a call to AWS met, said once, where its cause is known.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// A failed call, as far as a caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Too many calls; later.
    Throttled,
    /// The role may not, or the key is disabled.
    Denied,
    /// There is no such thing.
    NotFound,
    /// The service did not answer, or not in time. What was asked may have happened.
    Unavailable,
    /// The request is not acceptable and never will be.
    Refused,
}

impl Failure {
    /// Sorts a failure and logs it with its code. A message of the service is left out because it may quote
    /// the request.
    pub(crate) fn of<E: ProvideErrorMetadata, R>(operation: &'static str, error: &SdkError<E, R>) -> Failure {
        let service = error.as_service_error();
        let code = match error {
            SdkError::TimeoutError(_) => "timeout",
            SdkError::DispatchFailure(_) => "not reached",
            SdkError::ConstructionFailure(_) => "request not built",
            SdkError::ResponseError(_) => "answer not read",
            _ => service.and_then(ProvideErrorMetadata::code).unwrap_or("unknown"),
        };
        let trouble = if service.is_some() { Failure::named(code) } else { Failure::Unavailable };
        if trouble != Failure::NotFound {
            tracing::warn!(operation, code, "an AWS call failed");
        }
        trouble
    }

    /// The kind of an error code of SQS, S3 or KMS.
    fn named(code: &str) -> Failure {
        match code {
            "Throttling"
            | "ThrottlingException"
            | "ProvisionedThroughputExceededException"
            | "RequestThrottled"
            | "RequestLimitExceeded"
            | "SlowDown"
            | "LimitExceededException"
            | "OverLimit"
            | "KmsThrottled"
            | "TooManyRequestsException" => Failure::Throttled,
            "AccessDenied"
            | "AccessDeniedException"
            | "DisabledException"
            | "KMSInvalidStateException"
            | "KmsAccessDenied"
            | "KmsDisabled"
            | "KmsInvalidState"
            | "InvalidKeyUsageException"
            | "KmsInvalidKeyUsage" => Failure::Denied,
            "NoSuchKey"
            | "NoSuchVersion"
            | "NotFound"
            | "NotFoundException"
            | "KmsNotFound"
            | "QueueDoesNotExist"
            | "AWS.SimpleQueueService.NonExistentQueue" => Failure::NotFound,
            "InvalidCiphertextException"
            | "IncorrectKeyException"
            | "InvalidMessageContents"
            | "InvalidParameterValue"
            | "BatchRequestTooLong"
            | "AWS.SimpleQueueService.BatchRequestTooLong" => Failure::Refused,
            _ => Failure::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_may_pass() {
        assert_eq!(Failure::named("SlowDown"), Failure::Throttled);
        assert_eq!(Failure::named("AccessDenied"), Failure::Denied);
        assert_eq!(Failure::named("InternalError"), Failure::Unavailable);
    }
}
