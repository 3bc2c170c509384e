//! Rules that the compiler does not check: imports between crates, uses between files, the length of files, and the
//! links and paths of the pages.

mod docs;
mod faults;
mod field_cases;
mod lints;
mod metric_filters;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use tongban_tests::circles::circles_under;
use tongban_tests::repository::{files, root, text};

const FUNCTIONS: [&str; 7] =
    ["intake", "subscriptions", "documents", "router", "reports", "callbacks", "sweeper"];
const MAIN_LINES: usize = 40;
const FILE_LINES: usize = 500;
/// Entries of the repository's top folder, besides dotfiles and `target`.
const TOP_LEVEL: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "functions",
    "infra",
    "shared",
    "tests",
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
];

/// The crates that each crate of this workspace may import, by folder. The command line in `infra/cli` and the tests
/// may import every crate and are not listed.
fn allowed_imports() -> BTreeMap<String, Vec<&'static str>> {
    let shared = [
        ("shared/domain", vec![]),
        ("shared/protocol", vec!["domain"]),
        ("shared/platform", vec!["domain", "protocol"]),
        ("shared/http", vec!["domain", "protocol", "platform"]),
        ("shared/agency", vec!["domain", "protocol"]),
        ("shared/agency/command", vec!["domain", "protocol", "agency", "app-client"]),
        ("shared/apps/client", vec!["domain", "protocol"]),
    ];
    let functions = FUNCTIONS.map(|function| {
        (format!("functions/{function}"), vec!["domain", "protocol", "platform", "http-kit"])
    });
    shared.map(|(folder, imports)| (folder.to_owned(), imports)).into_iter().chain(functions).collect()
}

/// Folders of the workspace's crates.
fn members() -> Vec<String> {
    let workspace: toml::Table = text("Cargo.toml").parse().expect("a manifest");
    let members = workspace["workspace"]["members"].as_array().expect("members");
    members.iter().map(|member| member.as_str().expect("a path").to_owned()).collect()
}

/// Names of the workspace's packages.
fn packages() -> Vec<String> {
    let name = |folder: String| {
        let manifest: toml::Table = text(&format!("{folder}/Cargo.toml")).parse().expect("a manifest");
        manifest["package"]["name"].as_str().expect("a name").to_owned()
    };
    members().into_iter().map(name).collect()
}

/// Names of a crate's dependencies and build dependencies, without its dev-dependencies.
fn dependencies(folder: &str) -> Vec<String> {
    let manifest: toml::Table = text(&format!("{folder}/Cargo.toml")).parse().expect("a manifest");
    assert!(
        !manifest.contains_key("target"),
        "{folder}: a table by target hides dependencies from this test"
    );
    ["dependencies", "build-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|section| section.keys().cloned())
        .collect()
}

#[test]
fn crates_import_only_the_layers_below_them() {
    let ours = packages();
    let allowed = allowed_imports();
    for folder in members() {
        let Some(allowed) = allowed.get(&folder) else { continue };
        for dependency in dependencies(&folder) {
            assert!(
                !ours.contains(&dependency) || allowed.contains(&dependency.as_str()),
                "{folder} may not import {dependency}"
            );
        }
    }
}

#[test]
fn every_crate_is_covered_by_the_rules() {
    let known = allowed_imports();
    let free = ["infra/cli", "tests"];
    for member in members() {
        assert!(known.contains_key(&member) || free.contains(&member.as_str()), "{member} has no rule");
    }
}

#[test]
fn only_the_platform_and_the_command_line_depend_on_aws() {
    for folder in members() {
        if ["shared/platform", "infra/cli", "tests"].contains(&folder.as_str()) {
            continue;
        }
        for dependency in dependencies(&folder) {
            let is_aws = dependency.starts_with("aws-sdk-") || dependency == "aws-config";
            // An agency reads its own queue.
            let is_own_queue = folder == "shared/agency" && dependency == "aws-sdk-sqs";
            assert!(!is_aws || is_own_queue, "{folder} may not depend on {dependency}");
        }
    }
}

/// The feature `testing` guards fakes, fault injection and contract suites. The checked build is the build that
/// `infra/cli` runs: the functions, the agencies' command and the hub's command together.
#[test]
fn no_shipping_binary_is_built_with_the_feature_testing() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["tree", "--frozen", "--edges", "features,no-dev", "--prefix", "none"]);
    let functions =
        members().into_iter().filter_map(|folder| folder.strip_prefix("functions/").map(str::to_owned));
    for package in functions.chain(["tongban-agency".to_owned(), "tongban".to_owned()]) {
        cargo.args(["--package", &package]);
    }
    let output = cargo.output().expect("cargo tree runs");
    let graph = String::from_utf8(output.stdout).expect("a graph in UTF-8");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(graph.contains("platform feature \"default\""), "the graph shows no features: {graph}");
    let testing: Vec<&str> = graph.lines().filter(|line| line.contains("feature \"testing\"")).collect();
    assert!(testing.is_empty(), "{testing:#?}");
}

#[test]
fn no_two_files_use_each_other_in_a_circle() {
    let circles = circles_under(&["functions", "shared", "infra/cli"]);
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), circles.join("\n"));
}

#[test]
fn the_top_level_holds_what_people_and_tools_look_for_there() {
    let mut strange = Vec::new();
    for entry in fs::read_dir(root()).expect("the top folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name in UTF-8");
        if !name.starts_with('.') && name != "target" && !TOP_LEVEL.contains(&name.as_str()) {
            strange.push(name);
        }
    }
    assert!(strange.is_empty(), "move these to functions, infra, shared or tests: {strange:?}");
    for name in TOP_LEVEL {
        assert!(root().join(name).exists(), "{name} is missing");
    }
}

#[test]
fn the_domain_is_free_of_effects() {
    for dependency in dependencies("shared/domain") {
        assert!(
            !["tokio", "async-trait", "futures", "getrandom", "rand", "reqwest"]
                .contains(&dependency.as_str()),
            "the domain may not depend on {dependency}"
        );
    }
    for path in files("shared/domain/src", ".rs") {
        let source = text(path.to_str().expect("a path"));
        for impure in ["Timestamp::now", "SystemTime", "Instant::now", "async fn", "std::fs", "std::env"] {
            assert!(!source.contains(impure), "{}: {impure}", path.display());
        }
    }
}

#[test]
fn the_main_of_a_function_only_wires() {
    for folder in members().iter().filter(|folder| folder.starts_with("functions/")) {
        let lines = text(&format!("{folder}/src/main.rs")).lines().count();
        assert!(lines <= MAIN_LINES, "{folder}/src/main.rs has {lines} lines");
    }
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = files("", ".rs")
        .into_iter()
        .map(|path| (text(path.to_str().expect("a path")).lines().count(), path))
        .filter(|(lines, _)| *lines > FILE_LINES)
        .map(|(lines, path)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "split these: {long:#?}");
}

/// The gateway answers a path without a route with a bare 404, so every such path goes to a function.
#[test]
fn i10_every_path_reaches_a_function() {
    assert!(text("infra/template.yaml").contains("RouteKey: \"$default\""));
}
