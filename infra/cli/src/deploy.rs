//! Deploys the hub to a real account, or runs only the checks that need no account.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use domain::ids::AgencyCode;
use http_kit::rate_limit::Limits;
use http_kit::token::Issuers;
use platform::config::Mode;
use protocol::jose::{KeyUse, PrivateKey};
use serde_json::Value;

use crate::agencies::{AgencyList, agencies_json};
use crate::aws;
use crate::children;
use crate::functions::{self, Binaries, FUNCTIONS, HUB_KEYS_FILE, ISSUERS_FILE, PackageFiles};
use crate::hub_keys;
use crate::local::REQUIREMENTS;
use crate::origins;
use crate::python::Tools;
use crate::reference;
use crate::roll_out::roll_out;
use crate::secrets::new_secret;
use crate::stack::{Cloud, Deployment, Outputs, Parameter};
use crate::template;
use crate::terminal::Terminal;
use crate::workspace::Workspace;

/// Python packages for a build for Lambda, pinned by hash.
const RELEASE_REQUIREMENTS: &str = "infra/cli/requirements-release.txt";
/// The C library of the `provided.al2023` runtime: a binary linked against a later version does not start.
const TARGET: &str = "x86_64-unknown-linux-gnu.2.34";
/// Limit of CloudFormation for one parameter, in bytes.
const MAX_PARAMETER_BYTES: usize = 4096;
/// Limit of a stack's name, in characters: its bucket appends `-documents-`, account and region, and S3 allows 63.
const STACK_NAME: usize = 24;
/// Limit of the list of token issuers, in bytes.
const MAX_ISSUERS_BYTES: usize = 64 * 1024;
/// Limit of SQS for the accounts that the policy of one queue names. The reports queue names those of all agencies.
const LARGEST_POLICY: usize = 50;

/// A list of no token issuer.
const NO_ISSUERS: &str = "[]";

/// Target and options of a deployment.
#[derive(Clone, Debug)]
pub struct DeployOptions {
    pub stack: String,
    /// AWS region, also `cn-north-1` or `cn-northwest-1`.
    pub region: String,
    /// Profile of the AWS configuration. `None` uses the default credential chain.
    pub profile: Option<String>,
    /// Runs only the checks that need no account.
    pub dry_run: bool,
    /// JSON file of the issuers whose access tokens the hub accepts. `None` keeps the issuers of the stack.
    pub token_issuers: Option<PathBuf>,
    /// Limits of a tenant. `None` keeps the limits of the stack.
    pub limits: Limits,
    /// ARN of the SNS topic for alarms. `None` keeps the topic of the stack.
    pub alarm_topic: Option<String>,
    /// Origins of web pages that may upload to links from a browser. Empty keeps the origins of the stack; `none`
    /// removes them.
    pub upload_origins: Vec<String>,
    /// Bucket for zips, created if missing. `None` uses a name made of account and region.
    pub artifacts_bucket: Option<String>,
    /// Deploys even if a table, bucket or key is replaced or removed.
    pub allow_data_loss: bool,
    /// Creates a new signing key for the hub. Former keys stay published.
    pub rotate_hub_key: bool,
    /// Gives the index of persons a new key; the one before it still finds older applications.
    pub rotate_person_index_key: bool,
    /// File with the public key of a stack that was deployed before the hub published its keys.
    pub hub_public_keys: Option<PathBuf>,
}

/// The checked input of a deployment that does not depend on the account.
struct DeploymentInput {
    list: AgencyList,
    agencies: Vec<u8>,
    keyless: Vec<AgencyCode>,
    template: String,
    issuers: Option<String>,
    hub_public_keys: Option<String>,
}

/// Deploys, or with `dry_run` only checks.
///
/// # Errors
/// An agency, the template, a parameter or the code is wrong; credentials are missing; or CloudFormation refuses the
/// change.
pub async fn deploy(options: &DeployOptions, terminal: &Terminal) -> Result<()> {
    let workspace = Workspace::find()?;
    let input = check(&workspace, options)?;
    if !input.keyless.is_empty() {
        let codes: Vec<String> = input.keyless.iter().map(AgencyCode::to_string).collect();
        terminal.line(&format!(
            "! {} agencies have no keys in infra/agencies.toml and stay suspended until keys are added: {}",
            codes.len(),
            codes.join(" ")
        ));
    }
    if options.dry_run {
        return dry_run(&workspace, &input, terminal);
    }
    let aws = aws::account(&options.region, options.profile.as_deref()).await;
    let (account, _) = aws::caller(&aws).await?;
    let accounts = input.list.accounts(|_| account.clone());
    let template = template::render(&input.template, &accounts)?;
    let reference = reference_pages(&workspace, terminal)?;
    let binaries = release(&workspace, terminal)?;
    let bucket = options
        .artifacts_bucket
        .clone()
        .unwrap_or_else(|| format!("tongban-artifacts-{account}-{}", options.region));

    let cloud = Cloud::new(&aws);
    cloud.remove_rolled_back(&options.stack, terminal).await?;
    let exists = cloud.exists(&options.stack).await?;
    if !exists && options.upload_origins.is_empty() {
        terminal.line("! No --upload-origin given: the bucket refuses uploads from web pages in browsers; app backends need none");
    }
    let deployed = if exists { deployed(&cloud, options).await? } else { Deployed::default() };
    let situation = hub_keys::KeySituation {
        exists,
        published: deployed.hub_keys.as_deref(),
        given: input.hub_public_keys.as_deref(),
        rotate: options.rotate_hub_key,
    };
    let keys = hub_keys::plan(situation, &PrivateKey::generate(KeyUse::Signing)?)?;
    let issuers = input.issuers.clone().or(deployed.issuers).unwrap_or_else(|| NO_ISSUERS.to_owned());
    let has_topic = options.alarm_topic.is_some() || deployed.has_alarm_topic;
    for warning in warnings(&issuers, has_topic) {
        terminal.line(warning);
    }
    let mut files =
        PackageFiles { agencies: input.agencies.clone(), issuers, hub_keys: keys.public.clone(), reference };
    let package = functions::pack(&workspace, &binaries, &files, "live")?;
    let mut parameters = parameters(options, &accounts, exists, &keys)?;
    // A stack of an earlier version has no such key.
    if options.rotate_person_index_key || !deployed.has_person_index_key {
        parameters.insert("PersonIndexKey", Parameter::Value(new_secret()?));
        let now = jiff::Timestamp::now().as_second();
        parameters.insert("PersonIndexRotation", Parameter::Value(now.to_string()));
    }
    cloud.ensure_bucket(&bucket).await?;
    cloud.upload(&bucket, &package, terminal).await?;
    let mut deployment = Deployment {
        stack: &options.stack,
        bucket: &bucket,
        template: &template,
        package: &package,
        parameters,
    };
    let mut outputs = roll_out(&cloud, &mut deployment, options.allow_data_loss, terminal).await?;
    if let Some((public, signing)) = keys.second_update {
        terminal.line("The new key is published. A second update makes the hub sign with it.");
        files.hub_keys = public;
        let package = functions::pack(&workspace, &binaries, &files, "live")?;
        cloud.upload(&bucket, &package, terminal).await?;
        let mut deployment = Deployment { package: &package, ..deployment };
        deployment.parameters.insert("HubSigningKey", Parameter::Value(signing));
        outputs = roll_out(&cloud, &mut deployment, options.allow_data_loss, terminal).await.context(
            "The new key is published but not in use yet: the second update failed. Run the command again.",
        )?;
    }
    report(&outputs, terminal);
    if let Some(kid) = keys.new {
        terminal.line(&format!(
            "The hub signs its messages with the new key {kid}. Agencies find this key and the"
        ));
        terminal.line(&format!(
            "former keys (at most {}), at {}/.well-known/jwks.json, and must refresh their copies.",
            hub_keys::FORMER_KEYS,
            outputs.get("ApiUrl")?
        ));
    }
    Ok(())
}

/// What the stack has before the deployment.
#[derive(Debug, Default)]
struct Deployed {
    issuers: Option<String>,
    hub_keys: Option<String>,
    has_alarm_topic: bool,
    has_person_index_key: bool,
}

/// Reads what an option that is not given keeps. Stacks of earlier versions have issuers and keys among their
/// parameters.
async fn deployed(cloud: &Cloud, options: &DeployOptions) -> Result<Deployed> {
    let mut parameters = cloud.parameters(&options.stack).await?;
    let read = cloud.package_files(&parameters, &[ISSUERS_FILE, HUB_KEYS_FILE]).await;
    let mut files = match read {
        Ok(files) => files,
        // Both are given, so nothing has to be read.
        Err(_) if options.token_issuers.is_some() && options.hub_public_keys.is_some() => BTreeMap::new(),
        Err(error) => {
            return Err(error.context(
                "the token issuers and the published keys of the stack cannot be read: give them with --token-issuers and \
                 --hub-public-keys",
            ));
        }
    };
    Ok(Deployed {
        issuers: files.remove(ISSUERS_FILE).or_else(|| parameters.remove("TokenIssuers")),
        hub_keys: files.remove(HUB_KEYS_FILE).or_else(|| parameters.remove("HubPublicKeys")),
        has_person_index_key: parameters.contains_key("PersonIndexKey"),
        has_alarm_topic: parameters.get("AlarmTopic").is_some_and(|topic| !topic.is_empty()),
    })
}

/// What an operator must know before the hub goes live without it.
fn warnings(issuers: &str, has_alarm_topic: bool) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if issuers == NO_ISSUERS {
        warnings.push(
            "! No --token-issuers given: the hub rejects every access token until a deployment names an issuer",
        );
    }
    if !has_alarm_topic {
        warnings.push(
            "! No --alarm-topic given: alarms change their state and notify nobody until a deployment names a topic",
        );
    }
    warnings
}

/// Checks the files of the repository and the options.
fn check(workspace: &Workspace, options: &DeployOptions) -> Result<DeploymentInput> {
    if !stack_name(&options.stack) {
        bail!(
            "a stack name has 1 to {STACK_NAME} characters of a-z, 0-9 and hyphen and begins with a letter, because queues and the bucket are named after it"
        );
    }
    let list = AgencyList::parse(&workspace.text("infra/agencies.toml")?)?;
    let (rows, keyless) = list.live();
    let agencies = agencies_json(rows)?;
    let template = workspace.text("infra/template.yaml")?;
    let accounts = list.accounts(|_| aws::LOCAL_ACCOUNT.to_owned());
    template::render(&template, &accounts)?;
    if template::agency_codes(&accounts).len() > MAX_PARAMETER_BYTES {
        bail!("the codes of {} agencies exceed the size of a stack's parameter", accounts.len());
    }
    if accounts.values().collect::<BTreeSet<_>>().len() > LARGEST_POLICY {
        bail!(
            "more than {LARGEST_POLICY} accounts of agencies: the policy of the reports queue has no room for them"
        );
    }
    let issuers = options.token_issuers.as_ref().map(|path| {
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        issuers(&text).with_context(|| path.display().to_string())
    });
    let hub_public_keys = options
        .hub_public_keys
        .as_ref()
        .map(|path| fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display())));
    let (issuers, hub_public_keys) = (issuers.transpose()?, hub_public_keys.transpose()?);
    if !options.upload_origins.is_empty() {
        origins::parameter(&options.upload_origins)?;
    }
    Ok(DeploymentInput { list, agencies, keyless, template, issuers, hub_public_keys })
}

/// Whether names of buckets and queues may begin with this name.
fn stack_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=STACK_NAME).contains(&name.len())
        && name.bytes().all(plain)
        && name.as_bytes()[0].is_ascii_lowercase()
        && !name.ends_with('-')
}

/// Checks a list of token issuers with the parser of the functions, and returns it as compact JSON.
fn issuers(text: &str) -> Result<String> {
    let _read: Issuers = Issuers::parse(text, Mode::Live)?;
    let short = serde_json::from_str::<Value>(text)?.to_string();
    if short == NO_ISSUERS {
        bail!("the list of token issuers is empty");
    }
    if short.len() > MAX_ISSUERS_BYTES {
        bail!(
            "the issuers take {} bytes of at most {MAX_ISSUERS_BYTES}: give a jwks_uri in the place of keys",
            short.len()
        );
    }
    Ok(short)
}

/// The checks that need no account: runs the linter, and builds and packs the functions for this machine.
fn dry_run(workspace: &Workspace, input: &DeploymentInput, terminal: &Terminal) -> Result<()> {
    let step = terminal.step("Checking the template");
    let tools = {
        let _alone = workspace.lock()?;
        Tools::install(workspace, REQUIREMENTS, terminal)?
    };
    let mut lint = Command::new(tools.python());
    let lint = children::output(lint.arg(workspace.file("infra/lint/template.py")));
    let lint = lint.context("the linter cannot be run")?;
    if !lint.status.success() {
        bail!("the template has errors:\n{}", String::from_utf8_lossy(&lint.stderr).trim_end());
    }
    step.done(String::from_utf8_lossy(&lint.stdout).trim());
    let reference = reference_pages(workspace, terminal)?;
    let binaries = functions::build(workspace, terminal)?;
    let files = PackageFiles { agencies: input.agencies.clone(), reference, ..PackageFiles::default() };
    let package = functions::pack(workspace, &binaries, &files, "dry-run")?;
    terminal.line(&format!("✓ {} functions packed", package.zips.len()));
    terminal
        .line("No AWS call was made and nothing was changed. A deployment builds the functions for Lambda.");
    Ok(())
}

fn parameters(
    options: &DeployOptions,
    accounts: &BTreeMap<AgencyCode, String>,
    exists: bool,
    keys: &hub_keys::KeyPlan,
) -> Result<BTreeMap<&'static str, Parameter>> {
    let mut parameters = BTreeMap::from([
        ("AgencyCodes", Parameter::Value(template::agency_codes(accounts))),
        ("Mode", Parameter::Value("live".to_owned())),
    ]);
    if !exists {
        // Generated once. Only the stack stores it.
        parameters.insert("IdSecret", Parameter::Value(new_secret()?));
    }
    if let Some(signing) = &keys.signing {
        parameters.insert("HubSigningKey", Parameter::Value(signing.clone()));
    }
    let Limits { requests_per_minute, applications_per_day } = options.limits;
    let limits = [("RequestsPerMinute", requests_per_minute), ("ApplicationsPerDay", applications_per_day)];
    for (name, limit) in limits {
        parameters.extend(limit.map(|limit| (name, Parameter::Value(limit.to_string()))));
    }
    if let Some(topic) = &options.alarm_topic {
        parameters.insert("AlarmTopic", Parameter::Value(topic.clone()));
    }
    if !options.upload_origins.is_empty() {
        let origins = origins::parameter(&options.upload_origins)?;
        parameters.insert("UploadOrigins", Parameter::Value(origins));
    }
    Ok(parameters)
}

/// The reference pages. A deployed hub always has them.
fn reference_pages(workspace: &Workspace, terminal: &Terminal) -> Result<reference::Files> {
    let _alone = workspace.lock()?;
    reference::build(workspace, terminal).context("the reference pages (GET /docs) cannot be built")
}

/// Builds the functions for release, against the C library of Lambda's runtime.
fn release(workspace: &Workspace, terminal: &Terminal) -> Result<Binaries> {
    let tools = {
        let _alone = workspace.lock()?;
        Tools::install(workspace, RELEASE_REQUIREMENTS, terminal)?
    };
    let step = terminal.step("Building the functions for Lambda (this takes minutes)");
    let folder = workspace.state("lambda");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools.programs()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).context("PATH cannot be extended")?;
    let mut command = Command::new(tools.program("cargo-lambda"));
    command
        .current_dir(workspace.root())
        .env("PATH", path)
        .args(["lambda", "build", "--release", "--target", TARGET, "--skip-target-check"])
        .arg("--lambda-dir")
        .arg(&folder);
    for function in FUNCTIONS {
        command.args(["--package", function]);
    }
    let built = children::output(&mut command).context("cargo-lambda cannot be run")?;
    if !built.status.success() {
        let errors = String::from_utf8_lossy(&built.stderr);
        bail!("the functions do not build for Lambda:\n{}", errors.trim_end());
    }
    step.done("Functions built for Lambda");
    Ok(FUNCTIONS.into_iter().map(|name| (name, folder.join(name).join("bootstrap"))).collect())
}

fn report(outputs: &Outputs, terminal: &Terminal) {
    for (key, value) in outputs.iter() {
        terminal.line(&format!("  {key:<24} {value}"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;

    #[test]
    fn a_stack_name_fits_the_names_of_buckets() {
        assert!(stack_name("tongban-prod") && stack_name(&"a".repeat(24)) && !stack_name(&"a".repeat(25)));
        for wrong in ["", "Tongban", "1st", "under_score", "hyphen-", &"a".repeat(41)] {
            assert!(!stack_name(wrong), "{wrong}");
        }
    }

    #[test]
    fn issuers_are_checked_before_they_are_deployed() {
        let key = PrivateKey::generate(KeyUse::Signing).unwrap();
        let public = key.public().to_jwk().unwrap();
        let list = |source: &str| format!(r#"[ {{"issuer":"i", "audience":"tongban", {source}}} ]"#);
        assert!(!issuers(&list(&format!(r#""keys": [{public}]"#))).unwrap().contains(' '));
        let private = key.to_jwk().unwrap();
        let refusal = issuers(&list(&format!(r#""keys": [{private}]"#))).unwrap_err().to_string();
        assert_eq!(refusal, "a key is private or symmetric");
        assert!(issuers(&list(r#""jwks_uri": "https://issuer.example.org/keys""#)).is_ok());
        assert!(issuers(&list(r#""jwks_uri": "http://issuer.example.org/keys""#)).is_err());
        assert!(issuers("{}").is_err() && issuers("[ ]").is_err());
    }

    #[test]
    fn o11_a_deployment_without_a_topic_says_that_alarms_notify_nobody() {
        let told = |issuers: &str, topic| warnings(issuers, topic).join("\n");
        assert!(told("[{}]", false).contains("--alarm-topic"), "{}", told("[{}]", false));
        assert!(told("[{}]", false).contains("notify nobody"));
        assert_eq!(told("[{}]", true), "");
        assert!(told(NO_ISSUERS, true).contains("--token-issuers"));
    }
}
