//! The names of the settings, and the problems of a setting.

/// The names of all settings in a configuration file. The environment variable `TONGBAN_<NAME>`, in capitals, overrides
/// the file.
pub const SETTINGS: [&str; 13] = [
    "agency",
    "queue_url",
    "reports_queue_url",
    "reports_by",
    "hub_url",
    "hub_keys",
    "signing_key",
    "encryption_keys",
    "inbox",
    "ca_bundle",
    "wait_seconds",
    "visibility_seconds",
    "concurrency",
];

/// The settings that are whole numbers.
pub(super) const NUMBERS: [&str; 3] = ["wait_seconds", "visibility_seconds", "concurrency"];

/// One problem of the configuration. Never contains a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The setting or the file.
    pub name: String,
    /// A short phrase that names the cause.
    pub problem: String,
}
