//! The tools for a developer of an app backend: tokens, a listener, applications from a file, and the guide.
//!
//! All tests share one local AWS and one running agency. The commands are real processes, with the documented
//! arguments.

mod fixture;
mod reference;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use domain::catalogue::Service;
use serde_json::Value;
use tongban::apply::Form;
use tongban_tests::repository::{root, text};
use tongban_tests::size::runs_in_full_form;

use crate::fixture::{Running, fixture, output_text};

const FIRST_CARD: &str = "shared/apps/examples/first-card.toml";

fn run(words: &[&str], code: i32) -> String {
    output_text(fixture().tongban(words).output().expect("the command"), code)
}

#[test]
fn a_token_has_the_requested_scope_and_nothing_else_is_printed() {
    let token = run(&["token", "--tenant", "apps-token", "--scopes", "applications:read", "--hours", "1"], 0);
    assert_eq!(token.trim().split('.').count(), 3, "{token}");
    assert_eq!(token.lines().count(), 1, "{token}");
    let status_of = |path: &str, method: &str| {
        let curl = "curl -sS -o /dev/null -w '%{http_code}' -H \"Authorization: Bearer $TOKEN\"";
        let script = format!(
            "eval \"$(cargo run --quiet -- token --scopes applications:read --export)\"\n\
             {curl} -H 'Idempotency-Key: a' -X {method} \"$URL{path}\""
        );
        output_text(fixture().shell(&script).output().expect("a shell"), 0)
    };
    assert_eq!(status_of("/v1/applications", "GET"), "200");
    assert_eq!(status_of("/v1/subscriptions", "GET"), "403", "the token has one scope");
    for (wrong, why) in [
        (["--hours", "25"], "25 is not in 1..=24"),
        (["--hours", "0"], "0 is not in 1..=24"),
        (["--scopes", "everything"], "unknown scope"),
        (["--tenant", "A B"], "a tenant has 1 to 64"),
    ] {
        let printed = run(&["token", wrong[0], wrong[1]], 2);
        assert!(printed.contains(why), "{printed}");
    }
    assert!(run(&["token", "--port", "1"], 1).contains("no hub answers on port 1"));
    assert!(run(&["token", "--stack", "other"], 1).contains("there is no stack other"));
}

#[tokio::test]
async fn an_application_from_a_file_is_followed_and_calls_back() {
    let log = fixture().file("listen.log");
    let words = ["listen", "--listen-port", "0", "--tenant", "apps-file", "--json"];
    let listener = Running::start(fixture().tongban(&words), &log);
    let human = fixture().tongban(&["listen", "--listen-port", "0", "--tenant", "apps-file"]);
    let human = Running::start(human, &fixture().file("human.log"));
    let listening = human.wait_for_line(&["Listening for apps-file"]).await;
    let address = listening.rsplit(' ').next().expect("an address");
    let forged =
        format!("curl -sS -o /dev/null -w '%{{http_code}}' -H 'webhook-id: a:1' -d '{{}}' {address}");
    assert_eq!(output_text(fixture().shell(&forged).output().expect("a shell"), 0), "401");
    human.wait_for_line(&["forged"]).await;
    // The listener with JSON output prints nothing before its first callback, so the test waits until the hub lists
    // both.
    let both = "eval \"$(cargo run --quiet -- token --tenant apps-file --export)\"\n\
                curl -sS -H \"Authorization: Bearer $TOKEN\" \"$URL/v1/subscriptions\"";
    let subscribed = || {
        let listed = output_text(fixture().shell(both).output().expect("a shell"), 0);
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        listed["subscriptions"].as_array().expect("a list").len()
    };
    let two = || std::future::ready((subscribed() == 2).then_some(()));
    tongban_tests::until::until("two subscriptions", std::time::Duration::from_secs(60), two).await;

    let words = ["apply", "first_identity_card", "--file", FIRST_CARD, "--tenant", "apps-file"];
    let printed = run(&words, 0);
    let id = printed.lines().find_map(|line| line.strip_prefix("id     ")).expect("an id").to_owned();
    assert!(printed.contains("sent   household_register"), "{printed}");
    assert!(!printed.contains("stage  draft") && printed.contains("stage  "), "{printed}");
    let again = run(&words, 0);
    assert!(
        again.contains(&id) && !again.contains("sent "),
        "the same file created another application: {again}"
    );

    for stage in ["dispatched", "received", "signed", "ready"] {
        let kind = format!("\"application.{stage}\"");
        let line = listener.wait_for_line(&[&kind, &id]).await;
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&line["verified"], line["stage"].as_str()), (&Value::Bool(true), Some(stage)));
    }
    human.wait_for_line(&["ok", "application.ready", &id]).await;
    assert!(listener.end().await && human.end().await, "a listener failed");
    assert_eq!(subscribed(), 0, "subscriptions after the end of the listeners");
}

#[tokio::test]
async fn events_are_followed_in_order() {
    let words = ["apply", "first_identity_card", "--file", FIRST_CARD, "--tenant", "apps-follow", "--follow"];
    let follower = Running::start(fixture().tongban(&words), &fixture().file("follow.log"));
    follower.wait_for_line(&["待领取 ready", "北京市 Beijing"]).await;
    let output_text = follower.output_text();
    let at = |word: &str| output_text.find(word).unwrap_or_else(|| panic!("{word}: {output_text}"));
    assert!(
        at("opened") < at("已提交 submitted") && at("已提交 submitted") < at("已接收 received"),
        "{output_text}"
    );
    assert!(follower.end().await, "the follower failed");
}

#[test]
fn every_wrong_field_is_reported_with_its_line() {
    let wrong = text(FIRST_CARD)
        .replace("\"110105200601158110\"", "\"110105200601158111\"")
        .replace("commitment = true", "commitment = false")
        .replace("documents/", &format!("{}/documents/", root().join("shared/apps/examples").display()));
    let form = fixture().file("wrong.toml");
    fs::write(&form, wrong).expect("a file");
    let form = form.display().to_string();
    let printed = run(&["apply", "first_identity_card", "--file", &form], 3);
    assert!(printed.contains("wrong.toml:11: /applicant/identity_number"), "{printed}");
    assert!(printed.contains("wrong.toml:7: /commitment"), "{printed}");
    let printed =
        run(&["apply", "household_transfer", "--file", "shared/apps/examples/household-certificate.json"], 2);
    assert!(printed.contains("is for another service"), "{printed}");
    let printed =
        run(&["apply", "first_identity_card", "--file", FIRST_CARD, "--document", "diploma=README.md"], 2);
    assert!(printed.contains("requires no \"diploma\""), "{printed}");
}

/// The body that the guide sends with curl equals the body from the form file.
#[test]
fn both_forms_of_the_sample_are_equal() {
    let path = |name: &str| root().join("shared/apps/examples").join(name);
    let read = |service, name: &str| Form::read(service, &path(name), &[]).expect("a form");
    let request: Value =
        serde_json::from_str(&text("shared/apps/examples/first-card.request.json")).expect("JSON");
    assert_eq!(read(Service::named("first_identity_card").unwrap(), "first-card.toml").body, request);
    assert_eq!(
        read(Service::named("household_certificate").unwrap(), "household-certificate.json").documents.len(),
        2
    );
}

/// The guide's blocks in order, in one shell. The listener is a separate process, as in the second terminal.
#[tokio::test]
async fn the_guide_leads_from_a_token_to_the_first_callback() {
    if !runs_in_full_form("the app developer's guide, block by block") {
        return;
    }
    let page = text("shared/apps/DEVELOPING.md");
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::trim).collect();
    let [start, listen, rest @ ..] = blocks.as_slice() else { panic!("the guide has no commands") };
    assert_eq!((*start, *listen), ("cargo run", "cargo run --quiet -- listen"));
    let begun = Instant::now();
    let listener = fixture().shell(&format!("exec {listen}"));
    let listener = Running::start(listener, &fixture().file("page-listen.log"));
    listener.wait_for_line(&["Listening for demo-app"]).await;
    let (first, later) =
        rest.split_at(rest.iter().position(|block| block.contains("/events")).expect("a feed"));
    let state = fixture().file("page-state");
    let script =
        |blocks: &[&str]| format!("set -eu\n{}\nexport -p >'{}'", blocks.join("\n"), state.display());
    let mut shell = fixture().shell(&script(first));
    output_text(shell.output().expect("a shell"), 0);
    listener.wait_for_line(&["ok", "application.dispatched"]).await;
    let took = begun.elapsed();
    let id = variable(&state, "ID");
    listener.wait_for_line(&["application.ready", &id]).await;
    // A new shell reads the variables and defines the function again.
    let again = format!(". '{}'\n{}", state.display(), script(&[&rest[..1], later].concat()));
    output_text(fixture().shell(&again).output().expect("a shell"), 0);
    assert!(listener.end().await);
    #[allow(clippy::print_stdout, reason = "figures are for a reader")]
    {
        println!(
            "guide: {} blocks, {:.1} s from the receiver to the first callback",
            rest.len(),
            took.as_secs_f64()
        );
    }
}

/// The TypeScript example: its types come from the published description, it compiles, and the npm package
/// `standardwebhooks` verifies the hub's callbacks.
#[test]
fn a_backend_in_typescript_files_uploads_and_is_called_back() {
    if !runs_in_full_form("a backend in TypeScript with the package standardwebhooks") {
        return;
    }
    let node = fixture().node();
    let made = |program: &str, words: &[&str]| {
        let mut command = Command::new(node.program(program));
        output_text(command.args(words).current_dir(node.folder()).output().expect("a tool of Node"), 0)
    };
    let description = root().join("shared/protocol/contracts/app.openapi.json").display().to_string();
    made("openapi-typescript", &[&description, "--output", "hub.d.ts"]);
    made("tsc", &[]);
    let program = node.folder().join("app.js").display().to_string();
    let start = format!(
        "eval \"$(cargo run --quiet -- token --tenant apps-node --export)\"\n\
         node '{program}' shared/apps/examples/first-card.request.json ready \
         shared/apps/examples/documents/household-register.pdf shared/apps/examples/documents/proof-of-residence.jpg"
    );
    let printed = output_text(fixture().shell(&start).output().expect("a shell"), 0);
    assert_eq!(printed.matches("uploaded ").count(), 2, "{printed}");
    assert!(printed.contains("application.received ") && printed.contains("reached ready"), "{printed}");
    assert!(!printed.contains("refused"), "{printed}");
}

/// A variable that a shell exported.
fn variable(state: &Path, name: &str) -> String {
    let text = fs::read_to_string(state).expect("the shell's variables");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
    line.expect("the variable").trim_matches(['\'', '"']).to_owned()
}
