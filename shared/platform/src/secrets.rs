//! A function's secrets in AWS Secrets Manager: read once by each process, when it starts.
//!
//! Parameter Store is no alternative: its 40 reads a second would delay many processes that start at once.

use std::fmt;

use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_smithy_runtime_api::client::result::SdkError;
use futures_util::future::try_join4;
use protocol::jose::PrivateKey;
use thiserror::Error;

use crate::aws::Aws;
use crate::config::{Config, Secret, Variable, id_secret, signing_key};
use crate::failure::Failure;
use crate::person_index::PersonIndex;

/// The secrets whose ARNs the configuration names.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The secret from which application ids are derived.
    pub id_secret: Option<Secret>,
    /// The keys of the person index.
    pub person_index: Option<PersonIndex>,
    /// The hub's signing key.
    pub signing_key: Option<PrivateKey>,
}

/// A secret cannot be read or used. The text names the variable that has its ARN, and never shows the secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the secret at {name} {problem}")]
pub struct SecretError {
    name: &'static str,
    problem: String,
}

impl Secrets {
    /// Reads the secrets, at the same time. Each that a function needs costs one call, and the key of the person index one
    /// more, for the version before its last rotation.
    ///
    /// # Errors
    /// [`SecretError`] when Secrets Manager does not answer, refuses the role, or stores something else.
    pub async fn read(aws: &Aws, config: &Config) -> Result<Secrets, SecretError> {
        let (index, index_arn) = (Variable::PersonIndexKey, config.person_index_key_arn.as_deref());
        let id = read(aws, Variable::IdSecret, config.id_secret_arn.as_deref(), PRESENT, id_secret);
        let key = read(aws, Variable::HubSigningKey, config.signing_key_arn.as_deref(), PRESENT, signing_key);
        let present = read(aws, index, index_arn, PRESENT, id_secret);
        let former = read(aws, index, index_arn, FORMER, id_secret);
        let (id_secret, signing_key, present, former) = try_join4(id, key, present, former).await?;
        let person_index = present.map(|present| PersonIndex::new(present, former));
        Ok(Secrets { id_secret, person_index, signing_key })
    }
}

/// The stages that Secrets Manager gives to the versions of a secret.
const PRESENT: &str = "AWSCURRENT";
const FORMER: &str = "AWSPREVIOUS";

async fn read<T, E: fmt::Display>(
    aws: &Aws,
    variable: Variable,
    arn: Option<&str>,
    stage: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, SecretError> {
    let Some(arn) = arn else { return Ok(None) };
    let failed = |problem: String| SecretError { name: variable.name(), problem };
    let answer = aws.secrets_manager().get_secret_value().secret_id(arn).version_stage(stage).send().await;
    let is_missing = |error: &SdkError<GetSecretValueError, _>| {
        error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception)
    };
    let answer = match answer {
        Ok(answer) => answer,
        // A secret that was never rotated has one version.
        Err(error) if stage == FORMER && is_missing(&error) => return Ok(None),
        Err(error) if is_missing(&error) => {
            return Err(failed("cannot be read: there is no such secret".to_owned()));
        }
        Err(error) => {
            let cause = match Failure::of("GetSecretValue", &error) {
                Failure::Throttled => "Secrets Manager is throttled",
                Failure::Denied => {
                    "the role lacks secretsmanager:GetSecretValue, or kms:Decrypt on the stack's key"
                }
                Failure::NotFound => "there is no such secret",
                Failure::Refused => "Secrets Manager refuses the request",
                Failure::Unavailable => "Secrets Manager does not answer",
            };
            return Err(failed(format!("cannot be read: {cause}")));
        }
    };
    let text = answer.secret_string().ok_or_else(|| failed("has no text".to_owned()))?;
    parse(text).map(Some).map_err(|problem| failed(format!("is not usable: {problem}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use domain::catalogue::Service;
    use domain::identity_number::IdentityNumber;
    use jiff::civil::date;
    use protocol::jose::KeyUse;
    use serde_json::json;

    use super::*;
    use crate::stub_aws::StubAws;

    const NAMES: [&str; 3] = ["ID_SECRET_ARN", "HUB_SIGNING_KEY_ARN", "PERSON_INDEX_KEY_ARN"];

    /// Secrets Manager with this secret, and its version before the rotation.
    fn secrets_manager(secret: String, former: Option<String>) -> StubAws {
        StubAws::start(move |request| {
            let value = if request.body.contains(FORMER) { former.clone() } else { Some(secret.clone()) };
            let (status, answer) = match value {
                Some(value) => (200, json!({ "SecretString": value, "Name": "n", "ARN": "arn:n" })),
                None => (400, json!({ "__type": "ResourceNotFoundException" })),
            };
            (status, answer.to_string())
        })
    }

    async fn started(secret: String, named: &[&str]) -> (Result<Secrets, SecretError>, Vec<String>) {
        started_with(secret, None, named).await
    }

    async fn started_with(
        secret: String,
        former: Option<String>,
        named: &[&str],
    ) -> (Result<Secrets, SecretError>, Vec<String>) {
        let stub = secrets_manager(secret, former);
        let arn = "arn:aws-cn:secretsmanager:cn-north-1:1:secret:s";
        let aws = [
            ("AWS_REGION", "cn-north-1"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_ENDPOINT_URL", &stub.url),
        ];
        let given = aws.into_iter().chain(named.iter().map(|name| (*name, arn)));
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::read(&[], given).unwrap();
        let secrets = Secrets::read(&Aws::new(config.access.clone()), &config).await;
        (secrets, stub.requests().into_iter().map(|request| request.body).collect())
    }

    #[tokio::test]
    async fn o4_a_start_costs_one_call_for_its_secret_and_none_without_one() {
        let secret = URL_SAFE_NO_PAD.encode([7; 32]);
        let (secrets, asked) = started(secret.clone(), &NAMES[..1]).await;
        let secrets = secrets.unwrap();
        assert_eq!(secrets.id_secret.as_ref().unwrap().expose(), [7; 32]);
        let call =
            r#"{"SecretId":"arn:aws-cn:secretsmanager:cn-north-1:1:secret:s","VersionStage":"AWSCURRENT"}"#;
        assert_eq!(asked, [call]);
        assert!(!format!("{secrets:?}").contains("7, 7"));

        let key = PrivateKey::generate(KeyUse::Signing).unwrap();
        let jwk = key.to_jwk().unwrap();
        let (secrets, asked) = started(jwk.to_string(), &NAMES[1..2]).await;
        let secrets = secrets.unwrap();
        assert_eq!(secrets.signing_key.as_ref().unwrap().public().kid(), key.public().kid());
        assert!(!format!("{secrets:?}").contains(jwk["d"].as_str().unwrap()));
        assert_eq!(asked.len(), 1);

        let (secrets, asked) = started(secret, &[]).await;
        assert!(secrets.unwrap().id_secret.is_none() && asked.is_empty());
    }

    /// A key that was never rotated has no former version, which Secrets Manager answers with an error.
    #[tokio::test]
    async fn p10_the_key_of_the_person_index_is_read_with_the_one_before() {
        let number = IdentityNumber::compute("110105", date(1992, 5, 4), 1).unwrap();
        let service = Service::all()[0];
        let key = |byte| URL_SAFE_NO_PAD.encode([byte; 32]);
        for (former, values) in [(None, 1), (Some(key(6)), 2)] {
            let (secrets, asked) = started_with(key(7), former, &NAMES[2..]).await;
            let index = secrets.unwrap().person_index.unwrap();
            assert_eq!(index.values(service, &number).len(), values);
            let stage = |stage: &str| asked.iter().filter(|call| call.contains(stage)).count();
            assert_eq!((asked.len(), stage(PRESENT), stage(FORMER)), (2, 1, 1));
        }
    }

    #[tokio::test]
    async fn o4_a_secret_of_another_kind_is_named_and_not_shown() {
        let (secrets, _) = started("Y2FuYXJ5".to_owned(), &NAMES[..1]).await;
        let refusal = secrets.unwrap_err().to_string();
        assert_eq!(refusal, "the secret at ID_SECRET_ARN is not usable: shorter than 32 bytes");
        let (secrets, _) = started("canary".to_owned(), &NAMES[1..2]).await;
        let refusal = secrets.unwrap_err().to_string();
        assert_eq!(refusal, "the secret at HUB_SIGNING_KEY_ARN is not usable: not JSON");
    }
}
