//! How AWS is reached: the real one through the usual profiles, the local one by its address.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::time::SystemTime;

use anyhow::{Context as _, Error, anyhow};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Region of the local AWS.
pub const LOCAL_REGION: &str = "us-east-1";
/// The hub's account on the local AWS.
pub const LOCAL_ACCOUNT: &str = "000000000000";

fn https() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// The local AWS, as one of its accounts. There an access key of 12 digits is that account's root.
#[must_use]
pub fn local(endpoint: &str, account: &str) -> SdkConfig {
    let credentials = Credentials::new(account, "test", None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(LOCAL_REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// S3, addressed as the local AWS needs it where it is the local one.
#[must_use]
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let here = config.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(here).build();
    aws_sdk_s3::Client::from_conf(config)
}

/// A real account, through environment, profile or instance role.
pub async fn account(region: &str, profile: Option<&str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(https());
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    loader.load().await
}

/// Whose calls these are: the account's number, and the caller's name as AWS knows it.
///
/// # Errors
/// AWS cannot be asked.
pub async fn caller(config: &SdkConfig) -> anyhow::Result<(String, String)> {
    let caller = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let caller = caller.map_err(|error| call_error("asking whose account this is", error))?;
    let account = caller.account().map(str::to_owned).context("AWS does not say whose account this is")?;
    Ok((account, caller.arn().unwrap_or("an unnamed caller").to_owned()))
}

/// The headers that sign a call of the local AWS made without an SDK (Signature Version 4).
///
/// # Errors
/// The address is no address.
pub fn signed_headers(
    service: &str,
    method: &str,
    address: &str,
    body: &[u8],
) -> anyhow::Result<Vec<(String, String)>> {
    let identity = Credentials::new(LOCAL_ACCOUNT, "test", None, None, "local").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(LOCAL_REGION)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let request = SignableRequest::new(method, address, std::iter::empty(), SignableBody::Bytes(body))?;
    let (instructions, _) = sign(request, &parameters)?.into_parts();
    let headers = instructions.headers();
    Ok(headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// What AWS said, in one sentence.
pub fn call_error<E, R>(doing: &str, error: SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    if let Some(said) = error.as_service_error()
        && let (Some(code), Some(message)) = (said.code(), said.message())
    {
        return anyhow!("{doing}: AWS said {code}: {message}");
    }
    let details = DisplayErrorContext(&error).to_string();
    if details.contains("provided credentials") || details.contains("CredentialsNotLoaded") {
        return anyhow!("{doing}: no AWS credentials were found; set a profile or the usual variables");
    }
    if matches!(error, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_)) {
        return anyhow!("{doing}: AWS cannot be reached");
    }
    anyhow!("{doing}: {details}")
}
