//! The linters of the contracts' ecosystems: AsyncAPI's parser with its rules, Redocly's strict ruleset for OpenAPI,
//! Ajv in strict mode for JSON Schema.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use tongban::node::NodeTools;
use tongban::terminal::Terminal;
use tongban::workspace::Workspace;
use tongban_tests::repository::root;

const FOLDER: &str = "shared/protocol/contracts";

/// The linters, installed once a run. The scripts are beside the packages that they import.
fn linters() -> &'static NodeTools {
    static LINTERS: OnceLock<NodeTools> = OnceLock::new();
    LINTERS.get_or_init(|| {
        let workspace = Workspace::find().expect("the repository");
        let _alone = workspace.lock().expect("the lock");
        let folder = format!("{FOLDER}/lint");
        let tools = NodeTools::install(&workspace, &folder, &Terminal::silent()).expect("the linters");
        for file in ["asyncapi.mjs", "schemas.mjs", "redocly.yaml"] {
            let from = root().join(&folder).join(file);
            fs::copy(from, tools.folder().join(file)).expect("a script beside its packages");
        }
        tools
    })
}

fn contract(name: &str) -> PathBuf {
    root().join(FOLDER).join(name)
}

fn node(script: &str, argument: PathBuf) -> Output {
    let tools = linters();
    Command::new("node").arg(tools.folder().join(script)).arg(argument).output().expect("node runs")
}

fn redocly(document: PathBuf) -> Output {
    let tools = linters();
    Command::new(tools.program("redocly"))
        .args(["lint", "--format=stylish", "--config"])
        .arg(tools.folder().join("redocly.yaml"))
        .arg(document)
        // Without these variables Redocly looks for updates and sends usage data.
        .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")
        .env("REDOCLY_TELEMETRY", "off")
        .output()
        .expect("redocly runs")
}

fn output_text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A copy of a contract with one text replaced.
fn broken_copy(name: &str, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(contract(name)).expect("the contract");
    assert!(text.contains(from), "{name} has no {from}");
    let path = linters().folder().join(format!("broken_copy-{name}"));
    fs::write(&path, text.replacen(from, to, 1)).expect("a file");
    path
}

#[test]
fn asyncapis_parser_accepts_the_queues() {
    let output = node("asyncapi.mjs", contract("agency.asyncapi.yaml"));
    assert!(output.status.success(), "{}", output_text(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["operations"], serde_json::json!(["sendReports", "takeCases"]));
    let messages = ["opened", "report", "restore_requested", "supplemented", "withdrawn"];
    assert_eq!(found["messages"], serde_json::json!(messages));
    let output =
        node("asyncapi.mjs", broken_copy("agency.asyncapi.yaml", "action: receive", "action: obtain"));
    assert!(!output.status.success(), "the linter accepts a broken contract: {}", output_text(&output));
}

#[test]
fn redocly_accepts_the_agencies_http_interface() {
    let output = redocly(contract("agency.openapi.yaml"));
    assert!(output.status.success(), "{}", output_text(&output));
    let output =
        redocly(broken_copy("agency.openapi.yaml", "operationId: linkDocument", "operationId: sendReport"));
    assert!(!output.status.success(), "the linter accepts a broken contract: {}", output_text(&output));
}

#[test]
fn redocly_accepts_the_interface_for_apps() {
    let output = redocly(contract("app.openapi.json"));
    assert!(output.status.success(), "{}", output_text(&output));
    let (from, to) = ("\"operationId\": \"listServices\"", "\"operationId\": \"readHealth\"");
    let output = redocly(broken_copy("app.openapi.json", from, to));
    assert!(!output.status.success(), "the linter accepts a broken contract: {}", output_text(&output));
}

#[test]
fn ajv_compiles_every_schema_and_accepts_every_example() {
    let output = node("schemas.mjs", contract(""));
    assert!(output.status.success(), "{}", output_text(&output));
    let counted: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(counted["compiled"], protocol::contracts::schemas().len());
    assert!(counted["examples"].as_u64().is_some_and(|count| count > 120), "{counted}");
}
