//! Runs the commands of the READMEs as written. `.ci/run` runs the commands that start or test the complete hub.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use domain::ids::AgencyCode;
use serde_json::Value;
use tongban_tests::agency::{environment, program, settings, write_private};
use tongban_tests::repository::text;

use crate::test_hub::TestHub;

/// An agency for which no other trial creates cases.
const IDLE: &str = "52";

/// Commands that `.ci/run` runs, commands that differ from those only by running until Ctrl-C, and the one that the guide
/// for apps has as well: `TONGBAN_TESTS=full` runs that guide.
const RUN_BY_CI: [&str; 5] = [
    "cargo run",
    "cargo test --workspace",
    "cargo run -- up",
    "cargo run -- deploy --stack tongban --region cn-north-1",
    "eval \"$(cargo run --quiet -- token --export)\"",
];

/// The app backend's first steps in the README, against the running hub.
pub(crate) async fn readme(test_hub: Arc<TestHub>) {
    let commands = commands("README.md");
    let token = test_hub.stack().token("docs-app", &["applications:read"]).expect("a token");
    let mut requests = 0;
    for command in &commands {
        if !command.starts_with("curl ") {
            let known = RUN_BY_CI.iter().any(|known| command.trim_end_matches(" --dry-run") == *known);
            assert!(known, "no test runs {command:?}");
            continue;
        }
        requests += 1;
        let environment = [("URL", test_hub.api().to_owned()), ("TOKEN", token.clone())];
        let output = shell(Path::new("."), &command.replacen("curl", "curl -sS --fail", 1), environment);
        let body: Value = serde_json::from_slice(&output.stdout).expect("an answer in JSON");
        assert!(body.is_object(), "{command}: {body}");
    }
    assert!(requests >= 2, "the README shows requests");
}

/// An agency's first steps in its README, in a new folder.
pub(crate) async fn agency_readme(test_hub: Arc<TestHub>) {
    let folder = test_hub.folder().join("docs");
    std::fs::create_dir(&folder).expect("a folder");
    let code: AgencyCode = IDLE.parse().expect("an agency code");
    test_hub.allot_to_trial(&code).await;
    let settings = toml::to_string(&settings(test_hub.stack(), &code)).expect("settings as TOML");
    write_private(&folder.join("agency.toml"), &settings);
    let programs = program().parent().expect("a folder").display().to_string();
    let mut run = Vec::new();
    for command in commands("shared/agency/README.md") {
        let word = command.split(' ').nth(1).expect("a command").to_owned();
        // `simulate` runs until it is stopped. Other trials run it.
        let command = if word == "simulate" { format!("{command} --script list") } else { command };
        let path = ("PATH", format!("{programs}:/usr/bin:/bin"));
        let output = shell(&folder, &command, environment(test_hub.stack(), &code).into_iter().chain([path]));
        assert!(matches!(output.status.code(), Some(0 | 4)), "{command}: {output:?}");
        run.push(word);
    }
    assert_eq!(run, ["keygen", "doctor", "pull", "cases", "resend", "simulate"]);
}

/// The commands of a page's shell blocks, without their comments.
fn commands(page: &str) -> Vec<String> {
    let text = text(page);
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(|line| line.split("  #").next().unwrap_or(line).trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn shell<'a>(
    folder: &Path,
    command: &str,
    environment: impl IntoIterator<Item = (&'a str, String)>,
) -> Output {
    Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .envs(environment)
        .stdin(Stdio::null())
        .output()
        .expect("a shell")
}
