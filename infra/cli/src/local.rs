//! A complete hub on this machine: the local AWS, the deployed template, and all keys.

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
use crate::emulator::{Emulator, PORT, available_port};
use crate::endpoints::{account_of, http_client, local_api_id, url_by_number};
use crate::functions::{self, Package, PackageFiles};
use crate::origins;
use crate::plan::Plan;
use crate::python::Tools;
use crate::reference;
use crate::secrets::{AgencyKeys, Secrets, TOKEN_HOURS, hub_keys};
use crate::stack::{Cloud, Deployment, Outputs, Parameter};
use crate::template;
use crate::terminal::Terminal;
use crate::workspace::Workspace;

pub use queues::Depth;

/// Python packages of the local AWS, pinned by hash.
pub const REQUIREMENTS: &str = "infra/cli/requirements.txt";
/// Bucket of the zips and the template.
const ARTIFACTS: &str = "tongban-artifacts";

#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// Port of the local AWS on 127.0.0.1; 0 selects a free port.
    pub port: u16,
    pub stack: String,
    /// Schedule of the sweeper, in CloudFormation's syntax: `rate(1 minute)`.
    pub wake_rate: String,
    /// Log level of the functions: `error`, `warn`, `info` or `debug`.
    pub log_level: String,
    /// List of agencies to use instead of `infra/agencies.toml`.
    pub agencies: Option<PathBuf>,
    /// Origins of web pages that may upload to links from a browser.
    pub upload_origins: Vec<String>,
    /// Rate limit of a tenant, in requests per minute. The default is high, because tests send many requests.
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
            upload_origins: Vec::new(),
            requests_per_minute: 60_000,
        }
    }
}

/// Keys, queues and credentials of a caller that acts as an agency.
#[derive(Clone, Debug)]
pub struct Agency {
    pub code: AgencyCode,
    pub keys: AgencyKeys,
    /// The agency's queue of cases.
    pub queue_url: String,
    /// The agency's dead-letter queue.
    pub dead_queue_url: String,
    /// The reports queue, to which the agency may send.
    pub reports_queue_url: String,
    /// Credentials of the agency's own account, which may receive from the agency's own queue only.
    pub aws: SdkConfig,
}

/// A running hub. Dropping the value ends every process of the hub.
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
    has_reference: bool,
}

/// Everything that a deployment needs and that can be prepared before the local AWS runs.
struct Prepared {
    secrets: Secrets,
    agencies: Agencies,
    template: String,
    rows: Vec<u8>,
    codes: String,
    package: Package,
    has_reference: bool,
}

impl LocalStack {
    /// Installs the tools, builds the functions, starts the local AWS and deploys the hub.
    ///
    /// # Errors
    /// Python or the package registry is missing, the port is in use, the code does not build, or the template or the
    /// list of agencies is wrong.
    pub async fn start(options: LocalOptions, terminal: &Terminal) -> Result<LocalStack> {
        let workspace = Workspace::find()?;
        // Check the port before the build, which may take minutes.
        available_port(options.port)?;
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
        emulator.save_agencies(&prepared.rows)?;
        let http = http_client(Some((outputs.get("ApiId")?, emulator.port())))?;
        let sqs = sqs::Client::new(&aws);
        let Prepared { secrets, agencies, has_reference, .. } = prepared;
        Ok(LocalStack {
            workspace,
            options,
            emulator,
            secrets,
            agencies,
            outputs,
            aws,
            sqs,
            http,
            has_reference,
        })
    }

    /// Builds the current code and updates the running hub.
    ///
    /// # Errors
    /// As for [`LocalStack::start`]. The hub then runs as before.
    pub async fn redeploy(&mut self, terminal: &Terminal) -> Result<Plan> {
        let prepared = {
            let _alone = self.workspace.lock()?;
            prepare(&self.workspace, &self.options, terminal)?
        };
        let (outputs, plan) = deploy(&self.aws, &self.options, &prepared, terminal).await?;
        self.emulator.save_agencies(&prepared.rows)?;
        self.outputs = outputs;
        self.secrets = prepared.secrets;
        self.agencies = prepared.agencies;
        self.has_reference = prepared.has_reference;
        Ok(plan)
    }

    /// Address of the HTTP API, without a slash at the end. The host name ends in `.localhost`; `curl`, browsers and
    /// [`LocalStack::http`] resolve such names.
    ///
    /// # Errors
    /// The stack has no output `ApiUrl`.
    pub fn api_url(&self) -> Result<&str> {
        self.outputs.get("ApiUrl")
    }

    /// Address of the HTTP API by number, for clients that do not resolve names below `.localhost`.
    ///
    /// # Errors
    /// The stack has no output `ApiId`.
    pub fn api_url_by_number(&self) -> Result<String> {
        let id = self.outputs.get("ApiId")?;
        Ok(url_by_number(&self.emulator.endpoint(), id))
    }

    /// Whether the hub has the reference pages at `/docs`, which need Node to be built.
    #[must_use]
    pub fn has_reference(&self) -> bool {
        self.has_reference
    }

    /// Port of the local AWS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.emulator.port()
    }

    /// An HTTP client that resolves the API's host name.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Credentials of the hub's account on the local AWS.
    #[must_use]
    pub fn aws(&self) -> &SdkConfig {
        &self.aws
    }

    /// Address of the local AWS.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.emulator.endpoint()
    }

    /// The stack's outputs: table, bucket, queues.
    #[must_use]
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// The agencies that were deployed with the functions.
    #[must_use]
    pub fn agencies(&self) -> &Agencies {
        &self.agencies
    }

    /// The keys of the hub, its agencies and its token issuer.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The public key that verifies the hub's messages.
    #[must_use]
    pub fn hub_key(&self) -> &PublicKey {
        self.secrets.hub().public()
    }

    /// An access token for an app backend.
    ///
    /// # Errors
    /// `tenant` is not a valid name, or the key cannot sign.
    pub fn token(&self, tenant: &str, scopes: &[&str]) -> Result<String> {
        let tenant: TenantId = tenant.parse().context("the name of the tenant is not valid")?;
        self.secrets.access_token(&tenant, scopes, TOKEN_HOURS)
    }

    /// Keys, queues and credentials of an agency.
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

    /// Invokes a function directly, as the schedule or an operator does.
    ///
    /// # Errors
    /// The function does not exist or failed.
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

    /// Invokes the sweeper once.
    ///
    /// # Errors
    /// The sweeper failed.
    pub async fn sweep(&self) -> Result<Value> {
        self.invoke("sweeper", &serde_json::json!({})).await
    }

    /// The log file of the local AWS and the functions.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.emulator.log()
    }

    /// The id of the process whose children are the function processes.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.emulator.process_id()
    }

    /// The process that runs the hub.
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
    // A hub on this machine needs no Node, and no package registry once the tools are installed.
    let reference = reference::build(workspace, terminal).unwrap_or_else(|error| {
        terminal.line(&format!("! This hub has no reference pages at /docs: {error:#}"));
        Vec::new()
    });
    let binaries = functions::build(workspace, terminal)?;
    let rows = agencies_json(rows)?;
    let has_reference = !reference.is_empty();
    let files = PackageFiles {
        agencies: rows.clone(),
        issuers: secrets.token_issuers()?,
        hub_keys: hub_keys([secrets.hub().public()])?,
        reference,
    };
    let package = functions::pack(workspace, &binaries, &files, kind)?;
    let codes = template::agency_codes(&accounts);
    Ok(Prepared { secrets, agencies, template, rows, codes, package, has_reference })
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
    let deployment = Deployment {
        stack: &options.stack,
        bucket: ARTIFACTS,
        template: &prepared.template,
        package: &prepared.package,
        parameters: BTreeMap::from([
            ("AgencyCodes", value(&prepared.codes)),
            ("IdSecret", value(prepared.secrets.id_secret())),
            ("PersonIndexKey", value(prepared.secrets.person_index_key())),
            ("HubSigningKey", Parameter::Value(prepared.secrets.hub().to_jwk()?.to_string())),
            ("UploadOrigins", Parameter::Value(origins::parameter(&options.upload_origins)?)),
            ("Mode", value("local")),
            ("LocalApiId", Parameter::Value(local_api_id(&options.stack))),
            ("RequestsPerMinute", value(&options.requests_per_minute.to_string())),
            ("LogLevel", value(&options.log_level)),
            ("WakeRate", value(&options.wake_rate)),
        ]),
    };
    let change = cloud.prepare(&deployment, terminal).await?;
    let plan = change.plan.clone();
    Ok((cloud.apply(change, terminal).await?, plan))
}
