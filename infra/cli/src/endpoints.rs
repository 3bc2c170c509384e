//! Addresses and accounts of the local AWS, and the HTTP client that reaches them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::ids::AgencyCode;
use sha2::{Digest as _, Sha256};

/// Address of the local AWS on a port.
pub(crate) fn endpoint_of(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Address of an HTTP API of the local AWS for clients that resolve no name below `.localhost`.
pub(crate) fn url_by_number(endpoint: &str, api: &str) -> String {
    format!("{endpoint}/_aws/execute-api/{api}/$default")
}

/// The id of a stack's HTTP API on the local AWS: 8 hexadecimal digits, the same at each start. So the addresses in kits
/// and shells stay right when the hub starts again on its port.
pub(crate) fn local_api_id(stack: &str) -> String {
    let digest = Sha256::digest(stack.as_bytes());
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The AWS account of an agency on the local AWS: its code, padded with zeros to 12 digits.
#[must_use]
pub fn account_of(code: &AgencyCode) -> String {
    format!("{:0<12}", code.to_string())
}

/// An HTTP client. With an API id and a port, the client resolves the API's name below `.localhost`: not every system
/// resolves such names.
pub(crate) fn http_client(api: Option<(&str, u16)>) -> Result<reqwest::Client> {
    // The call fails without effect when a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60));
    if let Some((id, port)) = api {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        builder = builder.resolve(&format!("{id}.execute-api.localhost"), address);
    }
    builder.build().context("the HTTP client cannot be created")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a23_a_stack_has_one_address_at_every_start() {
        let id = local_api_id("tongban");
        assert_eq!(id, local_api_id("tongban"));
        assert_ne!(id, local_api_id("tongban-demo"));
        // The local AWS accepts no other id in a host name.
        assert!(id.len() == 8 && id.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f')), "{id}");
    }
}
