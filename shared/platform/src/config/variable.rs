//! The environment variables of the functions.

/// A variable that some functions have and others do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// `TABLE`: name of the applications table.
    Table,
    /// `SUBSCRIPTIONS_TABLE`: name of the settings table.
    SubscriptionsTable,
    /// `DELIVERIES_TABLE`: name of the table of deliveries.
    DeliveriesTable,
    /// `AGENCIES_TABLE`: name of the table of overrides of agencies.
    AgenciesTable,
    /// `BUCKET`: name of the documents bucket.
    Bucket,
    /// `KEY_ID`: ARN of the KMS key that encrypts documents and personal data.
    KeyId,
    /// `CALLBACK_QUEUE_URL`: queue of callbacks.
    CallbackQueueUrl,
    /// `DRAIN_QUEUE_URL`: queue of endpoints whose held callbacks may be due.
    DrainQueueUrl,
    /// `QUEUE_URL_PREFIX`: an agency's queue is this, its code and `.fifo`.
    QueueUrlPrefix,
    /// `QUARANTINE_QUEUE_URL`: queue of what the router sets aside.
    QuarantineQueueUrl,
    /// `ID_SECRET`: secret of the namespace that application ids are derived in, base64url, from 32 bytes.
    /// Never rotated.
    IdSecret,
    /// `TOKEN_ISSUERS`: whose access tokens are taken (JSON).
    TokenIssuers,
    /// `REQUESTS_PER_MINUTE`: requests of a tenant in a minute.
    RequestsPerMinute,
    /// `APPLICATIONS_PER_DAY`: new applications of a tenant in a day.
    ApplicationsPerDay,
    /// `HUB_SIGNING_KEY`: private P-256 JWK that signs cases and callbacks.
    HubSigningKey,
    /// `HUB_KEYS`: public JWK set of the keys that verify cases, the one in use first.
    HubKeys,
    /// `LAMBDA_TASK_ROOT`: where `agencies.json` lies.
    Agencies,
}

impl Variable {
    /// Its name in the environment.
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
