//! A function's secrets in AWS Secrets Manager: read once by each process, when it starts.
//!
//! Parameter Store is no alternative: its 40 reads a second would delay many processes that start at once.

use std::fmt;

use futures_util::future::try_join;
use protocol::jose::PrivateKey;
use thiserror::Error;

use crate::aws::Aws;
use crate::config::{Config, Secret, Variable, id_secret, signing_key};
use crate::failure::Failure;

/// The secrets whose ARNs the configuration names.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The secret from which application ids are derived.
    pub id_secret: Option<Secret>,
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
    /// Reads the secrets. A function that needs one makes one call, a function that needs none makes none.
    ///
    /// # Errors
    /// [`SecretError`] when Secrets Manager does not answer, refuses the role, or stores something else.
    pub async fn read(aws: &Aws, config: &Config) -> Result<Secrets, SecretError> {
        let id = read(aws, Variable::IdSecret, config.id_secret_arn.as_deref(), id_secret);
        let key = read(aws, Variable::HubSigningKey, config.signing_key_arn.as_deref(), signing_key);
        let (id_secret, signing_key) = try_join(id, key).await?;
        Ok(Secrets { id_secret, signing_key })
    }
}

async fn read<T, E: fmt::Display>(
    aws: &Aws,
    variable: Variable,
    arn: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, SecretError> {
    let Some(arn) = arn else { return Ok(None) };
    let failed = |problem: String| SecretError { name: variable.name(), problem };
    let answer = aws.secrets_manager().get_secret_value().secret_id(arn).send().await.map_err(|error| {
        failed(format!(
            "cannot be read: {}",
            match Failure::of("GetSecretValue", &error) {
                Failure::Throttled => "Secrets Manager is throttled",
                Failure::Denied =>
                    "the role lacks secretsmanager:GetSecretValue, or kms:Decrypt on the stack's key",
                Failure::NotFound => "there is no such secret",
                Failure::Refused => "Secrets Manager refuses the request",
                Failure::Unavailable => "Secrets Manager does not answer",
            }
        ))
    })?;
    let text = answer.secret_string().ok_or_else(|| failed("has no text".to_owned()))?;
    parse(text).map(Some).map_err(|problem| failed(format!("is not usable: {problem}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use protocol::jose::KeyUse;
    use serde_json::json;

    use super::*;

    const NAMES: [&str; 2] = ["ID_SECRET_ARN", "HUB_SIGNING_KEY_ARN"];

    /// Secrets Manager with this secret: answers every call with it, and notes what each call asks for.
    fn secrets_manager(secret: String) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let lines: Vec<String> = reader
                    .by_ref()
                    .lines()
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty())
                    .map(|line| line.to_lowercase())
                    .collect();
                let length = lines.iter().find_map(|line| line.strip_prefix("content-length:")).unwrap();
                let mut body = String::new();
                reader.by_ref().take(length.trim().parse().unwrap()).read_to_string(&mut body).unwrap();
                notes.lock().unwrap().push(body);
                let answer = json!({ "SecretString": secret, "Name": "n", "ARN": "arn:n" }).to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    answer.len()
                );
                reader.into_inner().write_all(format!("{head}{answer}").as_bytes()).unwrap();
            }
        });
        (url, asked)
    }

    async fn started(secret: String, named: &[&str]) -> (Result<Secrets, SecretError>, Vec<String>) {
        let (url, asked) = secrets_manager(secret);
        let arn = "arn:aws-cn:secretsmanager:cn-north-1:1:secret:s";
        let aws = [
            ("AWS_REGION", "cn-north-1"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_ENDPOINT_URL", &url),
        ];
        let given = aws.into_iter().chain(named.iter().map(|name| (*name, arn)));
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::read(&[], given).unwrap();
        let secrets = Secrets::read(&Aws::new(config.access.clone()), &config).await;
        let asked = asked.lock().unwrap().clone();
        (secrets, asked)
    }

    #[tokio::test]
    async fn o4_a_start_costs_one_call_for_its_secret_and_none_without_one() {
        let secret = URL_SAFE_NO_PAD.encode([7; 32]);
        let (secrets, asked) = started(secret.clone(), &NAMES[..1]).await;
        let secrets = secrets.unwrap();
        assert_eq!(secrets.id_secret.as_ref().unwrap().expose(), [7; 32]);
        assert_eq!(asked, [r#"{"SecretId":"arn:aws-cn:secretsmanager:cn-north-1:1:secret:s"}"#]);
        assert!(!format!("{secrets:?}").contains("7, 7"));

        let key = PrivateKey::generate(KeyUse::Signing).unwrap();
        let jwk = key.to_jwk().unwrap();
        let (secrets, asked) = started(jwk.to_string(), &NAMES[1..]).await;
        let secrets = secrets.unwrap();
        assert_eq!(secrets.signing_key.as_ref().unwrap().public().kid(), key.public().kid());
        assert!(!format!("{secrets:?}").contains(jwk["d"].as_str().unwrap()));
        assert_eq!(asked.len(), 1);

        let (secrets, asked) = started(secret, &[]).await;
        assert!(secrets.unwrap().id_secret.is_none() && asked.is_empty());
    }

    #[tokio::test]
    async fn o4_a_secret_of_another_kind_is_named_and_not_shown() {
        let (secrets, _) = started("Y2FuYXJ5".to_owned(), &NAMES[..1]).await;
        let refusal = secrets.unwrap_err().to_string();
        assert_eq!(refusal, "the secret at ID_SECRET_ARN is not usable: shorter than 32 bytes");
        let (secrets, _) = started("canary".to_owned(), &NAMES[1..]).await;
        let refusal = secrets.unwrap_err().to_string();
        assert_eq!(refusal, "the secret at HUB_SIGNING_KEY_ARN is not usable: not JSON");
    }
}
