//! Changes a live stack so that a deployment that fails leaves nothing in the way of the next one.
//!
//! The names of tables and bucket are fixed, so a table that a rollback leaves behind makes every later deployment
//! fail. The template retains data only after the deployment that creates it (`RetainExceptOnCreate`). A table with
//! deletion protection could not be removed by the rollback, so tables are created without it and get it by a second
//! update.

use anyhow::{Context as _, Result, bail};

use crate::stack::{ChangeSet, Cloud, Deployment, Outputs, Parameter};
use crate::terminal::Terminal;

/// The template's parameter for the deletion protection of the tables.
const PROTECT: &str = "ProtectTables";

/// Deploys, and ends with every table protected. Refuses a plan that loses accepted data, unless `allow_data_loss` is
/// set.
///
/// # Errors
/// CloudFormation refuses or rolls back the change; or the second update fails, and the tables have no protection until
/// the next deployment.
pub async fn roll_out(
    cloud: &Cloud,
    deployment: &mut Deployment<'_>,
    allow_data_loss: bool,
    terminal: &Terminal,
) -> Result<Outputs> {
    cloud.remove_rolled_back(deployment.stack, terminal).await?;
    let exists = cloud.exists(deployment.stack).await?;
    let mut change = prepare(cloud, deployment, exists, terminal).await?;
    let protects = exists && !change.plan.adds_table();
    if exists && !protects {
        cloud.discard(change).await?;
        change = prepare(cloud, deployment, false, terminal).await?;
    }
    let outputs = apply(cloud, change, allow_data_loss, terminal).await?;
    if protects {
        return Ok(outputs);
    }
    terminal.line("The new tables are created. A second update protects them against deletion.");
    let protect = async {
        let change = prepare(cloud, deployment, true, terminal).await?;
        apply(cloud, change, allow_data_loss, terminal).await
    };
    protect.await.context(
        "The stack is deployed, but its tables are not protected against deletion: the second update failed. Run the command again",
    )
}

async fn prepare(
    cloud: &Cloud,
    deployment: &mut Deployment<'_>,
    protects: bool,
    terminal: &Terminal,
) -> Result<ChangeSet> {
    deployment.parameters.insert(PROTECT, Parameter::Value(protects.to_string()));
    cloud.prepare(deployment, terminal).await
}

/// Prints the plan and applies it.
async fn apply(
    cloud: &Cloud,
    change: ChangeSet,
    allow_data_loss: bool,
    terminal: &Terminal,
) -> Result<Outputs> {
    terminal.line(&change.plan.to_string());
    let losses: Vec<String> = change.plan.losses().map(|change| change.id.clone()).collect();
    if !losses.is_empty() && !allow_data_loss {
        cloud.discard(change).await?;
        bail!(
            "This change replaces or removes {}, and its data would be lost. Nothing was changed. To deploy anyway, add --allow-data-loss",
            losses.join(", ")
        );
    }
    cloud.apply(change, terminal).await
}
