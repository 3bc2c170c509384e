//! The commands of the docs, as they are written there. What starts or tests the whole hub is run by `.ci/run`.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use domain::ids::AgencyCode;
use serde_json::Value;
use tongban_tests::agency::{environment, program, settings, write_private};
use tongban_tests::repository::text;

use crate::test_hub::TestHub;

/// An agency that no other trial has work for.
const IDLE: &str = "52";

/// Commands that `.ci/run` runs, or that only differ from one it runs by going on until Ctrl-C.
const RUN_BY_CI: [&str; 4] = [
    "cargo run",
    "cargo test --workspace",
    "cargo run -- up",
    "cargo run -- deploy --stack tongban --region cn-north-1",
];

/// The app backend's first steps in the README, against the running hub.
pub(crate) async fn readme(test_hub: Arc<TestHub>) {
    let commands = commands("README.md");
    let token = test_hub.stack().token("docs-app", &["applications:read"]).expect("a token");
    let mut asked = 0;
    for command in &commands {
        if !command.starts_with("curl ") {
            let known = RUN_BY_CI.iter().any(|known| command.trim_end_matches(" --dry-run") == *known);
            assert!(known, "nobody runs {command:?}");
            continue;
        }
        asked += 1;
        let environment = [("URL", test_hub.api().to_owned()), ("TOKEN", token.clone())];
        let output = shell(Path::new("."), &command.replacen("curl", "curl -sS --fail", 1), environment);
        let body: Value = serde_json::from_slice(&output.stdout).expect("an answer in JSON");
        assert!(body.is_object(), "{command}: {body}");
    }
    assert!(asked >= 2, "the README shows how to ask");
}

/// An agency's first steps, in a folder of its own.
pub(crate) async fn agency_readme(test_hub: Arc<TestHub>) {
    let folder = test_hub.folder().join("docs");
    std::fs::create_dir(&folder).expect("a folder");
    let code: AgencyCode = IDLE.parse().expect("an agency code");
    test_hub.sits_at(&code).await;
    let settings = toml::to_string(&settings(test_hub.stack(), &code)).expect("settings as TOML");
    write_private(&folder.join("agency.toml"), &settings);
    let programs = program().parent().expect("a folder").display().to_string();
    let mut run = Vec::new();
    for command in commands("shared/agency/README.md") {
        let word = command.split(' ').nth(1).expect("a command").to_owned();
        // It works until it is stopped: every journey here runs it.
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
