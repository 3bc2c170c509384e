//! The settings of the functions: environment variables, and files beside the binary.

/// A setting that only some functions have. Whatever grows with agencies, issuers or keys is a file of the function's
/// package, because Lambda allows 4 KB for the environment. A secret is in neither: the environment names where it is
/// stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// `TABLE`: name of the applications table.
    Table,
    /// `SUBSCRIPTIONS_TABLE`: name of the subscriptions table.
    SubscriptionsTable,
    /// `DELIVERIES_TABLE`: name of the table of deliveries.
    DeliveriesTable,
    /// `AGENCIES_TABLE`: name of the table of agency overrides.
    AgenciesTable,
    /// `BUCKET`: name of the documents bucket.
    Bucket,
    /// `KEY_ID`: ARN of the KMS key that encrypts documents and personal data.
    KeyId,
    /// `CALLBACK_QUEUE_URL`: queue of callbacks.
    CallbackQueueUrl,
    /// `DRAIN_QUEUE_URL`: queue of drain messages, which start the delivery of stored callbacks.
    DrainQueueUrl,
    /// `QUEUE_URL_PREFIX`: the URL of an agency's queue is this prefix, the agency's code and `.fifo`.
    QueueUrlPrefix,
    /// `QUARANTINE_QUEUE_URL`: queue of the stream records that the router cannot read.
    QuarantineQueueUrl,
    /// `REPORTS_QUEUE_URL`: queue of the agencies' reports.
    ReportsQueueUrl,
    /// `ID_SECRET_ARN`: where the secret is stored from which application ids are derived, base64url, at least 32
    /// bytes. Never rotated, because a new secret would give a repeated request a new id.
    IdSecret,
    /// `PERSON_INDEX_KEY_ARN`: where the key of the person index is stored, base64url, at least 32 bytes. The version
    /// before the last rotation is read, too.
    PersonIndexKey,
    /// `REQUESTS_PER_MINUTE`: rate limit of a tenant's requests.
    RequestsPerMinute,
    /// `APPLICATIONS_PER_DAY`: rate limit of a tenant's new applications.
    ApplicationsPerDay,
    /// `HUB_SIGNING_KEY_ARN`: where the private P-256 JWK is stored that signs the messages to agencies.
    HubSigningKey,
    /// `hub-keys.json`: public JWK set of the keys that verify these messages, the current key first.
    HubKeys,
    /// `token-issuers.json`: the accepted issuers of access tokens.
    TokenIssuers,
    /// `agencies.json`: the agencies as they were deployed.
    Agencies,
}

impl Variable {
    /// Name of the environment variable or of the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Variable::Table => "TABLE",
            Variable::SubscriptionsTable => "SUBSCRIPTIONS_TABLE",
            Variable::DeliveriesTable => "DELIVERIES_TABLE",
            Variable::AgenciesTable => "AGENCIES_TABLE",
            Variable::Bucket => "BUCKET",
            Variable::KeyId => "KEY_ID",
            Variable::CallbackQueueUrl => "CALLBACK_QUEUE_URL",
            Variable::DrainQueueUrl => "DRAIN_QUEUE_URL",
            Variable::QueueUrlPrefix => "QUEUE_URL_PREFIX",
            Variable::QuarantineQueueUrl => "QUARANTINE_QUEUE_URL",
            Variable::ReportsQueueUrl => "REPORTS_QUEUE_URL",
            Variable::IdSecret => "ID_SECRET_ARN",
            Variable::PersonIndexKey => "PERSON_INDEX_KEY_ARN",
            Variable::TokenIssuers => "token-issuers.json",
            Variable::RequestsPerMinute => "REQUESTS_PER_MINUTE",
            Variable::ApplicationsPerDay => "APPLICATIONS_PER_DAY",
            Variable::HubSigningKey => "HUB_SIGNING_KEY_ARN",
            Variable::HubKeys => "hub-keys.json",
            Variable::Agencies => "agencies.json",
        }
    }

    /// Whether the setting is a file in the folder that `LAMBDA_TASK_ROOT` names.
    pub(super) fn is_file(self) -> bool {
        matches!(self, Variable::HubKeys | Variable::TokenIssuers | Variable::Agencies)
    }
}
