#![allow(clippy::unwrap_used, reason = "tests")]

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use protocol::jose::{KeyUse, PrivateKey};
use serde_json::json;

use super::*;
use crate::testing::test_server;

fn key(usage: KeyUse) -> (String, Value) {
    let key = PrivateKey::generate(usage).unwrap();
    (key.public().kid().to_owned(), key.public().to_jwk().unwrap())
}

fn fetched(url: &str, min_interval: Duration) -> HubKeys {
    let url: Url = url.parse().unwrap();
    HubKeys::fetched(http_client(&url, &crate::network::Network::default()).unwrap(), url, min_interval)
}

fn kids(keys: &[PublicKey]) -> Vec<&str> {
    keys.iter().map(PublicKey::kid).collect()
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_for_a_new_kid() {
    let ((first, first_jwk), (second, second_jwk)) = (key(KeyUse::Signing), key(KeyUse::Signing));
    let encryption = key(KeyUse::Encryption).1;
    let old = json!({ "keys": [first_jwk.clone(), encryption, { "kty": "RSA", "n": "AQAB", "e": "AQAB" }] });
    let new = json!({ "keys": [second_jwk, first_jwk] });
    let (url, requests) =
        test_server(move |turn, _| Json(if turn == 0 { old.clone() } else { new.clone() }).into_response())
            .await;
    let keys = fetched(&format!("{url}/{JWKS}"), Duration::ZERO);
    for _ in 0..3 {
        assert_eq!(kids(&keys.current().await.unwrap()), [first.as_str()]);
        assert_eq!(kids(&keys.containing(&first).await.unwrap()), [first.as_str()]);
    }
    assert_eq!(requests.lock().unwrap().len(), 1);
    assert_eq!(kids(&keys.containing(&second).await.unwrap()), [second.as_str(), first.as_str()]);
    let requests = requests.lock().unwrap();
    assert_eq!((requests.len(), requests[1].path.as_str()), (2, "/.well-known/jwks.json"));
}

#[tokio::test]
async fn concurrent_lookups_of_an_unknown_kid_share_one_fetch() {
    let (known, jwk) = key(KeyUse::Signing);
    let (url, requests) = test_server(move |_, _| Json(json!({ "keys": [jwk] })).into_response()).await;
    let keys = fetched(&url, MIN_INTERVAL);
    let found = futures_util::future::join_all((0..20).map(|_| keys.containing("nobody's"))).await;
    assert!(found.iter().all(|found| kids(found.as_ref().unwrap()) == [known.as_str()]));
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_failed_fetch_is_reported_and_not_repeated_at_once() {
    let (url, requests) = test_server(|_, _| StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    let keys = fetched(&url, MIN_INTERVAL);
    let Err(HubKeysError::Fetch(HubClientError::Unavailable { .. })) = keys.current().await else {
        panic!("unavailable");
    };
    assert!(matches!(keys.containing("k").await, Err(HubKeysError::RecentlyFailed)));
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_invalid_key_set_is_an_error_and_does_not_replace_the_known_set() {
    let (known, jwk) = key(KeyUse::Signing);
    let mut private = PrivateKey::generate(KeyUse::Signing).unwrap().to_jwk().unwrap();
    private["use"] = "sig".into();
    let answers = move |turn: usize| -> Response {
        match turn {
            0 => Json(json!({ "keys": [jwk] })).into_response(),
            1 => "no set".into_response(),
            2 => Json(json!({ "keys": [] })).into_response(),
            3 => Json(json!({ "keys": [private] })).into_response(),
            _ => vec![b' '; 70_000].into_response(),
        }
    };
    let (url, requests) = test_server(move |turn, _| answers(turn)).await;
    let keys = fetched(&url, Duration::ZERO);
    keys.current().await.unwrap();
    for _ in 0..4 {
        assert!(matches!(
            keys.containing("new").await,
            Err(HubKeysError::Fetch(HubClientError::InvalidResponse))
        ));
        assert_eq!(kids(&keys.current().await.unwrap()), [known.as_str()]);
    }
    assert_eq!(requests.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn configured_keys_are_never_fetched() {
    let (kid, jwk) = key(KeyUse::Signing);
    let keys = HubKeys::fixed(vec![PublicKey::from_jwk(&jwk).unwrap()]);
    assert_eq!(kids(&keys.containing("another").await.unwrap()), [kid.as_str()]);
}
