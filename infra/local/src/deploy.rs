//! Deploys the hub to a real account, or checks without one all that can be checked.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use aws_config::SdkConfig;
use domain::ids::AgencyCode;
use protocol::jose::{KeyUse, PrivateKey, PublicKey};
use serde::Deserialize;
use serde_json::Value;

use crate::aws::{self, told};
use crate::functions::{self, FUNCTIONS, Package};
use crate::local::REQUIREMENTS;
use crate::partners::{AgencyList, partners_json};
use crate::python::Tools;
use crate::screen::Screen;
use crate::secrets::{hub_keys, new_id_secret};
use crate::stack::{Cloud, Outputs, Parameter, Wanted};
use crate::template;
use crate::workspace::Workspace;

/// What a build for Lambda needs, pinned by hash.
const RELEASE_REQUIREMENTS: &str = "infra/local/requirements-release.txt";
/// The C library of the `provided.al2023` runtime: a binary linked against a later one does not start there.
const TARGET: &str = "x86_64-unknown-linux-gnu.2.34";
/// The most bytes CloudFormation takes in one parameter.
const LARGEST_PARAMETER: usize = 4096;
/// The most characters of a stack's name: its bucket adds `-documents-`, an account and a region, and S3 takes 63.
const STACK_NAME: usize = 24;
/// The most bytes of `TOKEN_ISSUERS`: Lambda takes 4096 for a function's whole environment.
const LARGEST_ISSUERS: usize = 3072;

/// Where to, and with what.
#[derive(Clone, Debug)]
pub struct DeployOptions {
    /// Name of the stack.
    pub stack: String,
    /// AWS region, `cn-north-1` and `cn-northwest-1` included.
    pub region: String,
    /// Profile of the AWS configuration; the usual chain without one.
    pub profile: Option<String>,
    /// Checks everything that needs no account, and changes nothing.
    pub dry_run: bool,
    /// A JSON file of the issuers whose access tokens are accepted; the stack keeps its own without one.
    pub token_issuers: Option<PathBuf>,
    /// ARN of the SNS topic that alarms go to; the stack keeps its own without one.
    pub alarm_topic: Option<String>,
    /// The bucket for zips, made where it is not there; named after account and region without one.
    pub artifacts_bucket: Option<String>,
    /// Goes on though a table, bucket or key would be replaced or removed.
    pub allow_data_loss: bool,
}

/// One issuer as `TOKEN_ISSUERS` has it.
#[derive(Deserialize)]
struct Issuer {
    issuer: String,
    audience: String,
    keys: Vec<Value>,
}

/// What is deployed, as far as it does not depend on the account.
struct Checked {
    list: AgencyList,
    partners: Vec<u8>,
    keyless: Vec<AgencyCode>,
    template: String,
    issuers: Option<String>,
}

/// Deploys, or with `dry_run` only checks.
///
/// # Errors
/// Each in one sentence: an agency, the template, a parameter or the code is wrong, no credentials, or what
/// CloudFormation says.
pub async fn deploy(options: &DeployOptions, screen: &Screen) -> Result<()> {
    let workspace = Workspace::find()?;
    let checked = check(&workspace, options)?;
    if !checked.keyless.is_empty() {
        let codes: Vec<String> = checked.keyless.iter().map(AgencyCode::to_string).collect();
        screen.line(&format!(
            "! {} agencies have no keys in infra/partners.toml and take no cases until they have: {}",
            codes.len(),
            codes.join(" ")
        ));
    }
    if options.dry_run {
        return dry_run(&workspace, &checked, screen);
    }
    let aws = aws::account(&options.region, options.profile.as_deref()).await;
    let account = account_number(&aws).await?;
    let accounts = checked.list.accounts(|_| account.clone());
    let template = template::render(&checked.template, &accounts)?;
    let package = release(&workspace, &checked.partners, screen)?;
    let bucket = options
        .artifacts_bucket
        .clone()
        .unwrap_or_else(|| format!("tongban-artifacts-{account}-{}", options.region));

    let cloud = Cloud::new(&aws);
    let exists = cloud.exists(&options.stack).await?;
    if !exists && checked.issuers.is_none() {
        screen.line("! No --token-issuers: no app backend will be let in until a deployment names them");
    }
    let hub_key = PrivateKey::generate(KeyUse::Signing)?;
    let parameters = parameters(options, &checked, &accounts, exists, &hub_key)?;
    cloud.ensure_bucket(&bucket).await?;
    cloud.upload(&bucket, &package, screen).await?;
    let wanted =
        Wanted { stack: &options.stack, bucket: &bucket, template: &template, package: &package, parameters };
    let change = cloud.prepare(&wanted, screen).await?;
    screen.line(&change.plan.to_string());
    let losses: Vec<String> = change.plan.losses().map(|change| change.id.clone()).collect();
    if !losses.is_empty() && !options.allow_data_loss {
        cloud.discard(change).await?;
        bail!("{} would lose what was accepted; with --allow-data-loss it goes on", losses.join(", "));
    }
    let outputs = cloud.apply(change, screen).await?;
    report(&outputs, screen);
    if !exists {
        screen.line("The key that agencies verify the hub's messages with (public):");
        screen.line(&hub_key.public().to_jwk()?.to_string());
    }
    Ok(())
}

/// Checks what lies in the repository and what was given.
fn check(workspace: &Workspace, options: &DeployOptions) -> Result<Checked> {
    if !stack_name(&options.stack) {
        bail!(
            "a stack's name has 1 to {STACK_NAME} of a-z, 0-9 and hyphen and begins with a letter: queues and the bucket carry it"
        );
    }
    let list = AgencyList::parse(&workspace.text("infra/partners.toml")?)?;
    let (rows, keyless) = list.live();
    let partners = partners_json(rows)?;
    let template = workspace.text("infra/template.yaml")?;
    let accounts = list.accounts(|_| aws::LOCAL_ACCOUNT.to_owned());
    template::render(&template, &accounts)?;
    if template::agency_codes(&accounts).len() > LARGEST_PARAMETER {
        bail!("{} agencies are more than one parameter of a stack holds", accounts.len());
    }
    let issuers = options.token_issuers.as_ref().map(|path| {
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        issuers(&text).with_context(|| path.display().to_string())
    });
    Ok(Checked { list, partners, keyless, template, issuers: issuers.transpose()? })
}

/// Whether S3 and SQS take names that begin with it.
fn stack_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=STACK_NAME).contains(&name.len())
        && name.bytes().all(plain)
        && name.as_bytes()[0].is_ascii_lowercase()
        && !name.ends_with('-')
}

/// Checks a list of token issuers and writes it as short as it can be.
fn issuers(text: &str) -> Result<String> {
    let list: Vec<Issuer> =
        serde_json::from_str(text).context("not a list of {\"issuer\", \"audience\", \"keys\"}")?;
    for issuer in &list {
        if issuer.issuer.is_empty() || issuer.audience.is_empty() || issuer.keys.is_empty() {
            bail!("an issuer needs a name, an audience and at least one key");
        }
        let rsa =
            |key: &Value| key.get("kty").and_then(Value::as_str) == Some("RSA") && key.get("d").is_none();
        if let Some(place) = issuer.keys.iter().position(|key| !rsa(key) && PublicKey::from_jwk(key).is_err())
        {
            bail!("key {} of the issuer {} is not a public JWK", place + 1, issuer.issuer);
        }
    }
    let short = serde_json::from_str::<Value>(text)?.to_string();
    if short.len() > LARGEST_ISSUERS {
        bail!(
            "the issuers take {} bytes; a function's environment has room for {LARGEST_ISSUERS}",
            short.len()
        );
    }
    Ok(short)
}

/// The checks that need no account: the linter, and the functions packed as this machine builds them.
fn dry_run(workspace: &Workspace, checked: &Checked, screen: &Screen) -> Result<()> {
    let step = screen.step("Checking the template");
    let tools = {
        let _alone = workspace.lock()?;
        Tools::install(workspace, REQUIREMENTS, screen)?
    };
    let lint = Command::new(tools.python())
        .arg(workspace.file("infra/lint/template.py"))
        .output()
        .context("the linter cannot be run")?;
    if !lint.status.success() {
        bail!("the template is not sound:\n{}", String::from_utf8_lossy(&lint.stderr).trim_end());
    }
    step.done(String::from_utf8_lossy(&lint.stdout).trim());
    let binaries = functions::build(workspace, screen)?;
    let package = functions::pack(workspace, &binaries, &checked.partners, "dry-run")?;
    screen.line(&format!("✓ {} functions packed", package.zips.len()));
    screen.line(
        "Nothing was asked of AWS and nothing was changed. A deployment builds the functions for Lambda.",
    );
    Ok(())
}

fn parameters(
    options: &DeployOptions,
    checked: &Checked,
    accounts: &BTreeMap<AgencyCode, String>,
    exists: bool,
    hub_key: &PrivateKey,
) -> Result<BTreeMap<&'static str, Parameter>> {
    let mut parameters = BTreeMap::from([
        ("AgencyCodes", Parameter::Value(template::agency_codes(accounts))),
        ("Mode", Parameter::Value("live".to_owned())),
    ]);
    if !exists {
        // Made here once and kept by the stack alone.
        parameters.insert("IdSecret", Parameter::Value(new_id_secret()?));
        parameters.insert("HubSigningKey", Parameter::Value(hub_key.to_jwk()?.to_string()));
        parameters.insert("HubPublicKeys", Parameter::Value(hub_keys([hub_key.public()])?));
    }
    if let Some(issuers) = &checked.issuers {
        parameters.insert("TokenIssuers", Parameter::Value(issuers.clone()));
    }
    if let Some(topic) = &options.alarm_topic {
        parameters.insert("AlarmTopic", Parameter::Value(topic.clone()));
    }
    Ok(parameters)
}

async fn account_number(aws: &SdkConfig) -> Result<String> {
    let caller = aws_sdk_sts::Client::new(aws).get_caller_identity().send().await;
    let caller = caller.map_err(|error| told("asking whose account this is", error))?;
    caller.account().map(str::to_owned).context("AWS does not say whose account this is")
}

/// Builds the functions as they ship and for the C library they will find.
fn release(workspace: &Workspace, partners: &[u8], screen: &Screen) -> Result<Package> {
    let tools = {
        let _alone = workspace.lock()?;
        Tools::install(workspace, RELEASE_REQUIREMENTS, screen)?
    };
    let step = screen.step("Building the functions for Lambda (this takes minutes)");
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
    let built = command.output().context("cargo-lambda cannot be run")?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        bail!("the functions do not build for Lambda:\n{}", said.trim_end());
    }
    step.done("Functions built for Lambda");
    let binaries = FUNCTIONS.into_iter().map(|name| (name, folder.join(name).join("bootstrap"))).collect();
    functions::pack(workspace, &binaries, partners, "live")
}

fn report(outputs: &Outputs, screen: &Screen) {
    for (key, value) in outputs.iter() {
        screen.line(&format!("  {key:<24} {value}"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;

    #[test]
    fn a_stack_is_named_as_s3_names_buckets() {
        assert!(stack_name("tongban-prod") && stack_name(&"a".repeat(24)) && !stack_name(&"a".repeat(25)));
        for wrong in ["", "Tongban", "1st", "under_score", "hyphen-", &"a".repeat(41)] {
            assert!(!stack_name(wrong), "{wrong}");
        }
    }

    #[test]
    fn issuers_are_checked_before_they_are_deployed() {
        let key = PrivateKey::generate(KeyUse::Signing).unwrap();
        let public = key.public().to_jwk().unwrap();
        let list = |key: &Value| format!(r#"[ {{"issuer":"i", "audience":"tongban", "keys":[{key}]}} ]"#);
        assert!(!issuers(&list(&public)).unwrap().contains(' '));
        let told = issuers(&list(&key.to_jwk().unwrap())).unwrap_err().to_string();
        assert_eq!(told, "key 1 of the issuer i is not a public JWK");
        assert!(issuers("{}").is_err());
    }
}
