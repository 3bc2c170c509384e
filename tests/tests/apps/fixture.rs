//! The fixture of all tests: a local AWS with the hub, and one running agency.

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
use tongban_tests::hub::process_wide_hub;
use tongban_tests::repository::root;
use tongban_tests::until::until;

/// The stack of all tests.
const STACK: &str = "tongban-apps";
/// The example in TypeScript.
const NODE: &str = "shared/apps/node";
/// The agency that decides the sample application for a first card.
const AGENCY: &str = "11";
/// Deadline for every wait on a process.
const SOON: Duration = Duration::from_secs(90);

/// The address of the hub, and the tools of the tests.
pub(crate) struct Fixture {
    port: String,
    url: String,
    folder: PathBuf,
    node: NodeTools,
    _agency: Running,
}

/// The fixture that all tests share. Its hub ends with the test process.
pub(crate) fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let stack = process_wide_hub(STACK);
        let folder = std::env::temp_dir().join(format!("tongban-apps-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let port = stack.endpoint().rsplit(':').next().expect("a port").to_owned();
        let agency = agency(stack, &folder);
        let url = stack.api_url_by_number().expect("an address");
        Fixture { port, url, folder, node: node(), _agency: agency }
    })
}

fn agency(stack: &LocalStack, folder: &Path) -> Running {
    let code: AgencyCode = AGENCY.parse().expect("an agency code");
    let config = folder.join("agency.json");
    write_private(&config, &settings(stack, &code).to_string());
    // A static is never dropped. The shell ends the agency when standard input closes, which happens when this process
    // ends.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "\"$@\" & /bin/cat >/dev/null; kill $!", "agency"]).arg(program());
    command.args(["simulate", "--script", "default", "--config"]).arg(&config);
    command.env_clear().envs(environment(stack, &code));
    Running::with_input(command, Stdio::piped(), &folder.join("agency.log"))
}

/// Installs the packages of the TypeScript example and copies its source beside them.
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
    pub(crate) fn node(&self) -> &NodeTools {
        &self.node
    }

    /// The hub's address, by number.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The path of a file in this run's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The `tongban` command with these arguments, run at the top of the repository.
    pub(crate) fn tongban(&self, words: &[&str]) -> Command {
        let mut command = self.with_hub_address(&program().with_file_name("tongban"));
        command.args(words);
        command
    }

    /// A shell script in which `cargo run --quiet --` runs this build's program.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let tongban = program().with_file_name("tongban").display().to_string();
        let mut command = self.with_hub_address(Path::new("sh"));
        command.args(["-c", &script.replace("cargo run --quiet --", &tongban)]);
        command
    }

    fn with_hub_address(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("TONGBAN_PORT", &self.port).env("TONGBAN_STACK", STACK).stdin(Stdio::null());
        command.current_dir(root());
        command
    }
}

/// A process that runs until SIGTERM, and its log.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a process whose output goes into a file.
    pub(crate) fn start(command: Command, log: &Path) -> Running {
        Running::with_input(command, Stdio::null(), log)
    }

    fn with_input(mut command: Command, input: Stdio, log: &Path) -> Running {
        let file = File::create(log).expect("a log");
        command.stdin(input).stdout(file.try_clone().expect("a log")).stderr(file);
        Running { child: command.spawn().expect("a process"), log: log.to_owned() }
    }

    /// The output so far.
    pub(crate) fn output_text(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }

    /// Waits for a line that contains all of these words.
    pub(crate) async fn wait_for_line(&self, words: &[&str]) -> String {
        let what = format!("a line with {words:?}");
        until(&what, SOON, || {
            let output_text = self.output_text();
            let line = output_text.lines().find(|line| words.iter().all(|word| line.contains(word)));
            std::future::ready(line.map(str::to_owned))
        })
        .await
    }

    /// Sends SIGTERM and waits for the end. Returns whether the process succeeded.
    pub(crate) async fn end(mut self) -> bool {
        self.terminate();
        let child = &mut self.child;
        until("its end", SOON, || std::future::ready(child.try_wait().expect("a child"))).await.success()
    }

    fn terminate(&self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // The process may have ended already.
        let _ = id.map(|id| kill_process(id, Signal::TERM));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.terminate();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of a command that ended with this code.
pub(crate) fn output_text(output: Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}
