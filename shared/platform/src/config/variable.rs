//! The environment variables of the functions.

/// A variable that only some functions have.
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
    /// `ID_SECRET`: secret from which application ids are derived, base64url, at least 32 bytes. Never rotated, because
    /// a new secret would give a repeated request a new id.
    IdSecret,
    /// `TOKEN_ISSUERS`: the accepted issuers of access tokens (JSON).
    TokenIssuers,
    /// `REQUESTS_PER_MINUTE`: rate limit of a tenant's requests.
    RequestsPerMinute,
    /// `APPLICATIONS_PER_DAY`: rate limit of a tenant's new applications.
    ApplicationsPerDay,
    /// `HUB_SIGNING_KEY`: private P-256 JWK that signs the messages to agencies.
    HubSigningKey,
    /// `HUB_KEYS`: public JWK set of the keys that verify these messages, the current key first.
    HubKeys,
    /// `LAMBDA_TASK_ROOT`: the folder of `agencies.json`.
    Agencies,
}

impl Variable {
    /// Name of the environment variable.
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
            Variable::IdSecret => "ID_SECRET",
            Variable::TokenIssuers => "TOKEN_ISSUERS",
            Variable::RequestsPerMinute => "REQUESTS_PER_MINUTE",
            Variable::ApplicationsPerDay => "APPLICATIONS_PER_DAY",
            Variable::HubSigningKey => "HUB_SIGNING_KEY",
            Variable::HubKeys => "HUB_KEYS",
            Variable::Agencies => "LAMBDA_TASK_ROOT",
        }
    }
}
