//! Clients generated from the contracts: the generators take every contract without a warning of ours to fix, every
//! operation and model is there under a name of its own, and a generated client works at a running hub.
//!
//! The generators run in the full form only. What is not compiled is said on standard error, with the reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use tongban::local::LocalOptions;
use tongban::node::NodeTools;
use tongban::python::Tools;
use tongban::secrets::SCOPES;
use tongban::terminal::Terminal;
use tongban::workspace::Workspace;
use tongban_tests::description::operations;
use tongban_tests::hub::start_hub;
use tongban_tests::people::Citizen;
use tongban_tests::progress::say;
use tongban_tests::repository::{root, text};
use tongban_tests::size::runs_in_full_form;

const FOLDER: &str = "tests/tests/clients";
const CONTRACTS: &str = "shared/protocol/contracts";
const APP: &str = "app.openapi.json";
const AGENCY: &str = "agency.openapi.yaml";
/// Where the compiler of TypeScript is pinned.
const TYPESCRIPT: &str = "shared/apps/node";

/// The generators, installed once a run.
fn generators() -> &'static Tools {
    static GENERATORS: OnceLock<Tools> = OnceLock::new();
    GENERATORS.get_or_init(|| {
        let workspace = Workspace::find().expect("the repository");
        let _alone = workspace.lock().expect("the lock");
        say("installing the generators");
        Tools::install(&workspace, &format!("{FOLDER}/requirements.txt"), &Terminal::silent())
            .expect("the generators")
    })
}

fn typescript() -> NodeTools {
    let workspace = Workspace::find().expect("the repository");
    let _alone = workspace.lock().expect("the lock");
    NodeTools::install(&workspace, TYPESCRIPT, &Terminal::silent()).expect("packages of Node")
}

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clients-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program of the generators, which finds the others (a formatter) on its path.
fn generator(name: &str) -> Command {
    let tools = generators();
    let mut command = Command::new(tools.program(name));
    let others = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{others}", tools.programs().display())).env("NO_COLOR", "1");
    command
}

fn contract(name: &str) -> PathBuf {
    root().join(CONTRACTS).join(name)
}

/// What a command printed, when it succeeded.
fn printed(mut command: Command) -> String {
    let output = command.output().expect("the command starts");
    let text = all_printed(&output);
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

fn all_printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The client of openapi-python-client, in this folder.
fn python_client(folder: &Path) -> PathBuf {
    let client = folder.join("client");
    let mut command = generator("openapi-python-client");
    command.args(["generate", "--fail-on-warning", "--path"]).arg(contract(APP));
    command.arg("--output-path").arg(&client);
    let printed = printed(command);
    assert!(!printed.to_lowercase().contains("warning"), "{printed}");
    client
}

/// `readProblem` as `read_problem`.
fn snake(name: &str) -> String {
    let signs = name.chars().flat_map(|sign| {
        let before = sign.is_ascii_uppercase().then_some('_');
        before.into_iter().chain([sign.to_ascii_lowercase()])
    });
    signs.collect()
}

fn operation_ids() -> Vec<String> {
    let id = |said: &Value| said["operationId"].as_str().expect("an id").to_owned();
    operations().iter().map(|operation| id(&operation.said)).collect()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Whether a generator invented a name: it counts, or it says where in the document the schema stood.
fn is_invented(name: &str) -> bool {
    let lower = name.to_lowercase().replace('_', "");
    name.ends_with(|sign: char| sign.is_ascii_digit())
        || ["inline", "anonymous", "oneof", "anyof", "allof"].iter().any(|word| lower.contains(word))
}

/// Case K1 of `tests/FIELD_CASES.md`.
#[test]
fn openapi_python_client_generates_every_operation_without_a_warning() {
    if !runs_in_full_form("openapi-python-client") {
        return;
    }
    let folder = Folder::new("python");
    let client = python_client(&folder.0);
    let files = files(&client);
    let stems: Vec<&str> = files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    for id in operation_ids() {
        assert!(stems.contains(&snake(&id).as_str()), "{id} is not generated");
    }
    let models = files.iter().filter(|file| file.parent().is_some_and(|parent| parent.ends_with("models")));
    for model in models {
        let name = model.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        assert!(!is_invented(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_client_files_an_application_uploads_reads_and_lists() {
    if !runs_in_full_form("a generated client at a running hub") {
        return;
    }
    let options = LocalOptions {
        port: 0,
        stack: "tongban-clients".to_owned(),
        log_level: "warn".to_owned(),
        ..LocalOptions::default()
    };
    let stack = start_hub(options).await.expect("a hub");
    let folder = Folder::new("files");
    let client = python_client(&folder.0);
    let mut command = Command::new(generators().python());
    command.arg(root().join(FOLDER).join("file_application.py"));
    command.arg(stack.api_url_by_number().expect("the address of the API"));
    command.arg(stack.token("generated-client", &SCOPES).expect("a token"));
    command.arg(Citizen::aged(20).json().to_string());
    command.arg(root().join("shared/apps/examples/documents")).env("PYTHONPATH", &client);
    let printed = tokio::task::spawn_blocking(|| printed(command)).await.expect("the client");
    let told: Value = serde_json::from_str(printed.trim()).expect("JSON");
    assert_eq!(told["documents"], 2, "{told}");
    assert_ne!(told["stage"], "draft", "{told}");
}

/// One target of openapi-generator.
struct Target {
    name: &'static str,
    /// An operation's id, as the language writes the name of its method.
    method: fn(&str) -> String,
    compile: fn(&Path) -> Result<(), String>,
}

const PYTHON: Target = Target { name: "python", method: snake, compile: compile_python };
const TYPESCRIPT_FETCH: Target =
    Target { name: "typescript-fetch", method: str::to_owned, compile: compile_typescript };
const JAVA: Target = Target { name: "java", method: str::to_owned, compile: compile_java };
const GO: Target = Target { name: "go", method: capital, compile: compile_go };
const KOTLIN: Target = Target { name: "kotlin", method: str::to_owned, compile: compile_kotlin };

fn capital(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

/// Imports every module of the client.
fn compile_python(client: &Path) -> Result<(), String> {
    let imports = "import importlib, pkgutil, openapi_client as client\n\
                   for module in pkgutil.walk_packages(client.__path__, 'openapi_client.'):\n    \
                   importlib.import_module(module.name)";
    let mut command = Command::new(generators().python());
    printed_in(command.args(["-c", imports]), client);
    Ok(())
}

fn compile_typescript(client: &Path) -> Result<(), String> {
    let mut command = Command::new(typescript().program("tsc"));
    command.args(["--noEmit", "--strict", "--target", "es2020", "--lib", "es2020,dom"]);
    command.args(["--module", "nodenext", "--moduleResolution", "nodenext", "index.ts"]);
    printed_in(&mut command, client);
    Ok(())
}

fn compile_java(client: &Path) -> Result<(), String> {
    let mut command = Command::new("mvn");
    with_packages(command.args(["-q", "-B", "-DskipTests", "compile"]).current_dir(client))
}

fn compile_go(client: &Path) -> Result<(), String> {
    let mut command = Command::new("go");
    with_packages(command.args(["build", "-mod=mod", "./..."]).current_dir(client))
}

fn compile_kotlin(client: &Path) -> Result<(), String> {
    let mut command = Command::new("gradle");
    with_packages(command.args(["--quiet", "compileKotlin"]).current_dir(client))
}

fn printed_in(command: &mut Command, folder: &Path) {
    let output = command.current_dir(folder).output().expect("the compiler starts");
    assert!(output.status.success(), "{}", all_printed(&output));
}

/// Compiles with a tool that fetches packages. The error says why it did not compile: the tool is not installed, or its
/// packages cannot be fetched.
fn with_packages(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    let text = all_printed(&output);
    let unreachable =
        ["could not be resolved", "Could not resolve", "Could not transfer", "dial tcp", "no such host"];
    if output.status.success() {
        return Ok(());
    }
    let line = text.lines().find(|line| unreachable.iter().any(|words| line.contains(words)));
    Err(line.unwrap_or_else(|| panic!("{command:?}: {text}")).chars().take(160).collect())
}

/// Generates and compiles. Every operation has a method, and no model a name that the generator invented.
fn generate(target: &Target, document: &str) {
    let folder = Folder::new(&format!("{}-{document}", target.name));
    let client = folder.0.join("client");
    let mut command = generator("openapi-generator-cli");
    command.args(["generate", "-g", target.name, "-i"]).arg(contract(document)).arg("-o").arg(&client);
    let log = printed(command);
    for sign in ["Exception in thread", " ERROR ", "FILEPATH_COLLISION", "Inline schema created"] {
        let line = log.lines().find(|line| line.contains(sign));
        assert_eq!(line, None, "{} {document}", target.name);
    }
    let files = files(&client);
    for file in &files {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_model =
            file.parent().is_some_and(|parent| parent.ends_with("models") || parent.ends_with("model"));
        assert!(!is_model || !is_invented(stem), "{}: {stem}", target.name);
    }
    if document == APP {
        let sources: String = files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
        for id in operation_ids() {
            let method = (target.method)(&id);
            assert!(sources.contains(&format!("{method}(")), "{}: no {method}", target.name);
        }
    }
    match (target.compile)(&client) {
        Ok(()) => say(&format!("{} {document}: generated and compiled", target.name)),
        Err(why) => say(&format!("{} {document}: generated, NOT COMPILED: {why}", target.name)),
    }
}

/// Case K2 of `tests/FIELD_CASES.md`.
#[test]
fn openapi_generator_makes_clients_that_compile() {
    if !runs_in_full_form("openapi-generator") {
        return;
    }
    for document in [APP, AGENCY] {
        for target in [PYTHON, TYPESCRIPT_FETCH, JAVA, GO, KOTLIN] {
            generate(&target, document);
        }
    }
}

/// The models of datamodel-code-generator bear the names of the contract. Case A24 of `tests/FIELD_CASES.md`.
#[test]
fn datamodel_code_generator_invents_no_name() {
    if !runs_in_full_form("datamodel-code-generator") {
        return;
    }
    let folder = Folder::new("models");
    let schemas = files(&root().join(CONTRACTS).join("schemas"));
    let schemas = schemas.into_iter().map(|path| (path, "jsonschema"));
    let documents = [APP, AGENCY].map(|name| (contract(name), "openapi"));
    let documents = documents.into_iter().chain(schemas);
    for (path, kind) in documents {
        let models = folder.0.join("models.py");
        let mut command = generator("datamodel-codegen");
        command.arg("--input").arg(&path).args(["--input-file-type", kind, "--formatters", "builtin"]);
        command.args(["--output-model-type", "pydantic_v2.BaseModel", "--output"]).arg(&models);
        let log = printed(command);
        assert!(!log.contains("Warning"), "{}: {log}", path.display());
        let models = fs::read_to_string(&models).expect("the models");
        let mut names =
            models.lines().filter_map(|line| line.strip_prefix("class ")?.split(['(', ':']).next());
        assert_eq!(names.find(|name| is_invented(name)), None, "{}", path.display());
    }
}

/// AsyncAPI's tools call a part that has no name `AnonymousSchema_3`. Whatever becomes a type is named.
#[test]
fn every_part_of_the_contracts_that_becomes_a_type_has_a_name() {
    for name in [APP, AGENCY, "agency.asyncapi.yaml"] {
        let document: Value = serde_yaml_ng::from_str(&text(&format!("{CONTRACTS}/{name}"))).expect("YAML");
        for (schema, said) in document["components"]["schemas"].as_object().expect("schemas") {
            assert_eq!(said["title"], schema.as_str(), "{name}");
            for (word, part) in said.as_object().into_iter().flatten() {
                assert_named(part, &format!("{name} {schema}/{word}"), word == "properties");
            }
        }
    }
}

/// `part` is a schema, a list of schemas or, as `is_map`, schemas by the name of a member.
fn assert_named(part: &Value, at: &str, is_map: bool) {
    if !is_map {
        let values = part["enum"].as_array().map_or(0, Vec::len);
        assert!(part.get("properties").is_none() && values < 2, "{at} has no name: {part}");
    }
    match part {
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(name, _)| !name.starts_with("example")) {
                assert_named(value, &format!("{at}/{name}"), false);
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| assert_named(part, at, false)),
        _ => {}
    }
}
