//! Schemathesis against a local hub: it reads the served description and sends valid and invalid requests to every
//! operation, also along the links, as two app backends that must not see each other's data.
//!
//! `schemathesis.toml` holds the settings, and every check is on. The short form of the tests uses fewer examples.

#![allow(clippy::print_stdout, reason = "figures are for a reader")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use tokio::process::Command;
use tongban::local::{LocalOptions, LocalStack};
use tongban::python::Tools;
use tongban::secrets::SCOPES;
use tongban::terminal::Terminal;
use tongban::workspace::Workspace;
use tongban_tests::description::with_problem_types;
use tongban_tests::hub::start_hub;
use tongban_tests::progress::say;
use tongban_tests::repository::{root, text};
use tongban_tests::size::runs_in_full_form;

const FOLDER: &str = "tests/tests/fuzz";
/// Two app backends.
const TENANTS: [&str; 2] = ["fuzz-app", "other-app"];
/// The phases of schemathesis. All must have run.
const PHASES: [&str; 4] = ["examples", "coverage", "fuzzing", "stateful"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_as_described() {
    if !runs_in_full_form("schemathesis asks every operation of the described API") {
        return;
    }
    let options = LocalOptions {
        port: 0,
        stack: "tongban-fuzz".to_owned(),
        wake_rate: "rate(1 day)".to_owned(),
        log_level: "warn".to_owned(),
        ..LocalOptions::default()
    };
    let stack = start_hub(options).await.expect("a hub");
    let run = Run::prepare(&stack).await;
    say(&format!("schemathesis asks every operation: {}", PHASES.join(", ")));
    let output = run.run_schemathesis(&stack).await;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    run.assert_success();
}

/// One run and its folder, which is removed at the end.
struct Run {
    folder: PathBuf,
    tools: Tools,
}

impl Run {
    async fn prepare(stack: &LocalStack) -> Run {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let workspace = Workspace::find().expect("the repository");
        let tools = {
            let _alone = workspace.lock().expect("the lock");
            Tools::install(&workspace, &format!("{FOLDER}/requirements.txt"), &Terminal::silent())
        };
        let run = Run { folder, tools: tools.expect("schemathesis") };
        run.put("openapi.json", &description(stack).await.to_string());
        run.put("tokens.json", &tokens(stack).to_string());
        run.put("hooks.py", &text(&format!("{FOLDER}/hooks.py")));
        let tenants = json!(TENANTS);
        let auth = format!("auth.wfc = {{ path = \"tokens.json\", peers = {tenants} }}\n");
        run.put("schemathesis.toml", &(auth + &text(&format!("{FOLDER}/schemathesis.toml"))));
        run
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).expect("a file");
    }

    async fn run_schemathesis(&self, stack: &LocalStack) -> Output {
        Command::new(self.tools.program("st"))
            .args([
                "run",
                "openapi.json",
                "--phases",
                &PHASES.join(","),
                "--report",
                "json",
                "--report-json-path",
                "report.json",
                "--url",
            ])
            .arg(stack.api_url_by_number().expect("the address of the API"))
            .current_dir(&self.folder)
            .env("NO_COLOR", "1")
            .kill_on_drop(true)
            .output()
            .await
            .expect("schemathesis runs")
    }

    /// Asserts that every phase ran, every operation was tested, and no check failed.
    fn assert_success(&self) {
        let report = fs::read_to_string(self.folder.join("report.json")).expect("a report");
        let report: Value = serde_json::from_str(&report).expect("JSON");
        for phase in PHASES {
            assert_eq!(report["phases"][phase]["status"], "success", "{phase}: {}", report["phases"]);
        }
        let (operations, cases) = (&report["operations"], &report["test_cases"]);
        let described = tongban_tests::description::operations().len();
        assert_eq!((&operations["total"], &operations["tested"]), (&json!(described), &json!(described)));
        assert!(cases["generated"].as_u64().is_some_and(|count| count > 1_000), "{cases}");
        assert_eq!((&report["failures"], &report["errors"]), (&json!([]), &json!([])));
        println!(
            "schemathesis {}: {} operations, {} cases in {:.0} s, no failure",
            report["schemathesis_version"].as_str().unwrap_or_default(),
            operations["tested"],
            cases["generated"],
            report["running_time"].as_f64().unwrap_or_default(),
        );
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The served description, which must equal the checked-in file. The OAuth 2.0 scheme is replaced by a bearer token,
/// because schemathesis tests requests without a token only for the latter.
async fn description(stack: &LocalStack) -> Value {
    let url = format!("{}/v1/openapi.json", stack.api_url().expect("the address of the API"));
    let served = stack.http().get(url).send().await.expect("an answer").text().await.expect("a text");
    assert_eq!(served, text("shared/protocol/contracts/app.openapi.json"), "under {}", root().display());
    let mut document = with_problem_types(serde_json::from_str(&served).expect("JSON"));
    document["components"]["securitySchemes"]["token"] = json!({ "type": "http", "scheme": "bearer" });
    document
}

/// Both tenants' tokens, as schemathesis reads them.
fn tokens(stack: &LocalStack) -> Value {
    let users = TENANTS.map(|tenant| {
        let token = stack.token(tenant, &SCOPES).expect("a token");
        let header = json!({ "name": "Authorization", "value": format!("Bearer {token}") });
        json!({ "name": tenant, "fixedHeaders": [header] })
    });
    json!({ "auth": users })
}
