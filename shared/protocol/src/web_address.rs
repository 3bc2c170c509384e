//! The one check of URLs from outside: callback URLs of subscriptions, key addresses of token issuers, the addresses in
//! an agency's configuration.
//!
//! The parser is that of the HTTP client, so that a URL names the same host here and when it is called. That parser
//! repairs what people mistype (`https:\\\\host`, tabs, missing slashes); this check refuses it, because other programs
//! repair it otherwise.

use std::net::IpAddr;

use thiserror::Error;
use url::{Host, ParseError, Url};

/// Maximum length of a host name (RFC 1035, section 2.3.4), without the final dot.
const HOST_CHARACTERS: usize = 253;
/// Maximum length of a label of a host name.
const LABEL_CHARACTERS: usize = 63;

/// What a URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The hub calls it for anybody who subscribes: https on port 443 to a host name.
    Callback,
    /// An operator or an agency has configured it: https to any host and port.
    Service,
}

/// Whether the URL may also lead to this machine, then on any port, also over http.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loopback {
    /// It may not.
    Refused,
    /// It may, by address, for example `http://127.0.0.1:4000`.
    ByAddress,
    /// It may, by address or by a name under `localhost` (RFC 6761, section 6.3).
    ByName,
}

/// Why a URL is refused. No reason repeats the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WebAddressError {
    /// The text is no absolute URL with a host.
    #[error("this is not a URL with a host")]
    Malformed,
    /// The text contains a space, a control character, a backslash or a character that is not ASCII.
    #[error(
        "a URL consists of visible ASCII characters; write a host in Punycode, everything else percent-encoded"
    )]
    Characters,
    /// The scheme is not https.
    #[error("the address must begin with https://")]
    Scheme,
    /// The URL has a user or a password.
    #[error("the address must not contain a user or a password")]
    User,
    /// The URL has a fragment.
    #[error("the address must not contain a fragment (#)")]
    Fragment,
    /// The host is an IP address.
    #[error("the address must name a host, not an IP address")]
    Address,
    /// The host is no full host name.
    #[error("the host is no full host name of labels of 1 to 63 letters, digits and inner hyphens")]
    Host,
    /// The port is not accepted.
    #[error("the port is not accepted")]
    Port,
}

impl WebAddressError {
    /// Every reason.
    pub const ALL: [WebAddressError; 8] = [
        WebAddressError::Malformed,
        WebAddressError::Characters,
        WebAddressError::Scheme,
        WebAddressError::User,
        WebAddressError::Fragment,
        WebAddressError::Address,
        WebAddressError::Host,
        WebAddressError::Port,
    ];

    /// Stable code, as a problem names it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            WebAddressError::Malformed => "url_malformed",
            WebAddressError::Characters => "url_characters",
            WebAddressError::Scheme => "url_scheme",
            WebAddressError::User => "url_user",
            WebAddressError::Fragment => "url_fragment",
            WebAddressError::Address => "url_address",
            WebAddressError::Host => "url_host",
            WebAddressError::Port => "url_port",
        }
    }
}

/// Checks a URL.
///
/// # Errors
/// Every reason for which the URL is refused.
pub fn check(text: &str, purpose: Purpose, loopback: Loopback) -> Result<(), Vec<WebAddressError>> {
    let reasons = reasons(text, purpose, loopback);
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

fn reasons(text: &str, purpose: Purpose, loopback: Loopback) -> Vec<WebAddressError> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return vec![WebAddressError::Characters];
    }
    let Some((scheme, rest)) = text.split_once("://") else { return vec![WebAddressError::Malformed] };
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(ParseError::InvalidPort) => return vec![WebAddressError::Port],
        Err(ParseError::EmptyHost | ParseError::RelativeUrlWithoutBase) => {
            return vec![WebAddressError::Malformed];
        }
        Err(_) => return vec![WebAddressError::Host],
    };
    // Three slashes would be repaired: `https:///host` is `https://host`.
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (false, Some(host)) = (authority.is_empty(), url.host()) else {
        return vec![WebAddressError::Malformed];
    };
    let is_local = is_loopback(&host, loopback);
    let is_http = is_local && scheme.eq_ignore_ascii_case("http");
    let is_named = match &host {
        Host::Domain(name) => is_host_name(name),
        Host::Ipv4(_) | Host::Ipv6(_) => false,
    };
    let is_address = !matches!(host, Host::Domain(_));
    let other_port = match purpose {
        Purpose::Callback => url.port().is_some_and(|port| port != 443),
        Purpose::Service => url.port() == Some(0),
    };
    let found = [
        (!is_http && !scheme.eq_ignore_ascii_case("https"), WebAddressError::Scheme),
        (authority.contains('@'), WebAddressError::User),
        (url.fragment().is_some(), WebAddressError::Fragment),
        (is_address && purpose == Purpose::Callback && !is_local, WebAddressError::Address),
        (!is_address && !is_named && !is_local, WebAddressError::Host),
        (other_port && !is_local, WebAddressError::Port),
    ];
    found.into_iter().filter(|(wrong, _)| *wrong).map(|(_, reason)| reason).collect()
}

fn is_loopback(host: &Host<&str>, loopback: Loopback) -> bool {
    match (host, loopback) {
        (_, Loopback::Refused) | (Host::Domain(_), Loopback::ByAddress) => false,
        (Host::Domain(name), Loopback::ByName) => *name == "localhost" || name.ends_with(".localhost"),
        (Host::Ipv4(address), _) => IpAddr::V4(*address).is_loopback(),
        (Host::Ipv6(address), _) => IpAddr::V6(*address).is_loopback(),
    }
}

/// Whether a name has at least two labels of letters, digits and inner hyphens. A name whose last label begins with a
/// digit may be read as an address.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_CHARACTERS).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= HOST_CHARACTERS
        && name.contains('.')
        && name.split('.').all(is_label)
        && last.starts_with(|first: char| first.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str, purpose: Purpose, loopback: Loopback) -> Vec<&'static str> {
        let reasons = check(text, purpose, loopback).err().unwrap_or_default();
        reasons.into_iter().map(WebAddressError::code).collect()
    }

    #[test]
    fn i12_each_url_that_is_refused_has_its_reason() {
        for (url, expected) in [
            ("https://app.example.cn:8443/", vec!["url_port"]),
            ("https://1.1.1.1/", vec!["url_address"]),
            ("https://[::1]/", vec!["url_address"]),
            ("https://[::ffff:169.254.169.254]/", vec!["url_address"]),
            ("https://2130706433/", vec!["url_address"]),
            ("https://0x7f.1/", vec!["url_address"]),
            ("https://user:word@app.example.cn/", vec!["url_user"]),
            ("https://@app.example.cn/", vec!["url_user"]),
            ("https://app.example.cn/#part", vec!["url_fragment"]),
            ("https://app.example.cn/#", vec!["url_fragment"]),
            ("http://app.example.cn/", vec!["url_scheme"]),
            ("ftp://app.example.cn/", vec!["url_scheme"]),
            ("https://localhost/", vec!["url_host"]),
            ("/hooks", vec!["url_malformed"]),
            ("app.example.cn", vec!["url_malformed"]),
            ("https:app.example.cn", vec!["url_malformed"]),
            ("https://", vec!["url_malformed"]),
            ("https:///app.example.cn/", vec!["url_malformed"]),
            ("https://:443/", vec!["url_malformed"]),
            ("https://例子.cn/", vec!["url_characters"]),
            ("https://app.example.cn/a b", vec!["url_characters"]),
            ("https://app.exa\tmple.cn/", vec!["url_characters"]),
            ("https:\\\\app.example.cn\\", vec!["url_characters"]),
            ("", vec!["url_malformed"]),
            ("ftp://u@1.2.3.4:21/#x", vec!["url_scheme", "url_user", "url_fragment", "url_address"]),
        ] {
            assert_eq!(refused(url, Purpose::Callback, Loopback::Refused), expected, "{url}");
        }
    }

    #[test]
    fn i13_a_port_or_a_host_that_cannot_be_is_refused() {
        let long = format!("https://{}.example.cn/", "a".repeat(64));
        let longer = format!("https://{}cn/", "abcdefg.".repeat(32));
        for (url, expected) in [
            ("https://x.y:65536/", "url_port"),
            ("https://x.y:0/", "url_port"),
            ("https://x.y:port/", "url_port"),
            ("https://a..b/", "url_host"),
            ("https://.a.b/", "url_host"),
            ("https://a.b./", "url_host"),
            ("https://-a.example.cn/", "url_host"),
            ("https://a-.example.cn/", "url_host"),
            ("https://a_b.example.cn/", "url_host"),
            ("https://app.1c/", "url_host"),
            ("https://a%20b.example.cn/", "url_host"),
            ("https://[::1/", "url_host"),
            (&long, "url_host"),
            (&longer, "url_host"),
        ] {
            for purpose in [Purpose::Callback, Purpose::Service] {
                assert_eq!(refused(url, purpose, Loopback::Refused), [expected], "{url} {purpose:?}");
            }
        }
    }

    #[test]
    fn what_is_accepted_depends_on_the_purpose() {
        for url in [
            "https://app.example.cn/hooks",
            "https://app.example.cn:443/h?a=b",
            "HTTPS://A.B/",
            "https://a.b",
        ] {
            for purpose in [Purpose::Callback, Purpose::Service] {
                assert_eq!(check(url, purpose, Loopback::Refused), Ok(()), "{url}");
            }
        }
        for url in ["https://issuer.example.cn:8443/keys", "https://10.0.0.7/keys"] {
            assert_eq!(check(url, Purpose::Service, Loopback::Refused), Ok(()), "{url}");
        }
        for url in ["http://127.0.0.1:4000/hooks", "http://[::1]:4000/hooks", "https://127.0.0.2:1/"] {
            for purpose in [Purpose::Callback, Purpose::Service] {
                assert_eq!(check(url, purpose, Loopback::ByAddress), Ok(()), "{url}");
            }
        }
        for url in ["http://hub.localhost:4566/x", "http://localhost:4566/x"] {
            assert_eq!(check(url, Purpose::Service, Loopback::ByName), Ok(()), "{url}");
        }
        let label = "a".repeat(63);
        let longest = format!("https://{label}.{label}.{label}.{}/", "a".repeat(61));
        assert_eq!(check(&longest, Purpose::Callback, Loopback::Refused), Ok(()), "253 characters");
        for url in ["http://localhost:4000/", "http://10.0.0.1/", "http://app.example.cn/"] {
            assert!(check(url, Purpose::Callback, Loopback::ByAddress).is_err(), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(https?://)?.{0,40}") {
            for purpose in [Purpose::Callback, Purpose::Service] {
                let _checked = check(&text, purpose, Loopback::ByName);
            }
        }
    }
}
