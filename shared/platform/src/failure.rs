//! Classifies the failure of an AWS call, and logs it once, where the cause is known.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::log_fault;

/// The class of a failed call, by what the caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Too many calls; a later call may succeed.
    Throttled,
    /// The role lacks the permission, its credentials are not accepted, or the KMS key is disabled.
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
            failure.log(operation, code);
        }
        failure
    }

    /// Logs the failure of an AWS call. No retry grants a permission or brings a table or a bucket back, so such a
    /// failure is an error, once for each operation.
    pub(crate) fn log(self, operation: &'static str, code: &str) {
        let is_gone = matches!(code, "ResourceNotFoundException" | "NoSuchBucket");
        let needs_person = self == Failure::Denied || is_gone;
        log_fault!(
            needs_person,
            &format!("{operation} {code}"),
            operation,
            code,
            "an AWS call failed; the caller decides whether to retry"
        );
    }

    /// The class of an error code of SQS, S3, KMS or DynamoDB.
    pub(crate) fn named(code: &str) -> Failure {
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
            | "AWS.SimpleQueueService.AccessDenied"
            | "AllAccessDisabled"
            | "AuthFailure"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "InvalidSecurity"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "NotAuthorized"
            | "SignatureDoesNotMatch"
            | "UnauthorizedOperation"
            | "UnrecognizedClientException"
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
    use crate::telemetry::Level;
    use crate::telemetry::tests::logged;

    #[test]
    fn an_unknown_code_counts_as_unavailable() {
        assert_eq!(Failure::named("SlowDown"), Failure::Throttled);
        assert_eq!(Failure::named("AccessDenied"), Failure::Denied);
        assert_eq!(Failure::named("InternalError"), Failure::Unavailable);
    }

    #[test]
    fn o6_a_denied_call_of_any_service_is_an_error_once() {
        let calls = [
            ("o6 dynamodb.Query", "AccessDeniedException", "ERROR"),
            ("o6 dynamodb.Query", "AccessDeniedException", "WARN"),
            ("o6 s3.PutObject", "AccessDenied", "ERROR"),
            ("o6 kms.Decrypt", "KMSInvalidStateException", "ERROR"),
            ("o6 sqs.SendMessageBatch", "KmsAccessDenied", "ERROR"),
            ("o6 sqs.SendMessageBatch", "InvalidClientTokenId", "ERROR"),
            ("o6 dynamodb.Query", "ResourceNotFoundException", "ERROR"),
            ("o6 s3.PutObject", "NoSuchBucket", "ERROR"),
            ("o6 dynamodb.Query", "ThrottlingException", "WARN"),
            ("o6 dynamodb.Query", "InternalServerError", "WARN"),
        ];
        for (operation, code, level) in calls {
            let lines = logged(Level::Info, || Failure::named(code).log(operation, code));
            assert_eq!(lines[0]["level"], level, "{operation} {code}");
        }
    }
}
