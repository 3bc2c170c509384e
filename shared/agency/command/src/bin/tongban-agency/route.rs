//! What stands in the way to a host, and how to remove it.

use agency::AgencyConfig;
use agency::network::{Obstacle, is_loopback};
use reqwest::Url;

/// ", by the proxy …" when a proxy is on the way to a URL.
pub(crate) fn by(config: &AgencyConfig, url: &Url) -> String {
    config.network.proxy_for(url).map_or(String::new(), |proxy| format!(", by the proxy {proxy}"))
}

/// The remedy for an obstacle on the way to a URL.
pub(crate) fn remedy(config: &AgencyConfig, url: &Url, obstacle: Obstacle) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let proxy = config.network.proxy_for(url);
    match (obstacle, proxy) {
        (Obstacle::UnknownAuthority, _) => format!(
            "TLS is opened on the way, by a proxy or a firewall: exempt {host}, or set ca_bundle to a PEM file with the \
             authority of the inspection"
        ),
        (Obstacle::Certificate, _) => {
            format!(
                "compare the address with the operator's, and set this machine's clock: the certificate of {host} does not fit"
            )
        }
        (Obstacle::ProxyCredentials, Some(proxy)) => {
            format!("give user and password to the proxy {proxy}, as http://USER:PASSWORD@HOST:PORT")
        }
        (Obstacle::ProxyRefused, Some(proxy)) => {
            format!("let {host}:{port} through the proxy {proxy}, or name {host} in NO_PROXY")
        }
        (_, Some(proxy)) => format!(
            "the proxy {proxy} is in the way: check that it runs and lets {host}:{port} through, or name {host} in NO_PROXY"
        ),
        (_, None) if is_loopback(url) => at_this_machine(config, port),
        (_, None) => format!(
            "let this machine reach {host}:{port} (DNS, firewall); behind a proxy set HTTPS_PROXY, which is not set for \
             this host"
        ),
    }
}

/// The remedy when the address of a hub on this machine is not, or is no longer, that of a hub.
pub(crate) fn at_this_machine(config: &AgencyConfig, port: u16) -> String {
    format!(
        "start the hub there (`cargo run -- up --port {port}`); a hub on another port writes its addresses into this kit \
         with `cargo run -- agency kit {} --out FOLDER --renew --port PORT`",
        config.agency
    )
}
