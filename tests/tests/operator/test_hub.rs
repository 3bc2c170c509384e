//! The hub of these trials, deployed from a copy of the agencies' list that a trial may change.

use std::fs;
use std::path::{Path, PathBuf};

use tongban::local::{LocalOptions, LocalStack};
use tongban::plan::Plan;
use tongban::terminal::Terminal;
use tongban_tests::hub::start_hub;
use tongban_tests::repository::text;

/// Rate limit of a tenant, in requests a minute.
pub(crate) const REQUESTS_PER_MINUTE: u32 = 400;

pub(crate) struct TestHub {
    stack: LocalStack,
    folder: PathBuf,
}

impl TestHub {
    /// Builds the functions, starts the local AWS and deploys the hub.
    pub(crate) async fn start() -> anyhow::Result<TestHub> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("operator-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let agencies = folder.join("agencies.toml");
        fs::write(&agencies, text("infra/agencies.toml"))?;
        // A rare schedule: the cases that an operator releases must be sent without the sweeper.
        let options = LocalOptions {
            port: 0,
            stack: "tongban-operator".to_owned(),
            wake_rate: "rate(1 day)".to_owned(),
            log_level: "debug".to_owned(),
            agencies: Some(agencies),
            upload_origins: Vec::new(),
            requests_per_minute: REQUESTS_PER_MINUTE,
        };
        Ok(TestHub { stack: start_hub(options).await?, folder })
    }

    pub(crate) fn stack(&self) -> &LocalStack {
        &self.stack
    }

    /// The folder of this run, removed at its end.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of the stack.
    pub(crate) fn name(&self) -> &'static str {
        "tongban-operator"
    }

    /// The port of the local AWS.
    pub(crate) fn port(&self) -> String {
        self.stack.endpoint().rsplit(':').next().expect("a port").to_owned()
    }

    /// Deploys another list of agencies to the running hub.
    pub(crate) async fn deploy(&mut self, agencies: &str) -> Plan {
        fs::write(self.folder.join("agencies.toml"), agencies).expect("the list of agencies");
        self.stack.redeploy(&Terminal::silent()).await.expect("a deploy")
    }
}

impl Drop for TestHub {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
