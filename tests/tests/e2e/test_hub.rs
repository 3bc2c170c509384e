//! The shared hub of a run: a local AWS with the deployed hub, and the agencies.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::ids::AgencyCode;
use tokio::sync::Mutex;
use tongban::local::{LocalOptions, LocalStack};
use tongban_tests::hub::start_hub;
use tongban_tests::until::until;

use crate::agency::Agency;

/// Origin of a web page that may upload from a browser.
pub(crate) const ORIGIN: &str = "https://app.example.cn";
/// Deadline for processes to end.
const END: Duration = Duration::from_secs(10);

/// The user of an agency for the rest of the run.
enum Allotment {
    /// A process that follows a script.
    Process(Agency),
    /// One trial, which reads the queue itself.
    Trial,
}

pub(crate) struct TestHub {
    stack: LocalStack,
    api: String,
    agencies: Mutex<BTreeMap<AgencyCode, Allotment>>,
    folder: PathBuf,
}

impl TestHub {
    /// Builds the functions, starts the local AWS and deploys the hub.
    pub(crate) async fn start() -> anyhow::Result<TestHub> {
        // A rare schedule: trials invoke the sweeper themselves.
        let options = LocalOptions {
            port: 0,
            stack: "tongban-e2e".to_owned(),
            wake_rate: "rate(1 day)".to_owned(),
            log_level: "debug".to_owned(),
            upload_origins: vec![ORIGIN.to_owned()],
            ..LocalOptions::default()
        };
        let stack = start_hub(options).await?;
        let api = stack.api_url()?.to_owned();
        let folder = stack.log().with_extension("agencies");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(TestHub { stack, api, agencies: Mutex::default(), folder })
    }

    pub(crate) fn stack(&self) -> &LocalStack {
        &self.stack
    }

    /// The folder of this run, removed at its end.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Address of the API.
    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        self.stack.http()
    }

    /// An output of the stack.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.stack.outputs().get(name).expect("an output of the stack")
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(self.stack.aws())
    }

    /// Runs an agency by a script for the rest of the run, in one process.
    ///
    /// # Panics
    /// The agency follows another script already, or is allotted to a trial.
    pub(crate) async fn run_agency(&self, code: &str, script: &str) {
        let code: AgencyCode = code.parse().expect("an agency code");
        let mut agencies = self.agencies.lock().await;
        match agencies.get(&code) {
            Some(Allotment::Process(agency)) => {
                assert_eq!(agency.script(), script, "agency {code} has another script");
            }
            Some(Allotment::Trial) => panic!("agency {code} is allotted to another trial"),
            None => {
                let agency = Agency::start(&self.stack, &code, script, &self.folder);
                agencies.insert(code, Allotment::Process(agency));
            }
        }
    }

    /// Allots an agency to one trial, which reads its queue itself.
    ///
    /// # Panics
    /// The agency is allotted already.
    pub(crate) async fn allot_to_trial(&self, code: &AgencyCode) {
        let before = self.agencies.lock().await.insert(code.clone(), Allotment::Trial);
        assert!(before.is_none(), "agency {code} is allotted to another trial");
    }

    /// The logs of the local AWS, its functions and the agencies.
    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        let mut logs = vec![self.stack.log().to_owned()];
        for entry in fs::read_dir(&self.folder).expect("the agencies' folder") {
            let path = entry.expect("a file").path();
            if path.extension().is_some_and(|ending| ending == "log") {
                logs.push(path);
            }
        }
        logs
    }

    /// Ends every process, and checks that none is left.
    ///
    /// # Panics
    /// A process is left.
    pub(crate) async fn end(self) {
        for agency in self.agencies.into_inner().into_values() {
            if let Allotment::Process(agency) = agency {
                agency.end().await;
            }
        }
        // The folder holds keys and logs. The logs were checked before.
        fs::remove_dir_all(&self.folder).expect("the agencies' folder");
        let port = self.stack.endpoint().rsplit(':').next().expect("a port").to_owned();
        drop(self.stack);
        // The functions run from a folder that is named after the port.
        let home = format!("/tongban/run/{port}/");
        until("no process left", END, async || processes(&home).is_empty().then_some(())).await;
    }
}

/// The processes whose program or working directory is under a folder. Empty on a system without `/proc`.
fn processes(home: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let runs_there = |process: &PathBuf| {
        ["exe", "cwd"].iter().any(|link| {
            let target = fs::read_link(process.join(link)).unwrap_or_default();
            format!("{}/", target.display()).contains(home)
        })
    };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(runs_there).collect()
}
