//! The reference pages: what they load and allow, and what a browser shows.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use protocol::operations;
use serde_json::Value;
use tongban::node::NodeTools;
use tongban::terminal::Terminal;
use tongban::workspace::Workspace;
use tongban_tests::size::runs_in_full_form;

use crate::fixture::fixture;

/// Chromium and what drives it.
const BROWSER: &str = "tests/tests/apps/browser";
/// Greatest size of what a page loads, compressed, in bytes.
const PAGE_BYTES: usize = 700_000;
/// An operation with parameters, a body and examples.
const UNFOLDED: &str = "createApplication";

fn browser() -> NodeTools {
    let workspace = Workspace::find().expect("the repository");
    let _alone = workspace.lock().expect("a lock");
    let tools = NodeTools::install(&workspace, BROWSER, &Terminal::silent()).expect("packages of Node");
    let program = workspace.text(&format!("{BROWSER}/reference.mjs")).expect("the program");
    fs::write(tools.folder().join("reference.mjs"), program).expect("a file");
    tools
}

/// Status line with headers, in lower case, and body of an address, fetched by curl with these options.
fn fetch(options: &[&str], address: &str) -> (String, Vec<u8>) {
    let output = Command::new("curl").args(["-sS", "-i"]).args(options).arg(address).output().expect("curl");
    assert!(output.status.success(), "{address}: {}", String::from_utf8_lossy(&output.stderr));
    let end =
        output.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the end of the headers");
    let (headers, body) = output.stdout.split_at(end + 4);
    (String::from_utf8_lossy(headers).to_lowercase(), body.to_vec())
}

/// The local addresses between quotes after `src=` and `href=`.
fn named(page: &str) -> Vec<&str> {
    let parts = ["src=\"", "href=\""].into_iter().flat_map(|begin| page.split(begin).skip(1));
    parts.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_reference_loads_only_files_of_the_hub_that_a_cache_may_keep() {
    let url = fixture().url();
    for (page, base) in [("docs", ""), ("docs/agencies", "docs/")] {
        let (headers, body) = fetch(&["--compressed"], &format!("{url}/{page}"));
        let text = String::from_utf8(body).expect("UTF-8");
        assert!(headers.contains("content-type: text/html; charset=utf-8"), "{headers}");
        assert!(headers.contains("content-encoding: gzip") && headers.contains("vary: accept-encoding"));
        for needed in
            ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"]
        {
            assert!(headers.contains(needed), "{needed}: {headers}");
        }
        assert!(!headers.contains("unsafe-") && !headers.contains("https:"), "{headers}");
        assert!(headers.contains("x-content-type-options: nosniff"), "{headers}");
        assert!(headers.contains("referrer-policy: no-referrer"), "{headers}");
        // No inline code and no style, and no address of another host.
        assert_eq!(text.matches("<script").count(), text.matches("<script src=").count(), "{text}");
        assert!(!text.contains("<style") && !text.contains(" style=") && !text.contains("//"), "{text}");
        let mut size = 0;
        // The other links lead to pages and to the description.
        let files = named(&text)
            .into_iter()
            .filter(|name| [".js", ".css", ".yaml", ".txt"].iter().any(|ending| name.ends_with(ending)));
        for name in files {
            let address = format!("{url}/{base}{name}");
            let (headers, compressed) = fetch(&["-H", "Accept-Encoding: gzip"], &address);
            assert!(headers.starts_with("http/1.1 200"), "{name}: {headers}");
            assert!(headers.contains("cache-control: public, max-age=31536000, immutable"), "{headers}");
            assert!(headers.contains("content-encoding: gzip"), "{headers}");
            size += compressed.len();
            let (plain_headers, plain) = fetch(&[], &address);
            assert!(
                !plain_headers.contains("content-encoding") && plain.len() > compressed.len() / 2,
                "{name}"
            );
            let tag = headers.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").trim();
            let known = format!("If-None-Match: {tag}");
            let (headers, _) = fetch(&["-H", "Accept-Encoding: gzip", "-H", &known], &address);
            assert!(headers.starts_with("http/1.1 304"), "{headers}");
        }
        assert!((10_000..PAGE_BYTES).contains(&size), "{page} loads {size} bytes");
    }
    let (headers, _) = fetch(&[], &format!("{url}/docs/..%2fbootstrap"));
    assert!(headers.starts_with("http/1.1 404"), "{headers}");
}

/// No error in the console, no violation of the policy, no request to another host, also when the page's own address
/// names one. Part of the full form only: it installs Chromium (120 MB).
#[test]
fn the_reference_shows_every_operation_in_a_browser_that_reaches_no_other_host() {
    if !runs_in_full_form("the reference pages in Chromium") {
        return;
    }
    let (tools, url) = (browser(), fixture().url());
    let folder = fixture().file("browser");
    fs::create_dir_all(&folder).expect("a folder");
    let other = "https://other.example/openapi.json";
    let mut node = Command::new("node");
    node.arg(tools.folder().join("reference.mjs")).arg(&folder).arg(UNFOLDED);
    node.args([
        format!("{url}/docs"),
        format!("{url}/docs/agencies"),
        format!("{url}/docs?url={other}&configUrl={other}"),
    ]);
    // The package unpacks Chromium, and with this variable the libraries that it needs, into the temporary folder.
    node.env("TMPDIR", &folder).env("AWS_LAMBDA_JS_RUNTIME", "nodejs22.x");
    let output = node.output().expect("node");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let pages: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"));
    let ids = |operations: &[&operations::operation::Operation]| {
        operations.iter().map(|operation| operation.id.to_owned()).collect::<BTreeSet<_>>()
    };
    let agencies = ids(operations::agencies::OPERATIONS);
    let all: BTreeSet<String> = operations::all().map(|operation| operation.id.to_owned()).collect();
    let apps: BTreeSet<String> = all.difference(&agencies).cloned().collect();
    for (page, wanted) in pages.iter().zip([&apps, &agencies, &apps]) {
        let address = &page["address"];
        for empty in ["errors", "violations", "blocked"] {
            assert_eq!(page[empty], serde_json::json!([]), "{address}: {empty}");
        }
        assert_eq!((page["status"].as_u64(), page["buttons"].as_u64()), (Some(200), Some(0)), "{address}");
        let shown = page["operations"].as_array().expect("operations");
        let shown: BTreeSet<String> = shown.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        assert_eq!(&shown, wanted, "{address}");
        assert!(page["rules"].as_array().is_some_and(|rules| rules.len() == 2 && !rules.contains(&0.into())));
        assert_eq!(page["current"].as_array().map(Vec::len), Some(1), "{page}");
        let links = page["links"].as_array().expect("links").iter().filter_map(Value::as_str);
        for link in links {
            let (headers, _) = fetch(&[], link);
            assert!(headers.starts_with("http/1.1 200"), "{address}: {link}: {headers}");
        }
    }
    let unfolded = pages[0]["unfolded"].as_str().unwrap_or_default();
    assert!(unfolded.contains("Idempotency-Key") && unfolded.contains("household_register"), "{unfolded}");
}
