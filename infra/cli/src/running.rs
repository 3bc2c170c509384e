//! Finds a hub that another process runs on this machine.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::ids::TenantId;

use crate::aws::{self, LOCAL_ACCOUNT};
use crate::emulator::agencies_file;
use crate::endpoints::{endpoint_of, http_client, url_by_number};
use crate::secrets::Secrets;
use crate::stack::Cloud;
use crate::workspace::Workspace;

/// Timeout of the health check of the local AWS.
const ANSWER: Duration = Duration::from_secs(5);

/// A hub that another process runs, for commands that act as an app backend.
#[derive(Debug)]
pub struct RunningHub {
    url: String,
    http: reqwest::Client,
    secrets: Secrets,
}

impl RunningHub {
    /// Finds the hub on a port of this machine.
    ///
    /// # Errors
    /// The hub does not answer, belongs to another repository, or has no such stack.
    pub async fn find(port: u16, stack: &str) -> Result<RunningHub> {
        let workspace = Workspace::find()?;
        deployed_agencies(&workspace, port, "say where it is with --port or TONGBAN_PORT").await?;
        let cloud = Cloud::new(&aws::local(&endpoint_of(port), LOCAL_ACCOUNT));
        if !cloud.exists(stack).await? {
            bail!("there is no stack {stack}; --stack or TONGBAN_STACK names another");
        }
        let outputs = cloud.outputs(stack).await?;
        Ok(RunningHub {
            url: url_by_number(&endpoint_of(port), outputs.get("ApiId")?),
            http: http_client(None)?,
            secrets: Secrets::open(&workspace.state("keys.json"), [])?,
        })
    }

    /// Address of the HTTP API, by number, without a slash at the end. The address contains a dollar sign.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// An access token for an app backend, valid for `hours`.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn token(&self, tenant: &TenantId, scopes: &[&str], hours: u8) -> Result<String> {
        self.secrets.access_token(tenant, scopes, hours)
    }
}

/// The agencies that the hub on this port was deployed with, in JSON. The error message offers `otherwise` as the
/// alternative to starting a hub.
///
/// # Errors
/// No hub answers on the port, or the hub is still being deployed or belongs to another repository.
pub(crate) async fn deployed_agencies(workspace: &Workspace, port: u16, otherwise: &str) -> Result<Vec<u8>> {
    let health = http_client(None)?.get(format!("{}/_ministack/health", endpoint_of(port))).timeout(ANSWER);
    if !health.send().await.is_ok_and(|answer| answer.status().is_success()) {
        bail!(
            "no hub answers on port {port} of this machine. Start one with `cargo run -- up`, or {otherwise}"
        );
    }
    let path = agencies_file(workspace, port);
    fs::read(&path).with_context(|| {
        format!(
            "the hub on port {port} is still being deployed, or is not this repository's: {} cannot be read",
            path.display()
        )
    })
}
