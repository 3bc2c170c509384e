//! The way to the hub, the queue and the links: the proxy of the environment, and the certificate authorities to trust.
//! Every client of this crate goes this way, so that `doctor` sees what a consumer sees.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Certificate, ClientBuilder, NoProxy, Proxy, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, RootCertStore};
use thiserror::Error;

/// This machine, which no proxy reaches; added to `NO_PROXY`.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";
/// Most links of an error's chain that are read.
const CHAIN: usize = 16;

/// Whether a URL's host is this machine (RFC 6761 section 6.3 counts every name under `localhost`).
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.ends_with(".localhost")
            || address.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
            || address.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// A proxy and the variable that names it. Shows neither user nor password.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedProxy {
    variable: &'static str,
    url: Url,
}

impl fmt::Display for NamedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.url.port_or_known_default().unwrap_or_default();
        write!(f, "{}:{port} ({})", self.url.host_str().unwrap_or_default(), self.variable)
    }
}

impl fmt::Debug for NamedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The proxies, and the authorities that sign the certificates of hub, queue and links.
#[derive(Clone, Debug, Default)]
pub struct Network {
    http: Option<NamedProxy>,
    https: Option<NamedProxy>,
    no_proxy: String,
    /// PEM, instead of the system's authorities.
    authorities: Option<Vec<u8>>,
}

impl Network {
    /// Reads `https_proxy`, `http_proxy` and `no_proxy`, or the same names in capitals. As in curl, the small letters
    /// win.
    ///
    /// # Errors
    /// The names of the variables whose value is not the address of an HTTP proxy.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Network, Vec<&'static str>> {
        let given = |names: [&'static str; 2]| {
            let value = |name: &'static str| {
                let value = variable(name)?.trim().to_owned();
                (!value.is_empty()).then_some((name, value))
            };
            names.into_iter().find_map(value)
        };
        let mut wrong = Vec::new();
        let mut proxy = |names| {
            let (variable, text) = given(names)?;
            let text = if text.contains("://") { text } else { format!("http://{text}") };
            let url = Url::parse(&text).ok().filter(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.host_str().is_some_and(|host| !host.is_empty())
            });
            if url.is_none() {
                wrong.push(variable);
            }
            Some(NamedProxy { variable, url: url? })
        };
        let https = proxy(["https_proxy", "HTTPS_PROXY"]);
        let http = proxy(["http_proxy", "HTTP_PROXY"]);
        let except = given(["no_proxy", "NO_PROXY"]).map_or(String::new(), |(_, rules)| rules + ",");
        if wrong.is_empty() {
            Ok(Network { http, https, no_proxy: except + THIS_MACHINE, authorities: None })
        } else {
            Err(wrong)
        }
    }

    /// The same way, trusting only the authorities of this PEM text.
    ///
    /// # Errors
    /// A short phrase: the text holds no certificate, or one that cannot be read.
    pub fn with_authorities(mut self, pem: Vec<u8>) -> Result<Network, &'static str> {
        const UNREADABLE: &str = "the file has a certificate that cannot be read";
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|_| UNREADABLE)?;
            store.add(certificate).map_err(|_| UNREADABLE)?;
        }
        if store.is_empty() {
            return Err("the file holds no certificate in PEM (-----BEGIN CERTIFICATE-----)");
        }
        self.authorities = Some(pem);
        Ok(self)
    }

    /// The proxy on the way to a URL.
    #[must_use]
    pub fn proxy_for(&self, url: &Url) -> Option<&NamedProxy> {
        let proxy = if url.scheme() == "http" { self.http.as_ref() } else { self.https.as_ref() }?;
        let proxies = Matcher::builder().all(proxy.url.to_string()).no(self.no_proxy.clone()).build();
        let intercepted = url.as_str().parse().ok().and_then(|url| proxies.intercept(&url));
        (!is_loopback(url) && intercepted.is_some()).then_some(proxy)
    }

    /// The proxy on the way to a URL, as the HTTP client of the AWS SDK takes it.
    pub(crate) fn sdk_proxy_for(&self, url: &Url) -> aws_smithy_http_client::proxy::ProxyConfig {
        use aws_smithy_http_client::proxy::ProxyConfig;
        let proxy = self.proxy_for(url).and_then(|proxy| ProxyConfig::all(proxy.url.as_str()).ok());
        proxy.unwrap_or_else(ProxyConfig::disabled)
    }

    /// The configured authorities in PEM; `None` trusts the system's.
    pub(crate) fn authorities(&self) -> Option<&[u8]> {
        self.authorities.as_deref()
    }

    /// Lets an HTTP client go this way.
    pub(crate) fn apply(&self, mut builder: ClientBuilder) -> reqwest::Result<ClientBuilder> {
        builder = builder.no_proxy();
        let except = NoProxy::from_string(&self.no_proxy);
        for (proxy, kind) in [
            (&self.http, Proxy::http as fn(Url) -> reqwest::Result<Proxy>),
            (&self.https, Proxy::https as fn(Url) -> reqwest::Result<Proxy>),
        ] {
            if let Some(proxy) = proxy {
                builder = builder.proxy(kind(proxy.url.clone())?.no_proxy(except.clone()));
            }
        }
        if let Some(pem) = &self.authorities {
            builder = builder.tls_certs_only(Certificate::from_pem_bundle(pem)?);
        }
        Ok(builder)
    }
}

/// What stopped a request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Obstacle {
    /// As under TLS inspection.
    #[error("the certificate is from an authority that this machine does not trust")]
    UnknownAuthority,
    /// Another name, expired, or not valid yet.
    #[error("the certificate is not valid for this host and this time")]
    Certificate,
    /// The proxy answered 407.
    #[error("the proxy requires a user and a password (407)")]
    ProxyCredentials,
    /// The proxy answered the request for a tunnel with another status.
    #[error("the proxy refused the connection to this host")]
    ProxyRefused,
    /// DNS does not know the name, or does not answer.
    #[error("the name cannot be resolved")]
    Name,
    /// Nothing listens at the address, or a firewall refuses.
    #[error("the connection was refused")]
    Refused,
    /// A firewall that drops packets looks so, too.
    #[error("there was no answer in time")]
    Timeout,
    /// The connection failed in another way.
    #[error("the connection failed or ended before an answer")]
    Broken,
}

impl Obstacle {
    /// Reads the obstacle from an error and its causes.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Obstacle {
        let mut next = Some(error);
        let mut found = None;
        for _ in 0..CHAIN {
            let Some(cause) = next else { break };
            // The innermost cause says the most.
            found = Obstacle::of_one(cause).or(found);
            let inside = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = match inside {
                Some(inside) => Some(inside),
                None => cause.source(),
            };
        }
        found.unwrap_or(Obstacle::Broken)
    }

    fn of_one(error: &(dyn Error + 'static)) -> Option<Obstacle> {
        match error.downcast_ref() {
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                return Some(Obstacle::UnknownAuthority);
            }
            Some(rustls::Error::InvalidCertificate(_)) => return Some(Obstacle::Certificate),
            _ => {}
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::ConnectionRefused => return Some(Obstacle::Refused),
                io::ErrorKind::TimedOut => return Some(Obstacle::Timeout),
                _ => {}
            }
        }
        // The types of these errors are private to the HTTP client.
        let text = error.to_string();
        match text.strip_prefix("tunnel error: ") {
            Some("proxy authorization required") => Some(Obstacle::ProxyCredentials),
            Some("unsuccessful") => Some(Obstacle::ProxyRefused),
            Some(_) => None,
            None if text.starts_with("dns error") => Some(Obstacle::Name),
            None if text == "operation timed out" => Some(Obstacle::Timeout),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests;
