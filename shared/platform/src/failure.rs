//! Classifies the failure of an AWS call, and logs it once, where the cause is known.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// The class of a failed call, by what the caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Too many calls; a later call may succeed.
    Throttled,
    /// The role lacks the permission, or the KMS key is disabled.
    Denied,
    /// The object, queue or key does not exist.
    NotFound,
    /// The service did not answer in time. The operation may have happened.
    Unavailable,
    /// The request is invalid; the same request never succeeds.
    Refused,
}

impl Failure {
    /// Classifies a failure and logs it with its code. The log leaves out the service's message, because it may quote
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
        let failure = if service.is_some() { Failure::named(code) } else { Failure::Unavailable };
        if failure != Failure::NotFound {
            tracing::warn!(operation, code, "an AWS call failed; the caller decides whether to retry");
        }
        failure
    }

    /// The class of an error code of SQS, S3 or KMS.
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
    fn an_unknown_code_counts_as_unavailable() {
        assert_eq!(Failure::named("SlowDown"), Failure::Throttled);
        assert_eq!(Failure::named("AccessDenied"), Failure::Denied);
        assert_eq!(Failure::named("InternalError"), Failure::Unavailable);
    }
}
