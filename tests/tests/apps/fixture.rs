//! What the tests share: a local AWS with the hub, and one agency at work.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use domain::ids::AgencyCode;
use rustix::process::{Pid, Signal, kill_process};
use tongban::local::LocalStack;
use tongban::node::NodeTools;
use tongban::terminal::Terminal;
use tongban::workspace::Workspace;
use tongban_tests::agency::{environment, program, settings, write_private};
use tongban_tests::hub::lasting_hub;
use tongban_tests::repository::root;
use tongban_tests::until::until;

/// The stack that all share.
const STACK: &str = "tongban-apps";
/// The example in TypeScript.
const NODE: &str = "shared/apps/node";
/// Who decides the sample of a first card.
const AGENCY: &str = "11";
/// How long a process may take to do what is waited for.
const SOON: Duration = Duration::from_secs(90);

/// Where the hub is.
pub(crate) struct Fixture {
    port: String,
    folder: PathBuf,
    node: NodeTools,
    _agency: Running,
}

/// The bench that all tests share. Its hub ends with this process.
pub(crate) fn fixture() -> &'static Fixture {
    static BENCH: OnceLock<Fixture> = OnceLock::new();
    BENCH.get_or_init(|| {
        let stack = lasting_hub(STACK);
        let folder = std::env::temp_dir().join(format!("tongban-apps-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let port = stack.endpoint().rsplit(':').next().expect("a port").to_owned();
        let agency = agency(stack, &folder);
        Fixture { port, folder, node: node(), _agency: agency }
    })
}

fn agency(stack: &LocalStack, folder: &Path) -> Running {
    let code: AgencyCode = AGENCY.parse().expect("an agency code");
    let config = folder.join("agency.json");
    write_private(&config, &settings(stack, &code).to_string());
    // Nobody drops what a static holds: it ends when its standard input does, and that with this process.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "\"$@\" & /bin/cat >/dev/null; kill $!", "agency"]).arg(program());
    command.args(["simulate", "--script", "default", "--config"]).arg(&config);
    command.env_clear().envs(environment(stack, &code));
    Running::with_input(command, Stdio::piped(), &folder.join("agency.log"))
}

/// The packages of the example in TypeScript, and its source beside them.
fn node() -> NodeTools {
    let workspace = Workspace::find().expect("the repository");
    let _alone = workspace.lock().expect("a lock");
    let tools = NodeTools::install(&workspace, NODE, &Terminal::silent()).expect("packages of Node");
    for file in ["app.ts", "tsconfig.json"] {
        let text = workspace.text(&format!("{NODE}/{file}")).expect("the example");
        fs::write(tools.folder().join(file), text).expect("a file");
    }
    tools
}

impl Fixture {
    /// The example's packages.
    pub(crate) fn node(&self) -> &NodeTools {
        &self.node
    }

    /// A file of this run's own.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The `tongban` command with these words, as it is typed at the top of the repository.
    pub(crate) fn tongban(&self, words: &[&str]) -> Command {
        let mut command = self.at_the_hub(&program().with_file_name("tongban"));
        command.args(words);
        command
    }

    /// A script of the shell. `cargo run --quiet --` is this build's program.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let tongban = program().with_file_name("tongban").display().to_string();
        let mut command = self.at_the_hub(Path::new("sh"));
        command.args(["-c", &script.replace("cargo run --quiet --", &tongban)]);
        command
    }

    fn at_the_hub(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("TONGBAN_PORT", &self.port).env("TONGBAN_STACK", STACK).stdin(Stdio::null());
        command.current_dir(root());
        command
    }
}

/// A process that goes on until it is told to end, and what it has written.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it; what it writes goes into a file.
    pub(crate) fn start(command: Command, log: &Path) -> Running {
        Running::with_input(command, Stdio::null(), log)
    }

    fn with_input(mut command: Command, input: Stdio, log: &Path) -> Running {
        let file = File::create(log).expect("a log");
        command.stdin(input).stdout(file.try_clone().expect("a log")).stderr(file);
        Running { child: command.spawn().expect("a process"), log: log.to_owned() }
    }

    /// What it has written so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }

    /// Waits for a line with all of these words.
    pub(crate) async fn says(&self, words: &[&str]) -> String {
        let what = format!("a line with {words:?}");
        until(&what, SOON, || {
            let said = self.said();
            let line = said.lines().find(|line| words.iter().all(|word| line.contains(word)));
            std::future::ready(line.map(str::to_owned))
        })
        .await
    }

    /// Tells it to end, as a supervisor would, and waits: whether it ended well.
    pub(crate) async fn end(mut self) -> bool {
        self.tell();
        let child = &mut self.child;
        until("its end", SOON, || std::future::ready(child.try_wait().expect("a child"))).await.success()
    }

    fn tell(&self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = id.map(|id| kill_process(id, Signal::TERM));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tell();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command printed, where it ended with this code.
pub(crate) fn said(output: Output, code: i32) -> String {
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{told}");
    told
}
