//! Which URLs may be subscribed.

use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;
use platform::config::Mode;

/// https at port 443 to a host by name; on a developer's machine http to a loopback address too. Where the name leads is
/// checked when it is called, for it may change.
pub(super) fn acceptable(url: &str, mode: Mode) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>().ok();
    // What looks like a number may be read as an address by a resolver: 0x7f.1, 2130706433.
    let named = host.contains('.')
        && host.rsplit('.').next().is_some_and(|last| last.starts_with(char::is_alphabetic));
    let plain = !authority.as_str().contains('@') && !url.contains('#');
    let usual = authority.port_u16().is_none_or(|port| port == 443);
    let public = *scheme == Scheme::HTTPS && usual && address.is_none() && named;
    let local = mode == Mode::Local && address.is_some_and(|address| address.is_loopback());
    let http = *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
    plain && (public || (local && http))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_goes_to_https_by_name() {
        for url in ["https://app.example.cn/hooks", "https://app.example.cn:443/h?a=b"] {
            assert!(acceptable(url, Mode::Live), "{url}");
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
            assert!(!acceptable(url, Mode::Live), "{url}");
        }
    }

    #[test]
    fn a_developers_machine_may_be_called_on_itself_alone() {
        assert!(acceptable("http://127.0.0.1:4000/hooks", Mode::Local));
        assert!(acceptable("http://[::1]:4000/hooks", Mode::Local));
        for url in ["http://localhost:4000/", "http://10.0.0.1/", "http://app.example.cn/"] {
            assert!(!acceptable(url, Mode::Local), "{url}");
        }
    }
}
