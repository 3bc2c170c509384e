//! Addresses and accounts of the local AWS, and the HTTP client that reaches them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::ids::AgencyCode;

/// Address of the local AWS on a port.
pub(crate) fn endpoint_of(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Address of an HTTP API of the local AWS for clients that resolve no name below `.localhost`.
pub(crate) fn url_by_number(endpoint: &str, api: &str) -> String {
    format!("{endpoint}/_aws/execute-api/{api}/$default")
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
