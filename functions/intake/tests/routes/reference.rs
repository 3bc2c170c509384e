//! The reference pages of a package, and of a package without them.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use axum::body::Body;
use http::Request;
use http_kit::testing::{Answer, Parts, TestHub};
use intake::handler::{Intake, routes};
use intake::reference::Reference;
use serde_json::json;

use crate::support::{agencies, new_hub};

/// A folder as in a package. It is small and stays in the temporary folder of the machine.
fn folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let made = FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("tongban-reference-{}", std::process::id()));
        let files = [
            ("page.html", "<!doctype html>apps"),
            ("page-agencies.html", "<!doctype html>agencies"),
            ("start.0a1b.js", "start()"),
            ("start.0a1b.js.gz", "compressed"),
            ("secret.json", "{}"),
        ];
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in files {
            fs::write(folder.join(name), content).unwrap();
        }
        folder
    });
    made.clone()
}

fn hub_with_reference() -> TestHub {
    TestHub::new(agencies(), |parts| {
        let Parts { hub, issuers, namespace, limits, .. } = parts;
        let intake = Intake::new(hub, issuers, namespace, json!({ "keys": [] }), limits);
        routes(intake.with_reference(Reference::in_folder(folder())))
    })
}

async fn read(hub: &TestHub, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request =
        headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    hub.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn pages_need_no_token_and_may_load_the_hubs_own_files_only() {
    let hub = hub_with_reference();
    for (path, content) in [("/docs", "apps"), ("/docs/agencies", "agencies")] {
        let page = read(&hub, path, &[]).await;
        assert_eq!(
            (page.status, page.bytes.as_slice()),
            (200, format!("<!doctype html>{content}").as_bytes())
        );
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers["cache-control"], "public, no-cache");
        assert_eq!(page.headers["referrer-policy"], "no-referrer");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        for (directive, source) in policy.split(';').map(|part| part.trim().split_once(' ').unwrap()) {
            let allowed = match directive {
                "script-src" | "style-src" | "connect-src" => "'self'",
                "img-src" => "'self' data:",
                _ => "'none'",
            };
            assert_eq!(source, allowed, "{directive}");
        }
        let tag = page.headers["etag"].to_str().unwrap().to_owned();
        let same = read(&hub, path, &[("if-none-match", &tag)]).await;
        assert_eq!((same.status, same.bytes.len()), (304, 0));
    }
}

#[tokio::test]
async fn a_file_is_compressed_for_those_who_take_it_and_kept_for_good() {
    let hub = hub_with_reference();
    let path = "/docs/start.0a1b.js";
    let plain = read(&hub, path, &[]).await;
    assert_eq!((plain.status, plain.bytes.as_slice()), (200, "start()".as_bytes()));
    assert_eq!(plain.headers["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(plain.headers["cache-control"], "public, max-age=31536000, immutable");
    assert!(!plain.headers.contains_key("content-encoding"));
    let compressed = read(&hub, path, &[("accept-encoding", "gzip, br")]).await;
    assert_eq!((compressed.status, compressed.bytes.as_slice()), (200, "compressed".as_bytes()));
    assert_eq!(compressed.headers["content-encoding"], "gzip");
    for answer in [&plain, &compressed] {
        assert_eq!(answer.headers["vary"], "accept-encoding");
    }
    assert_ne!(plain.headers["etag"], compressed.headers["etag"], "two codings have two tags");
    let tag = compressed.headers["etag"].to_str().unwrap();
    let same = read(&hub, path, &[("accept-encoding", "gzip"), ("if-none-match", tag)]).await;
    assert_eq!((same.status, same.bytes.len()), (304, 0));
    assert!(!same.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn no_other_file_is_served() {
    let hub = hub_with_reference();
    for name in [
        "secret.json",
        "start.0a1b.js.gz",
        "page.html",
        "page-agencies.html",
        "other",
        "other.js",
        "..",
        "%2e%2e",
        "..%2fpage.html",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "start.0a1b.js%00.css",
        "START.0A1B.JS",
    ] {
        let answer = read(&hub, &format!("/docs/{name}"), &[]).await;
        assert_eq!((answer.status, &answer.body["type"]), (404, &json!("/problems/not_found")), "{name}");
    }
    let without = read(&new_hub(), "/docs", &[("accept-language", "en")]).await;
    assert_eq!(without.status, 404);
    let detail = without.body["detail"].as_str().unwrap();
    assert!(detail.contains("Node") && detail.contains("/v1/openapi.json"), "{detail}");
}
