//! Deploys the template through a change set. The steps are the same for the local AWS and for a real account.

mod artifacts;
mod events;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use aws_config::SdkConfig;
use aws_sdk_cloudformation as cloudformation;
use aws_sdk_cloudformation::types::{Capability, ChangeAction, ChangeSetStatus, ChangeSetType, StackStatus};
use aws_sdk_s3 as s3;
use uuid::Uuid;

use crate::aws::{self, call_error};
use crate::functions::Package;
use crate::plan::{Action, Change, Plan};
use crate::terminal::Terminal;

/// Added to a failure that names an existing resource.
const IN_THE_WAY: &str = ". A resource with this name is left from an earlier stack, or belongs to something else. It may hold \
    data: look at it before you remove it, or deploy with another --stack";
/// Bound on one change set and on one deployment.
const DEPLOYMENT_TIMEOUT: Duration = Duration::from_secs(45 * 60);

/// CloudFormation and S3 of one account.
#[derive(Clone, Debug)]
pub struct Cloud {
    cloudformation: cloudformation::Client,
    s3: s3::Client,
    region: String,
    endpoint: Option<String>,
}

/// A parameter's value.
#[derive(Clone)]
pub enum Parameter {
    Value(String),
    /// The stack's present value, for secrets that only the stack stores.
    Previous,
}

pub struct Deployment<'w> {
    pub stack: &'w str,
    /// Bucket of the zips and the template.
    pub bucket: &'w str,
    /// The template with every agency.
    pub template: &'w str,
    pub package: &'w Package,
    /// Parameters besides bucket and prefix of the zips. Other parameters keep their value or the template's default.
    pub parameters: BTreeMap<&'static str, Parameter>,
}

/// A change set that is not applied yet.
#[derive(Debug)]
pub struct ChangeSet {
    stack: String,
    change_set: String,
    pub plan: Plan,
}

/// The outputs of a deployed stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs(BTreeMap<String, String>);

impl Outputs {
    /// One output by its key in the template.
    ///
    /// # Errors
    /// The stack has no such output.
    pub fn get(&self, key: &str) -> Result<&str> {
        self.0.get(key).map(String::as_str).with_context(|| format!("the stack has no output {key}"))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl Cloud {
    #[must_use]
    pub fn new(config: &SdkConfig) -> Cloud {
        Cloud {
            cloudformation: cloudformation::Client::new(config),
            s3: aws::s3(config),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            endpoint: config.endpoint_url().map(str::to_owned),
        }
    }

    /// Whether the stack exists, so that a deployment is an update.
    ///
    /// # Errors
    /// The call to AWS fails, another deployment is in progress, or the first deployment failed.
    pub async fn exists(&self, stack: &str) -> Result<bool> {
        Ok(match self.status(stack).await? {
            None | Some(StackStatus::ReviewInProgress) => false,
            Some(StackStatus::RollbackComplete) => {
                bail!("the first deployment of the stack {stack} failed and was rolled back. Deploy again")
            }
            Some(StackStatus::RollbackFailed) => bail!(
                "the first deployment of the stack {stack} failed, and its rollback could not remove everything. Remove what is \
                 left, and then the stack, in the CloudFormation console, and deploy again"
            ),
            Some(status) if status.as_str().ends_with("IN_PROGRESS") => {
                bail!(
                    "the stack {stack} is being updated by another deployment ({}). Wait for its end and run the command again",
                    status.as_str()
                )
            }
            Some(_) => true,
        })
    }

    /// Removes a stack whose first deployment was rolled back. Such a stack has no resource any more, but its name is
    /// taken.
    ///
    /// # Errors
    /// A call to AWS fails, or the removal takes too long.
    pub async fn remove_rolled_back(&self, stack: &str, terminal: &Terminal) -> Result<()> {
        if self.status(stack).await? != Some(StackStatus::RollbackComplete) {
            return Ok(());
        }
        let step = terminal.step("Removing the stack of the failed first deployment");
        let begun = self.cloudformation.delete_stack().stack_name(stack).send().await;
        begun.map_err(|error| call_error("removing the stack", error))?;
        let mut pause = PollPause::new();
        loop {
            match self.status(stack).await? {
                None | Some(StackStatus::DeleteComplete) => break,
                Some(StackStatus::RollbackComplete | StackStatus::DeleteInProgress) => {}
                Some(status) => bail!("the stack {stack} cannot be removed ({})", status.as_str()),
            }
            pause.wait("the removal of the stack").await?;
        }
        step.done("The stack of the failed first deployment is removed");
        Ok(())
    }

    async fn status(&self, stack: &str) -> Result<Option<StackStatus>> {
        let asked = self.cloudformation.describe_stacks().stack_name(stack).send().await;
        match asked {
            Ok(found) => Ok(found.stacks().first().and_then(|stack| stack.stack_status().cloned())),
            Err(error) => {
                // CloudFormation reports a missing stack as a general validation error: only the text differs.
                let error = call_error("reading the stack", error);
                if error.to_string().contains("does not exist") { Ok(None) } else { Err(error) }
            }
        }
    }

    /// Creates a change set and reads its changes. The stack does not change yet.
    ///
    /// # Errors
    /// CloudFormation refuses the template or a parameter; the error has CloudFormation's message.
    pub async fn prepare(&self, deployment: &Deployment<'_>, terminal: &Terminal) -> Result<ChangeSet> {
        let step = terminal.step("Asking CloudFormation what will change");
        let exists = self.exists(deployment.stack).await?;
        let template = self.template_url(deployment).await?;
        let (kind, previous) = if exists {
            (ChangeSetType::Update, self.parameters(deployment.stack).await?.into_keys().collect())
        } else {
            (ChangeSetType::Create, Vec::new())
        };
        let name = format!("deploy-{}", Uuid::new_v4().simple());
        let made = self
            .cloudformation
            .create_change_set()
            .stack_name(deployment.stack)
            .change_set_name(&name)
            .change_set_type(kind)
            .template_url(template)
            .set_parameters(Some(parameters(deployment, &previous)))
            .capabilities(Capability::CapabilityIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .send()
            .await
            .map_err(|error| call_error("making the change set", error))?;
        let change_set = made.id().unwrap_or(&name).to_owned();
        let plan = self.planned(deployment.stack, &change_set).await?;
        drop(step);
        Ok(ChangeSet { stack: deployment.stack.to_owned(), change_set, plan })
    }

    /// The parameters of a deployed stack with their values. CloudFormation masks the values of secrets.
    ///
    /// # Errors
    /// The stack does not exist.
    pub async fn parameters(&self, stack: &str) -> Result<BTreeMap<String, String>> {
        let found = self.cloudformation.describe_stacks().stack_name(stack).send().await;
        let found = found.map_err(|error| call_error("reading the stack", error))?;
        let parameters = found.stacks().iter().flat_map(|stack| stack.parameters());
        let pair = |parameter: &cloudformation::types::Parameter| {
            let value = parameter.parameter_value().unwrap_or_default();
            Some((parameter.parameter_key()?.to_owned(), value.to_owned()))
        };
        Ok(parameters.filter_map(pair).collect())
    }

    /// Waits for the change set and reads its changes page by page.
    async fn planned(&self, stack: &str, change_set: &str) -> Result<Plan> {
        let mut pause = PollPause::new();
        let mut changes = Vec::new();
        let mut page = None;
        loop {
            let read = self
                .cloudformation
                .describe_change_set()
                .stack_name(stack)
                .change_set_name(change_set)
                .set_next_token(page.take())
                .send()
                .await
                .map_err(|error| call_error("reading the change set", error))?;
            match read.status() {
                Some(ChangeSetStatus::CreateComplete) => {}
                Some(ChangeSetStatus::Failed) => {
                    let reason = read.status_reason().unwrap_or("no reason is given");
                    let unchanged =
                        reason.contains("didn't contain changes") || reason.contains("No updates");
                    if unchanged {
                        return Ok(Plan::default());
                    }
                    bail!("CloudFormation refuses the change: {reason}");
                }
                Some(_) | None => {
                    pause.wait("the change set").await?;
                    continue;
                }
            }
            changes.extend(read.changes().iter().filter_map(|change| {
                let resource = change.resource_change()?;
                Some(Change {
                    action: match resource.action() {
                        Some(ChangeAction::Add) => Action::Add,
                        Some(ChangeAction::Modify) => Action::Modify,
                        Some(ChangeAction::Remove) => Action::Remove,
                        Some(_) | None => Action::Other,
                    },
                    id: resource.logical_resource_id().unwrap_or_default().to_owned(),
                    kind: resource.resource_type().unwrap_or_default().to_owned(),
                    replacement: resource.replacement().map(|replaced| replaced.as_str().to_owned()),
                })
            }));
            page = read.next_token().map(str::to_owned);
            if page.is_none() {
                return Ok(Plan::new(changes));
            }
        }
    }

    /// Deletes the change set without applying it.
    ///
    /// # Errors
    /// The call to AWS fails.
    pub async fn discard(&self, prepared: ChangeSet) -> Result<()> {
        let gone = self
            .cloudformation
            .delete_change_set()
            .stack_name(&prepared.stack)
            .change_set_name(&prepared.change_set)
            .send()
            .await;
        gone.map_err(|error| call_error("removing the change set", error))?;
        Ok(())
    }

    /// Applies a change set and waits for the end of the deployment.
    ///
    /// # Errors
    /// The deployment failed and CloudFormation rolled it back; the error names the first resource that failed, and the
    /// reason.
    pub async fn apply(&self, prepared: ChangeSet, terminal: &Terminal) -> Result<Outputs> {
        let stack = prepared.stack.clone();
        if prepared.plan.is_empty() {
            self.discard(prepared).await?;
            return self.outputs(&stack).await;
        }
        let step = terminal.step("Deploying");
        let token = format!("deploy-{}", Uuid::new_v4().simple());
        let begun = self
            .cloudformation
            .execute_change_set()
            .stack_name(&stack)
            .change_set_name(&prepared.change_set)
            .client_request_token(&token)
            .send()
            .await;
        begun.map_err(|error| call_error("applying the change set", error))?;
        let mut pause = PollPause::new();
        loop {
            let status = self.status(&stack).await?;
            match status {
                Some(StackStatus::CreateComplete | StackStatus::UpdateComplete) => break,
                // The stack has all changes; CloudFormation still deletes the replaced resources.
                Some(StackStatus::UpdateCompleteCleanupInProgress) => {}
                Some(status) if !status.as_str().ends_with("IN_PROGRESS") => {
                    let why = self.first_failure(&stack, &token).await?;
                    let hint = if why.contains("already exists") { IN_THE_WAY } else { "" };
                    bail!("the stack {stack} was not changed ({}): {why}{hint}", status.as_str());
                }
                Some(_) => {
                    if terminal.is_moving() {
                        step.at(&self.latest_event(&stack).await?);
                    }
                }
                None => bail!("the stack {stack} is gone"),
            }
            pause.wait("the stack").await?;
        }
        step.done(&format!("Deployed: {}", prepared.plan.summary()));
        self.outputs(&stack).await
    }

    /// The outputs of a deployed stack.
    ///
    /// # Errors
    /// The stack does not exist.
    pub async fn outputs(&self, stack: &str) -> Result<Outputs> {
        let found = self.cloudformation.describe_stacks().stack_name(stack).send().await;
        let found = found.map_err(|error| call_error("reading the stack", error))?;
        let outputs = found.stacks().iter().flat_map(|stack| stack.outputs());
        let pair = |output: &cloudformation::types::Output| {
            Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
        };
        Ok(Outputs(outputs.filter_map(pair).collect()))
    }
}

/// The template's parameters with their values. `previous` names the parameters that the stack already has.
fn parameters(deployment: &Deployment<'_>, previous: &[String]) -> Vec<cloudformation::types::Parameter> {
    let own = [
        ("ArtifactsBucket", Parameter::Value(deployment.bucket.to_owned())),
        ("ArtifactsPrefix", Parameter::Value(deployment.package.prefix.clone())),
    ];
    let mut values: BTreeMap<&str, Parameter> = own.into_iter().collect();
    values.extend(deployment.parameters.iter().map(|(key, value)| (*key, value.clone())));
    for key in previous.iter().filter(|key| declares(deployment.template, key)) {
        values.entry(key).or_insert(Parameter::Previous);
    }
    values
        .into_iter()
        .map(|(key, value)| {
            let parameter = cloudformation::types::Parameter::builder().parameter_key(key);
            match value {
                Parameter::Value(value) => parameter.parameter_value(value),
                Parameter::Previous => parameter.use_previous_value(true),
            }
            .build()
        })
        .collect()
}

/// Whether the template has this parameter: a stack of an earlier template may have others.
fn declares(template: &str, parameter: &str) -> bool {
    let head = template.split("\nResources:").next().unwrap_or_default();
    head.contains(&format!("\n  {parameter}:\n    Type:"))
}

/// Growing pauses between two polls, up to a deadline.
struct PollPause {
    next: Duration,
    until: Instant,
}

impl PollPause {
    fn new() -> PollPause {
        PollPause { next: Duration::from_millis(50), until: Instant::now() + DEPLOYMENT_TIMEOUT }
    }

    async fn wait(&mut self, what: &str) -> Result<()> {
        if Instant::now() > self.until {
            bail!("{what} has taken more than 45 minutes; look at it in the CloudFormation console");
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 3 / 2).min(Duration::from_secs(3));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_is_not_given_keeps_its_value() {
        let package = Package { prefix: "functions/1".to_owned(), zips: BTreeMap::new() };
        let deployment = Deployment {
            stack: "s",
            bucket: "b",
            template: "Parameters:\n  IdSecret:\n    Type: String\n  Mode:\n    Type: String\nResources:\n",
            package: &package,
            parameters: [("Mode", Parameter::Value("live".to_owned()))].into(),
        };
        // A parameter that the new template has no longer is not passed: CloudFormation would refuse it.
        let previous = ["IdSecret", "Mode", "TokenIssuers"].map(str::to_owned);
        let told: Vec<String> = parameters(&deployment, &previous)
            .iter()
            .map(|p| {
                let key = p.parameter_key().unwrap_or_default();
                let value = p.parameter_value().unwrap_or("(kept)");
                format!("{key}={value}")
            })
            .collect();
        assert_eq!(
            told,
            ["ArtifactsBucket=b", "ArtifactsPrefix=functions/1", "IdSecret=(kept)", "Mode=live"]
        );
    }
}
