#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::*;
use crate::aws::SqsAccess;
use crate::hub_client::http_client;
use crate::queue::{QueueError, SqsQueue};

fn network(variables: &'static [(&str, &str)]) -> Result<Network, Vec<&'static str>> {
    Network::from_variables(|name| {
        variables.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned())
    })
}

fn shown(network: &Network, url: &str) -> Option<String> {
    network.proxy_for(&url.parse().unwrap()).map(ToString::to_string)
}

#[test]
fn a26_the_proxy_of_the_environment_is_used_but_never_for_this_machine() {
    let given = network(&[
        ("HTTPS_PROXY", "http://user:secret@proxy.example:3128"),
        ("http_proxy", "plain.example:80"),
        ("HTTP_PROXY", "http://other.example"),
        ("NO_PROXY", "inside.example, 10.0.0.0/8"),
    ])
    .unwrap();
    assert!(!format!("{given:?}").contains("secret"));
    let https = Some("proxy.example:3128 (HTTPS_PROXY)".to_owned());
    assert_eq!(shown(&given, "https://sqs.cn-north-1.amazonaws.com.cn/"), https);
    assert_eq!(shown(&given, "http://hub.example/"), Some("plain.example:80 (http_proxy)".to_owned()));
    for direct in [
        "https://inside.example/",
        "https://hub.inside.example/",
        "https://10.1.2.3/",
        "http://localhost:4580/",
        "http://a.execute-api.localhost:4580/",
        "http://127.0.0.1:4580/queue",
        "http://127.9.9.9/",
        "https://[::1]:4580/",
    ] {
        assert_eq!(shown(&given, direct), None, "{direct}");
    }
    assert_eq!(
        shown(&network(&[("HTTPS_PROXY", "p.example"), ("no_proxy", "*")]).unwrap(), "https://a.example/"),
        None
    );
    assert_eq!(shown(&network(&[]).unwrap(), "https://a.example/"), None);
}

#[test]
fn a26_every_wrong_proxy_is_named() {
    let wrong = network(&[
        ("HTTPS_PROXY", "socks5://proxy.example:1080"),
        ("http_proxy", "http://:3128"),
        ("no_proxy", "a b"),
    ]);
    assert_eq!(wrong.unwrap_err(), ["HTTPS_PROXY", "http_proxy"]);
    assert!(network(&[("HTTPS_PROXY", ""), ("http_proxy", " ")]).is_ok(), "empty is not set");
}

#[test]
fn a26_a_file_without_a_readable_authority_is_refused() {
    let pem =
        |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").into_bytes();
    for (text, reason) in [
        (Vec::new(), "no certificate"),
        (b"hello".to_vec(), "no certificate"),
        (pem("AAAA"), "cannot be read"),
        (pem("%%"), "cannot be read"),
    ] {
        let refused = Network::default().with_authorities(text).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}

/// A proxy that answers every request for a tunnel with this status line.
fn proxy(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap();
            assert!(head[..length].starts_with(b"CONNECT "), "no request for a tunnel");
            let _sent = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

/// Calls the hub and the queue by this proxy. Both must find the same obstacle.
async fn obstacle_behind(proxy: String) -> Obstacle {
    let network = Network::from_variables(|name| (name == "https_proxy").then(|| proxy.clone())).unwrap();
    let hub: Url = "https://hub.example.invalid/".parse().unwrap();
    let refused = http_client(&hub, &network).unwrap().get(hub).send().await.unwrap_err();
    let variables = |name: &str| name.starts_with("AWS_").then(|| "cn-north-1".to_owned());
    let mut access = SqsAccess::from_variables(variables).unwrap();
    access.endpoint = Some("https://sqs.example.invalid/".to_owned());
    let queue = SqsQueue::new(access.sqs(&network), "https://sqs.example.invalid/1/q.fifo");
    let at_hub = Obstacle::of(&refused);
    assert_eq!(queue.depth().await.unwrap_err(), QueueError::Unreachable(at_hub));
    at_hub
}

#[tokio::test]
async fn a26_hub_and_queue_are_called_by_the_same_proxy_and_its_refusal_is_named() {
    let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(obstacle_behind(proxy(answer)).await, Obstacle::ProxyCredentials);
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(obstacle_behind(proxy(answer)).await, Obstacle::ProxyRefused);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(obstacle_behind(format!("http://{closed}")).await, Obstacle::Refused);
}

#[test]
fn a26_an_authority_that_is_not_trusted_is_named() {
    let inside = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inside));
    assert_eq!(Obstacle::of(&wrapped), Obstacle::UnknownAuthority);
    let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
    assert_eq!(Obstacle::of(&io::Error::other(expired)), Obstacle::Certificate);
    assert_eq!(Obstacle::of(&io::Error::other("text")), Obstacle::Broken);
}
