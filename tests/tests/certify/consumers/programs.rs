//! The programs of the consumers, installed once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tongban::functions;
use tongban::node::NodeTools;
use tongban::python::Tools;
use tongban::terminal::Terminal;
use tongban::workspace::Workspace;
use tongban_tests::agency::program;

const CONSUMERS: &str = "shared/agency/consumers";
/// The files of the consumer in Node.
const NODE: [&str; 4] = ["consumer.mjs", "decisions.mjs", "settings.mjs", "stop.mjs"];

/// The programs, installed once.
pub(super) struct Programs {
    pub(super) workspace: Workspace,
    pub(super) python: PathBuf,
    pub(super) node: PathBuf,
}

pub(super) fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let workspace = Workspace::find().expect("the repository");
        let (python, node) = {
            let _alone = workspace.lock().expect("a lock");
            let screen = Terminal::silent();
            let python = Tools::install(&workspace, &format!("{CONSUMERS}/python/requirements.txt"), &screen);
            let node = NodeTools::install(&workspace, &format!("{CONSUMERS}/node"), &screen);
            (python.expect("packages of Python"), node.expect("packages of Node"))
        };
        // A folder of its own below the packages: another test may copy the consumer, too.
        let folder = node.folder().join(format!("in-process-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        for file in NODE {
            let text = workspace.text(&format!("{CONSUMERS}/node/{file}")).expect("the consumer in Node");
            fs::write(folder.join(file), text).expect("a file");
        }
        Programs { python: python.python(), node: folder, workspace }
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Node,
    Rust,
}

pub(super) const LANGUAGES: [Language; 3] = [Language::Python, Language::Node, Language::Rust];

impl Language {
    pub(super) fn command(self, settings: &Path) -> Command {
        let mut command = match self {
            Language::Python => {
                let mut command = Command::new(&programs().python);
                command.arg(programs().workspace.file(&format!("{CONSUMERS}/python/decisions.py")));
                command
            }
            Language::Node => {
                let mut command = Command::new("node");
                command.arg(programs().node.join("consumer.mjs"));
                command
            }
            Language::Rust => {
                let mut command = Command::new(agency_program());
                command.args(["simulate", "--script", "certify", "--config"]);
                command
            }
        };
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"] {
            command.env_remove(name);
        }
        command.arg(settings).env("PYTHONDONTWRITEBYTECODE", "1").env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "420000000000").env("AWS_SECRET_ACCESS_KEY", "test");
        command.stdin(Stdio::null());
        command
    }
}

/// The agency program, built once a run: these trials may be the only ones, without a hub whose start builds it.
pub(super) fn agency_program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let workspace = Workspace::find().expect("the repository");
        let _alone = workspace.lock().expect("the lock");
        functions::build(&workspace, &Terminal::silent()).expect("the binaries");
        program()
    })
}
