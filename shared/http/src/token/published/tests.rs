#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::jose::{KeyUse, PrivateKey, sign};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use protocol::web_address::WebAddressError;

use super::*;
use crate::token::{Caller, Issuers, IssuersError, TokenError};
use platform::config::Mode;

const NOW: i64 = 1_772_413_200;
const ISSUER: &str = "https://login.example";
const URL: &str = "https://login.example/jwks.json";

/// A fake issuer. It counts the fetches, and does not answer while `published` is `None`.
#[derive(Clone, Default)]
struct FakeIssuer {
    published: Arc<Mutex<Option<Vec<Value>>>>,
    fetches: Arc<AtomicUsize>,
}

impl FakeIssuer {
    fn publish(&self, keys: &[&PrivateKey]) {
        let keys = keys.iter().map(|key| key.public().to_jwk().unwrap()).collect();
        *self.published.lock().unwrap() = Some(keys);
    }

    fn stop(&self) {
        *self.published.lock().unwrap() = None;
    }

    fn issuers(&self) -> Issuers {
        let issuer = self.clone();
        let fetch: Fetch = Arc::new(move |url| {
            assert_eq!(url, URL);
            issuer.fetches.fetch_add(1, Ordering::Relaxed);
            let keys = issuer.published.lock().unwrap().clone();
            let answer = keys.map(|keys| json!({ "keys": keys }).to_string().into_bytes());
            Box::pin(async move {
                tokio::task::yield_now().await;
                answer.ok_or(FetchError::NoAnswer)
            })
        });
        let rows = json!([{ "issuer": ISSUER, "audience": "tongban", "jwks_uri": URL }]);
        Issuers::parse_with(&rows.to_string(), Mode::Live, &fetch).unwrap()
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyUse::Signing).unwrap()
}

async fn at(issuers: &Issuers, seconds: i64, key: &PrivateKey) -> Result<Caller, TokenError> {
    let now = NOW + seconds;
    let claims = json!({ "iss": ISSUER, "aud": "tongban", "iat": now, "exp": now + 300, "tenant": "an-app" });
    issuers.verify(&sign("at+jwt", &claims, key).unwrap(), Timestamp::from_second(now).unwrap()).await
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_change() {
    let (issuer, old, new) = (FakeIssuer::default(), key(), key());
    let issuers = issuer.issuers();
    issuer.publish(&[&old]);
    for seconds in [0, 1, 599] {
        assert!(at(&issuers, seconds, &old).await.is_ok());
    }
    assert_eq!(issuer.fetches(), 1, "keys are not fetched for every token");
    issuer.publish(&[&old, &new]);
    assert!(at(&issuers, 599, &new).await.is_ok(), "an unknown key causes a fetch");
    assert_eq!(issuer.fetches(), 2);
    // Tokens with unknown keys cause at most one fetch in ten seconds.
    for _ in 0..100 {
        assert_eq!(at(&issuers, 608, &key()).await, Err(TokenError::UnknownKey));
    }
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(at(&issuers, 609, &key()).await, Err(TokenError::UnknownKey));
    assert_eq!(issuer.fetches(), 3);
    issuer.publish(&[&new]);
    assert!(at(&issuers, 1_208, &old).await.is_ok());
    assert_eq!(at(&issuers, 1_209, &old).await, Err(TokenError::UnknownKey), "a removed key is rejected");
}

#[tokio::test]
async fn cached_keys_are_used_for_a_day_while_the_issuer_is_down() {
    let (issuer, key) = (FakeIssuer::default(), key());
    let issuers = issuer.issuers();
    issuer.stop();
    for _ in 0..100 {
        assert_eq!(at(&issuers, 0, &key).await, Err(TokenError::NoKeys));
    }
    assert_eq!(issuer.fetches(), 1, "a failed fetch is not repeated during the cooldown");
    issuer.publish(&[&key]);
    assert!(at(&issuers, 10, &key).await.is_ok());
    issuer.stop();
    assert!(at(&issuers, 3_600, &key).await.is_ok());
    assert!(at(&issuers, 24 * 3_600, &key).await.is_ok());
    assert_eq!(at(&issuers, 24 * 3_600 + 11, &key).await, Err(TokenError::NoKeys));
    let fetches = issuer.fetches();
    assert_eq!(
        (at(&issuers, 24 * 3_600 + 12, &key).await, issuer.fetches()),
        (Err(TokenError::NoKeys), fetches)
    );
    issuer.publish(&[]);
    assert_eq!(
        at(&issuers, 24 * 3_600 + 22, &key).await,
        Err(TokenError::NoKeys),
        "an empty JWKS counts as a failed fetch"
    );
}

/// Requests during the first fetch wait for its result.
#[tokio::test]
async fn concurrent_requests_share_one_fetch() {
    let (issuer, key) = (FakeIssuer::default(), key());
    issuer.publish(&[&key]);
    let issuers = issuer.issuers();
    let all = futures_util::future::join_all((0..20).map(|_| at(&issuers, 0, &key))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn an_issuers_key_verifies_only_that_issuers_tokens() {
    let (issuer, key) = (FakeIssuer::default(), key());
    issuer.publish(&[&key]);
    let issuers = issuer.issuers();
    let claims = json!({
        "iss": "https://other.example", "aud": "tongban", "iat": NOW, "exp": NOW + 300, "tenant": "an-app",
    });
    let token = sign("at+jwt", &claims, &key).unwrap();
    let refused = issuers.verify(&token, Timestamp::from_second(NOW).unwrap()).await;
    assert_eq!((refused, issuer.fetches()), (Err(TokenError::NotForUs), 0));
}

#[test]
fn a_jwks_uri_is_https() {
    let rows = |url: &str| json!([{ "issuer": ISSUER, "audience": "a", "jwks_uri": url }]).to_string();
    let parse = |url: &str, mode| Issuers::parse(&rows(url), mode).err();
    assert_eq!(parse(URL, Mode::Live), None);
    assert_eq!(parse("http://127.0.0.1:80/jwks", Mode::Local), None);
    for (url, mode) in [
        ("http://127.0.0.1:80/jwks", Mode::Live),
        ("http://login.example/jwks", Mode::Local),
        ("http://127.0.0.1.example:80/", Mode::Local),
        ("ftp://login.example", Mode::Live),
    ] {
        assert_eq!(parse(url, mode), Some(IssuersError::Address(WebAddressError::Scheme)), "{url}");
    }
    // I12 and I13: the reason is that of a subscription's URL.
    for (url, reason) in [
        ("https://user:word@login.example.cn/jwks", WebAddressError::User),
        ("https://login..example/jwks", WebAddressError::Host),
        ("https://login.example:65536/jwks", WebAddressError::Port),
        ("https://login.example/jwks#keys", WebAddressError::Fragment),
        ("https://", WebAddressError::Malformed),
        ("https://login.example/密钥", WebAddressError::Characters),
    ] {
        assert_eq!(parse(url, Mode::Live), Some(IssuersError::Address(reason)), "{url}");
    }
    let row =
        |tenant: &str| json!({ "issuer": ISSUER, "audience": "a", "jwks_uri": URL, "tenants": [tenant] });
    assert_eq!(
        Issuers::parse(&json!([row("a"), row("b")]).to_string(), Mode::Live).err(),
        Some(IssuersError::Twice)
    );
    let both = json!([{ "issuer": ISSUER, "audience": "a", "jwks_uri": URL, "keys": [{}] }]);
    assert_eq!(Issuers::parse(&both.to_string(), Mode::Live).err(), Some(IssuersError::Shape));
}

/// Answers every connection with these bytes; `endless` repeats them until the client closes.
async fn server(answer: &'static str, endless: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _request = stream.read(&mut [0; 2048]).await;
            while stream.write_all(answer.as_bytes()).await.is_ok() && endless {}
        }
    });
    url
}

#[tokio::test]
async fn a_fetch_over_http_is_bounded() {
    let fetch = over_http();
    let valid = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", false).await;
    assert_eq!(fetch(valid.clone()).await, Ok(b"{}".to_vec()));
    let failing = server("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", false).await;
    assert_eq!(fetch(failing).await, Err(FetchError::Status(500)));
    let redirecting =
        server("HTTP/1.1 302 Go\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", false).await;
    assert_eq!(fetch(redirecting).await, Err(FetchError::Status(302)));
    let endless =
        server("HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n                        ", true).await;
    assert_eq!(fetch(endless).await, Err(FetchError::TooLarge));
    assert_eq!(fetch("http://127.0.0.1:1/".to_owned()).await, Err(FetchError::NoAnswer));
}
