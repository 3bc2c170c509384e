//! The place of a hub: this machine, or a real account.

/// The place where a hub runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubPlace {
    /// On this machine.
    Here {
        /// Port of the local AWS on 127.0.0.1.
        port: u16,
    },
    /// In a real AWS account.
    Account {
        region: String,
        /// Profile of the AWS configuration. `None` uses the default credential chain.
        profile: Option<String>,
    },
}

/// A hub: the place where it runs and the name of its stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubLocation {
    pub stack: String,
    pub place: HubPlace,
}
