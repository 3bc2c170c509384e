//! One local AWS with the hub deployed to it, and the agencies around it, for all trials of a run.

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

/// How long processes may take to be gone.
const END: Duration = Duration::from_secs(10);

/// Who plays an agency for the rest of the run.
enum Played {
    /// A process, by a script.
    Process(Agency),
    /// One trial, by hand: nobody else may take from its queue.
    Hand,
}

/// The whole world.
pub(crate) struct TestHub {
    stack: LocalStack,
    api: String,
    agencies: Mutex<BTreeMap<AgencyCode, Played>>,
    folder: PathBuf,
}

impl TestHub {
    /// Prepares, builds, starts and deploys everything.
    pub(crate) async fn start() -> anyhow::Result<TestHub> {
        // The schedule would only add noise: trials wake the sweeper themselves.
        let options = LocalOptions {
            port: 0,
            stack: "tongban-e2e".to_owned(),
            wake_rate: "rate(1 day)".to_owned(),
            log_level: "debug".to_owned(),
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

    /// A folder for this run alone; it is removed at its end.
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

    /// A value that the stack tells of itself.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.stack.outputs().get(name).expect("an output of the stack")
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(self.stack.aws())
    }

    /// Has an agency work by a script for the rest of the run: one process for each agency.
    ///
    /// # Panics
    /// The agency works by another script already, or by hand: agencies are allotted to trials.
    pub(crate) async fn has_agency(&self, code: &str, script: &str) {
        let code: AgencyCode = code.parse().expect("an agency code");
        let mut agencies = self.agencies.lock().await;
        match agencies.get(&code) {
            Some(Played::Process(agency)) => {
                assert_eq!(agency.script(), script, "agency {code} has another script");
            }
            Some(Played::Hand) => panic!("agency {code} is played by hand"),
            None => {
                let agency = Agency::start(&self.stack, &code, script, &self.folder);
                agencies.insert(code, Played::Process(agency));
            }
        }
    }

    /// Has an agency for one trial alone, which takes from its queue by hand.
    ///
    /// # Panics
    /// Somebody has it already.
    pub(crate) async fn sits_at(&self, code: &AgencyCode) {
        let before = self.agencies.lock().await.insert(code.clone(), Played::Hand);
        assert!(before.is_none(), "agency {code} is allotted to another trial");
    }

    /// Everything that is written to: by the local AWS, its functions, and the agencies.
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

    /// Ends every process, and looks for any that is left.
    ///
    /// # Panics
    /// One is.
    pub(crate) async fn end(self) {
        for agency in self.agencies.into_inner().into_values() {
            if let Played::Process(agency) = agency {
                agency.end().await;
            }
        }
        // Their keys and logs, which were looked through by now.
        fs::remove_dir_all(&self.folder).expect("the agencies' folder");
        let port = self.stack.endpoint().rsplit(':').next().expect("a port").to_owned();
        drop(self.stack);
        // The functions run from a folder that is named after the port.
        let home = format!("/tongban/run/{port}/");
        until("no process left", END, async || processes(&home).is_empty().then_some(())).await;
    }
}

/// What runs from under a folder, as far as this system shows processes as files.
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
