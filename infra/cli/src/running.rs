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

/// Most folders of running hubs that are looked at. A killed hub leaves its folder.
const LOOKED_AT: usize = 16;

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

async fn answers(http: &reqwest::Client, port: u16) -> bool {
    let health = http.get(format!("{}/_ministack/health", endpoint_of(port))).timeout(ANSWER);
    health.send().await.is_ok_and(|answer| answer.status().is_success())
}

/// Ports of this repository's hubs that answer, besides this one.
async fn other_ports(workspace: &Workspace, port: u16) -> Vec<u16> {
    let (Ok(http), Ok(folders)) = (http_client(None), fs::read_dir(workspace.state("run"))) else {
        return Vec::new();
    };
    let named = folders.filter_map(|folder| folder.ok()?.file_name().to_str()?.parse().ok());
    let mut found = Vec::new();
    for other in named.filter(|other| *other != port).take(LOOKED_AT) {
        if answers(&http, other).await {
            found.push(other);
        }
    }
    found.sort_unstable();
    found
}

/// The agencies that the hub on this port was deployed with, in JSON. The error message offers `otherwise` as the
/// alternative to starting a hub.
///
/// # Errors
/// No hub answers on the port, or the hub is still being deployed or belongs to another repository.
pub(crate) async fn deployed_agencies(workspace: &Workspace, port: u16, otherwise: &str) -> Result<Vec<u8>> {
    if !answers(&http_client(None)?, port).await {
        let others: Vec<String> = other_ports(workspace, port).await.iter().map(u16::to_string).collect();
        if !others.is_empty() {
            bail!(
                "no hub answers on port {port} of this machine; one listens on port {}: {otherwise}",
                others.join(", ")
            );
        }
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
