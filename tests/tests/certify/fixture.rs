//! The fixture of all certifications: a local AWS with the hub, and the programs of the consumers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tongban::local::{LocalStack, REQUIREMENTS};
use tongban::node::NodeTools;
use tongban::python::Tools;
use tongban::terminal::Terminal;
use tongban::workspace::Workspace;
use tongban_tests::agency::program;
use tongban_tests::hub::process_wide_hub;

/// Folder of the repository's consumers.
pub(crate) const CONSUMERS: &str = "shared/agency/consumers";
/// The packages of the consumer that is written from the contracts alone.
const LITERAL: &str = "tests/tests/certify/requirements.txt";
/// The stack of all tests.
const STACK: &str = "tongban-certify";

/// The address of a hub, and the programs of the consumers.
#[derive(Clone, Debug)]
pub(crate) struct Fixture {
    pub(crate) port: String,
    pub(crate) stack: String,
    pub(crate) python: PathBuf,
    /// A Python with the packages of `literal.py`.
    pub(crate) literal: PathBuf,
    /// A folder with the Node consumer and its packages.
    pub(crate) node: PathBuf,
    workspace: Workspace,
}

/// The fixture that all tests share. Its hub ends with the test process.
pub(crate) fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let workspace = Workspace::find().expect("the repository");
        let screen = Terminal::silent();
        let (python, literal, node) = {
            let _alone = workspace.lock().expect("a lock");
            Tools::install(&workspace, REQUIREMENTS, &screen).expect("the local tools");
            let python = Tools::install(&workspace, &format!("{CONSUMERS}/python/requirements.txt"), &screen);
            let literal = Tools::install(&workspace, LITERAL, &screen);
            let node = NodeTools::install(&workspace, &format!("{CONSUMERS}/node"), &screen);
            let packages = "packages of Python";
            (python.expect(packages), literal.expect(packages), node.expect("packages of Node"))
        };
        for file in ["consumer.mjs", "decisions.mjs", "settings.mjs", "stop.mjs"] {
            let text = workspace.text(&format!("{CONSUMERS}/node/{file}")).expect("the consumer in Node");
            fs::write(node.folder().join(file), text).expect("a file");
        }
        let stack = process_wide_hub(STACK);
        Fixture {
            port: port_of(stack),
            stack: STACK.to_owned(),
            python: python.python(),
            literal: literal.python(),
            node: node.folder().to_owned(),
            workspace,
        }
    })
}

fn port_of(stack: &LocalStack) -> String {
    stack.endpoint().rsplit(':').next().expect("a port").to_owned()
}

/// Creates an empty folder for one test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = fixture().workspace.state(&format!("certify/{}-{name}", std::process::id()));
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("a folder that can be removed");
    }
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

impl Fixture {
    pub(crate) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The same programs with another hub.
    pub(crate) fn at(&self, stack: &LocalStack, name: &str) -> Fixture {
        Fixture { port: port_of(stack), stack: name.to_owned(), ..self.clone() }
    }

    /// Path of the operator's command.
    pub(crate) fn operator() -> PathBuf {
        program().with_file_name("tongban")
    }

    /// A command whose environment names the hub.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("TONGBAN_PORT", &self.port).env("TONGBAN_STACK", &self.stack).stdin(Stdio::null());
        command.current_dir(self.workspace.root());
        command
    }

    /// A line of the guide, run in a separate folder with this build's programs instead of `cargo run`. Links in the
    /// folder lead to the files of the repository.
    pub(crate) fn shell(&self, folder: &Path, line: &str) -> Command {
        let shared = folder.join("shared");
        if !shared.exists() {
            std::os::unix::fs::symlink(self.workspace.root().join("shared"), &shared).expect("a link");
            for file in ["infra", "Cargo.toml"] {
                let path = self.workspace.root().join(file);
                std::os::unix::fs::symlink(path, folder.join(file)).expect("a link");
            }
        }
        let line = line.replace("cargo run --quiet --", &Fixture::operator().display().to_string());
        let programs = program().parent().expect("a folder").display().to_string();
        let target = self.workspace.state("..").display().to_string();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec_line() {{ {line}\n}}; exec_line")]).current_dir(folder);
        command.env("TONGBAN_PORT", &self.port).env("TONGBAN_STACK", &self.stack).stdin(Stdio::null());
        command.env("CARGO_TARGET_DIR", target);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{programs}:{path}"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}
