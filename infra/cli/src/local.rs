//! A whole hub on this machine: the local AWS, the template deployed to it, and keys for everybody around it.

mod queues;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_config::SdkConfig;
use aws_sdk_sqs as sqs;
use domain::agencies::Agencies;
use domain::ids::{AgencyCode, TenantId};
use protocol::jose::PublicKey;
use serde_json::Value;

use crate::agencies::{AgencyList, agencies_json};
use crate::aws;
use crate::emulator::{Emulator, PORT, free};
use crate::endpoints::{account_of, http_client, url_by_number};
use crate::functions::{self, Package};
use crate::plan::Plan;
use crate::python::Tools;
use crate::secrets::{AgencyKeys, Secrets, TOKEN_HOURS, hub_keys};
use crate::stack::{Cloud, Outputs, Parameter, Wanted};
use crate::template;
use crate::terminal::Terminal;
use crate::workspace::Workspace;

pub use queues::Depth;

/// What the local AWS needs, pinned by hash.
pub const REQUIREMENTS: &str = "infra/cli/requirements.txt";
/// The bucket of zips.
const ARTIFACTS: &str = "tongban-artifacts";

/// How a local hub is set up.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// Port of the local AWS on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// Name of the stack.
    pub stack: String,
    /// How often the sweeper is woken, as CloudFormation writes it.
    pub wake_rate: String,
    /// How much the functions log: `error`, `warn`, `info` or `debug`.
    pub log_level: String,
    /// Another list of agencies than `infra/agencies.toml`.
    pub agencies: Option<PathBuf>,
    /// Requests of a tenant in a minute. A developer's machine is nobody's to protect, and tests ask much.
    pub requests_per_minute: u32,
}

impl Default for LocalOptions {
    fn default() -> Self {
        LocalOptions {
            port: PORT,
            stack: "tongban".to_owned(),
            wake_rate: "rate(1 minute)".to_owned(),
            log_level: "info".to_owned(),
            agencies: None,
            requests_per_minute: 60_000,
        }
    }
}

/// An agency as somebody who plays it needs it.
#[derive(Clone, Debug)]
pub struct Agency {
    /// Its code.
    pub code: AgencyCode,
    /// Its private keys.
    pub keys: AgencyKeys,
    /// The queue its cases arrive in.
    pub queue_url: String,
    /// The queue of what it could not take.
    pub dead_queue_url: String,
    /// The queue it may put reports in.
    pub reports_queue_url: String,
    /// AWS as its own account, which may read its own queue and no other.
    pub aws: SdkConfig,
}

/// A running hub. Dropping it ends every process of it.
#[derive(Debug)]
pub struct LocalStack {
    workspace: Workspace,
    options: LocalOptions,
    emulator: Emulator,
    secrets: Secrets,
    agencies: Agencies,
    outputs: Outputs,
    aws: SdkConfig,
    sqs: sqs::Client,
    http: reqwest::Client,
}

/// What is deployed, before there is anywhere to deploy it to.
struct Prepared {
    secrets: Secrets,
    agencies: Agencies,
    template: String,
    rows: Vec<u8>,
    codes: String,
    package: Package,
}

impl LocalStack {
    /// Prepares everything that is missing, starts the local AWS and deploys the hub.
    ///
    /// # Errors
    /// Each in one sentence: no Python, no registry, a port in use, code that does not build, a template or
    /// an agency that is wrong.
    pub async fn start(options: LocalOptions, terminal: &Terminal) -> Result<LocalStack> {
        let workspace = Workspace::find()?;
        // Told before anything is built, which may take minutes.
        free(options.port)?;
        let http = http_client(None)?;
        let (tools, prepared) = {
            let _alone = workspace.lock()?;
            (Tools::install(&workspace, REQUIREMENTS, terminal)?, prepare(&workspace, &options, terminal)?)
        };
        let step = terminal.step("Starting the local AWS");
        let emulator = Emulator::start(&workspace, &tools, options.port, &http).await?;
        step.done(&format!("Local AWS on port {}", emulator.port()));
        let aws = aws::local(&emulator.endpoint(), aws::LOCAL_ACCOUNT);
        let (outputs, _) = deploy(&aws, &options, &prepared, terminal).await?;
        emulator.keep_rows(&prepared.rows)?;
        let http = http_client(Some((outputs.get("ApiId")?, emulator.port())))?;
        let sqs = sqs::Client::new(&aws);
        let Prepared { secrets, agencies, .. } = prepared;
        Ok(LocalStack { workspace, options, emulator, secrets, agencies, outputs, aws, sqs, http })
    }

    /// Builds again and updates the running hub to what the repository holds now.
    ///
    /// # Errors
    /// As for [`LocalStack::start`]; what runs stays as it was.
    pub async fn redeploy(&mut self, terminal: &Terminal) -> Result<Plan> {
        let prepared = {
            let _alone = self.workspace.lock()?;
            prepare(&self.workspace, &self.options, terminal)?
        };
        let (outputs, plan) = deploy(&self.aws, &self.options, &prepared, terminal).await?;
        self.emulator.keep_rows(&prepared.rows)?;
        self.outputs = outputs;
        self.secrets = prepared.secrets;
        self.agencies = prepared.agencies;
        Ok(plan)
    }

    /// Address of the HTTP API, without a slash at the end. Its name ends in `.localhost`: `curl` and
    /// browsers find it by themselves, and [`LocalStack::http`] does.
    ///
    /// # Errors
    /// The stack does not say.
    pub fn api_url(&self) -> Result<&str> {
        self.outputs.get("ApiUrl")
    }

    /// Address of the HTTP API by number, for clients that do not resolve names below `.localhost`.
    ///
    /// # Errors
    /// The stack does not say.
    pub fn api_url_by_number(&self) -> Result<String> {
        let id = self.outputs.get("ApiId")?;
        Ok(url_by_number(&self.emulator.endpoint(), id))
    }

    /// A client that reaches the API.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The local AWS, as the hub's own account.
    #[must_use]
    pub fn aws(&self) -> &SdkConfig {
        &self.aws
    }

    /// Address of the local AWS.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.emulator.endpoint()
    }

    /// What the stack tells of itself: table, bucket, queues.
    #[must_use]
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// The agencies as the functions have them.
    #[must_use]
    pub fn agencies(&self) -> &Agencies {
        &self.agencies
    }

    /// The keys around this hub.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The key the hub's messages are verified with.
    #[must_use]
    pub fn hub_key(&self) -> &PublicKey {
        self.secrets.hub().public()
    }

    /// An access token for an app backend.
    ///
    /// # Errors
    /// No tenant has such a name.
    pub fn token(&self, tenant: &str, scopes: &[&str]) -> Result<String> {
        let tenant: TenantId = tenant.parse().context("the tenant has no such name")?;
        self.secrets.access_token(&tenant, scopes, TOKEN_HOURS)
    }

    /// What somebody needs to play an agency.
    ///
    /// # Errors
    /// No agency has this code.
    pub fn agency(&self, code: &AgencyCode) -> Result<Agency> {
        let keys = self.secrets.agencies().get(code);
        let keys = keys.filter(|_| self.agencies.agency(code).is_some());
        let Some(keys) = keys else { bail!("there is no agency {code}") };
        let prefix = self.outputs.get("AgencyQueueUrlPrefix")?;
        Ok(Agency {
            code: code.clone(),
            keys: keys.clone(),
            queue_url: format!("{prefix}{code}.fifo"),
            dead_queue_url: format!("{prefix}{code}-dead.fifo"),
            reports_queue_url: self.outputs.get("ReportsQueueUrl")?.to_owned(),
            aws: aws::local(&self.emulator.endpoint(), &account_of(code)),
        })
    }

    /// Calls a function directly, as the schedule or an officer would.
    ///
    /// # Errors
    /// There is no such function, or it failed.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value> {
        let name = format!("{}-{function}", self.options.stack);
        let address = format!("{}/2015-03-31/functions/{name}/invocations", self.endpoint());
        let body = event.to_string();
        let mut call = self.http.post(&address).timeout(Duration::from_secs(120));
        for (name, value) in aws::signed_headers("lambda", "POST", &address, body.as_bytes())? {
            call = call.header(name, value);
        }
        let sent = call.body(body).send().await.with_context(|| format!("{function} cannot be called"))?;
        let failed = !sent.status().is_success() || sent.headers().contains_key("x-amz-function-error");
        let text = sent.text().await.with_context(|| format!("{function} did not answer"))?;
        if failed {
            bail!("{function} failed: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{function} answered with no JSON"))
    }

    /// Wakes the sweeper once.
    ///
    /// # Errors
    /// It failed.
    pub async fn sweep(&self) -> Result<Value> {
        self.invoke("sweeper", &serde_json::json!({})).await
    }

    /// What the local AWS and the functions write.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.emulator.log()
    }

    /// The id of the process whose children are the function processes.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.emulator.process_id()
    }

    /// The process that is the hub.
    pub fn emulator(&mut self) -> &mut Emulator {
        &mut self.emulator
    }
}

fn prepare(workspace: &Workspace, options: &LocalOptions, terminal: &Terminal) -> Result<Prepared> {
    let (text, kind) = match &options.agencies {
        None => (workspace.text("infra/agencies.toml")?, "local"),
        Some(path) => {
            let text = fs::read_to_string(path);
            (text.with_context(|| format!("{} cannot be read", path.display()))?, "local-other")
        }
    };
    let list = AgencyList::parse(&text)?;
    let codes: Vec<AgencyCode> = list.rows().map(|row| row.code.clone()).collect();
    let secrets = Secrets::open(&workspace.state("keys.json"), &codes)?;
    let rows = list.local(secrets.agencies())?;
    let accounts: BTreeMap<AgencyCode, String> =
        codes.iter().map(|code| (code.clone(), account_of(code))).collect();
    let template = template::render(&workspace.text("infra/template.yaml")?, &accounts)?;
    let agencies = Agencies::new(rows.clone())?;
    let binaries = functions::build(workspace, terminal)?;
    let rows = agencies_json(rows)?;
    let package = functions::pack(workspace, &binaries, &rows, kind)?;
    Ok(Prepared { secrets, agencies, template, rows, codes: template::agency_codes(&accounts), package })
}

async fn deploy(
    aws: &SdkConfig,
    options: &LocalOptions,
    prepared: &Prepared,
    terminal: &Terminal,
) -> Result<(Outputs, Plan)> {
    let cloud = Cloud::new(aws);
    cloud.ensure_bucket(ARTIFACTS).await?;
    cloud.upload(ARTIFACTS, &prepared.package, terminal).await?;
    let value = |text: &str| Parameter::Value(text.to_owned());
    let wanted = Wanted {
        stack: &options.stack,
        bucket: ARTIFACTS,
        template: &prepared.template,
        package: &prepared.package,
        parameters: BTreeMap::from([
            ("AgencyCodes", value(&prepared.codes)),
            ("IdSecret", value(prepared.secrets.id_secret())),
            ("HubSigningKey", Parameter::Value(prepared.secrets.hub().to_jwk()?.to_string())),
            ("HubPublicKeys", Parameter::Value(hub_keys([prepared.secrets.hub().public()])?)),
            ("TokenIssuers", Parameter::Value(prepared.secrets.token_issuers()?)),
            ("Mode", value("local")),
            ("RequestsPerMinute", value(&options.requests_per_minute.to_string())),
            ("LogLevel", value(&options.log_level)),
            ("WakeRate", value(&options.wake_rate)),
        ]),
    };
    let change = cloud.prepare(&wanted, terminal).await?;
    let plan = change.plan.clone();
    Ok((cloud.apply(change, terminal).await?, plan))
}
