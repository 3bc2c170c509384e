//! Checks the callback URL of a subscription.

use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;
use platform::config::Mode;

/// Whether a callback URL is acceptable: https on port 443 to a host name; in [`Mode::Local`] also http to a loopback
/// address. The resolved address is checked at each connection, because it may change.
pub(crate) fn is_acceptable(url: &str, mode: Mode) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>().ok();
    // A resolver may read a host that looks like a number as an address: 0x7f.1, 2130706433.
    let is_name = host.contains('.')
        && host.rsplit('.').next().is_some_and(|last| last.starts_with(char::is_alphabetic));
    let plain = !authority.as_str().contains('@') && !url.contains('#');
    let default_port = authority.port_u16().is_none_or(|port| port == 443);
    let public = *scheme == Scheme::HTTPS && default_port && address.is_none() && is_name;
    let local = mode == Mode::Local && address.is_some_and(|address| address.is_loopback());
    let http = *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
    plain && (public || (local && http))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_hub_accepts_https_to_a_host_name_only() {
        for url in ["https://app.example.cn/hooks", "https://app.example.cn:443/h?a=b"] {
            assert!(is_acceptable(url, Mode::Live), "{url}");
        }
        for url in [
            "http://app.example.cn/",
            "https://app.example.cn:8443/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/latest",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://localhost/",
            "https://user:word@app.example.cn/",
            "https://app.example.cn/#part",
            "ftp://app.example.cn/",
            "/hooks",
            "app.example.cn",
            "https://",
            "https://例子.cn /",
        ] {
            assert!(!is_acceptable(url, Mode::Live), "{url}");
        }
    }

    #[test]
    fn a_local_hub_accepts_loopback_addresses_too() {
        assert!(is_acceptable("http://127.0.0.1:4000/hooks", Mode::Local));
        assert!(is_acceptable("http://[::1]:4000/hooks", Mode::Local));
        for url in ["http://localhost:4000/", "http://10.0.0.1/", "http://app.example.cn/"] {
            assert!(!is_acceptable(url, Mode::Local), "{url}");
        }
    }
}
