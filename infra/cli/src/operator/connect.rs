//! Finds the hub: the one on this machine, or one in a real account.

use anyhow::{Context as _, Result, bail};
use aws_config::SdkConfig;
use aws_sdk_sqs as sqs;
use domain::agencies::Agencies;

use super::Operator;
use super::location::{HubLocation, HubPlace};
use super::override_table::OverrideTable;
use crate::agencies::AgencyList;
use crate::aws::{self, LOCAL_ACCOUNT};
use crate::emulator::agencies_file;
use crate::endpoints::endpoint_of;
use crate::running::deployed_agencies;
use crate::stack::Cloud;
use crate::workspace::Workspace;

impl Operator {
    /// Connects to a hub and reads the outputs of its stack.
    ///
    /// # Errors
    /// The hub does not answer, the stack does not exist, or the stack is older than the table of overrides.
    pub async fn reach(at: &HubLocation) -> Result<Operator> {
        let workspace = Workspace::find()?;
        let (config, rows, by) = match &at.place {
            HubPlace::Here { port } => here(&workspace, *port).await?,
            HubPlace::Account { region, profile } => there(&workspace, region, profile.as_deref()).await?,
        };
        let cloud = Cloud::new(&config);
        if !cloud.exists(&at.stack).await? {
            bail!("there is no stack {}; choose another with --stack", at.stack);
        }
        let outputs = cloud.outputs(&at.stack).await?;
        let table = outputs
            .get("AgenciesTableName")
            .context("the stack is older than the overrides of agencies; deploy it again")?;
        let cases = outputs.get("TableName")?;
        Ok(Operator {
            place: at.place.clone(),
            workspace,
            rows,
            by,
            overrides: OverrideTable::new(&config, table, cases),
            sqs: sqs::Client::new(&config),
            s3: aws::s3(&config),
            outputs,
        })
    }
}

/// The hub on this machine, with the agencies that were deployed to it.
async fn here(workspace: &Workspace, port: u16) -> Result<(SdkConfig, Agencies, String)> {
    let bytes = deployed_agencies(
        workspace,
        port,
        "give its port with --port, or the region of a real hub with --region",
    )
    .await?;
    let path = agencies_file(workspace, port);
    let rows = serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?;
    let name = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let by = match name {
        Some(name) => format!("local:{name}"),
        None => format!("local:uid-{}", rustix::process::getuid().as_raw()),
    };
    Ok((aws::local(&endpoint_of(port), LOCAL_ACCOUNT), rows, by))
}

/// A hub in a real account. Its agencies are read from this repository, so the deployed commit must be checked out.
async fn there(
    workspace: &Workspace,
    region: &str,
    profile: Option<&str>,
) -> Result<(SdkConfig, Agencies, String)> {
    let (rows, _) = AgencyList::parse(&workspace.text("infra/agencies.toml")?)?.live();
    let config = aws::account(region, profile).await;
    let (_, arn) = aws::caller(&config).await?;
    Ok((config, Agencies::new(rows)?, arn))
}
