//! The messages that the hub's functions send each other, in the callback queue and in the drain queue.
//!
//! A right to send to a queue does not make the sender a function of the hub. So each message carries a proof: the
//! SHA-256 of its text, encrypted by the vault, whose key only the hub's roles may use. A message without a valid proof
//! has no effect. The other queues that functions read need no proof: a report is signed by its agency, and an S3 event
//! only says which object of the bucket is to be inspected.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::callback::CallbackMessage;
use protocol::json;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::batch::{Failure, Message};
use crate::hub::Hub;
use crate::vault::{Vault as _, VaultError};

/// The vault's field name for proofs, and their owner.
const FIELD: &str = "queue_message";
const OWNER: &str = "hub";

/// The body of a message.
#[derive(Serialize, Deserialize)]
enum Body {
    /// A message with its proof.
    #[serde(rename = "proven-1")]
    Proven {
        /// JSON of a [`CallbackMessage`]. It is a text, so that the proof covers members that an older version does not
        /// know.
        message: String,
        /// The proof, in base64url.
        proof: String,
    },
}

/// Why a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The message cannot be written as JSON.
    #[error("the message cannot be written as JSON")]
    Unwritable,
    /// The vault cannot make the proof.
    #[error("the proof of the message cannot be made")]
    Vault(#[from] VaultError),
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Unwritable => Failure::poison(error),
            ProofError::Vault(error) => error.into(),
        }
    }
}

/// The body of a message with its proof.
///
/// # Errors
/// [`ProofError::Vault`] when the key is not available.
pub async fn proven<H: Hub>(hub: &H, message: &CallbackMessage) -> Result<String, ProofError> {
    let message = serde_json::to_string(message).map_err(|_| ProofError::Unwritable)?;
    let proof = hub.vault().encrypt(FIELD, OWNER, &Sha256::digest(message.as_bytes())).await?;
    let body = Body::Proven { message, proof: URL_SAFE_NO_PAD.encode(proof) };
    serde_json::to_string(&body).map_err(|_| ProofError::Unwritable)
}

/// Reads a message and verifies its proof.
///
/// # Errors
/// [`Failure::Poison`] when no function of the hub wrote the message, or this version cannot read it;
/// [`Failure::Retry`] when the key is not available.
pub async fn read<H: Hub>(hub: &H, message: &Message) -> Result<CallbackMessage, Failure> {
    const FORGED: &str = "no function of the hub wrote the message: it has no valid proof";
    let Body::Proven { message: text, proof } =
        message.json().map_err(|error| error.because("the message has no proof that this version knows"))?;
    let proof = URL_SAFE_NO_PAD.decode(proof).map_err(|_| Failure::poison(FORGED))?;
    let hash = match hub.vault().decrypt(FIELD, OWNER, &proof).await {
        Ok(hash) => hash,
        Err(VaultError::Corrupt) => return Err(Failure::poison(FORGED)),
        Err(error) => return Err(error.into()),
    };
    if hash[..] != Sha256::digest(text.as_bytes())[..] {
        return Err(Failure::poison(FORGED));
    }
    json::from_slice(text.as_bytes(), text.len())
        .map_err(|error| Failure::poison(format!("the message of the hub cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use protocol::callback::Drain;
    use serde_json::{Value, json};

    use super::*;
    use crate::contract::sample;
    use crate::faults::Fault;
    use crate::hub::FakeHub;

    fn drain() -> CallbackMessage {
        let subscription = "018f2d3e-0000-7000-8000-000000000001".parse().unwrap();
        CallbackMessage::Drain(Drain { tenant: sample::tenant("an-app"), subscription })
    }

    async fn read_body(hub: &FakeHub, body: String) -> Result<CallbackMessage, Failure> {
        let message = Message {
            id: "m".to_owned(),
            group: None,
            body,
            receives: 1,
            sent: None,
            receipt: "r".to_owned(),
            queue: None,
        };
        read(hub, &message).await
    }

    #[tokio::test]
    async fn c6_only_what_a_function_of_the_hub_wrote_is_read() {
        let hub = FakeHub::new(sample::agencies());
        let body = proven(&hub, &drain()).await.unwrap();
        assert_eq!(read_body(&hub, body.clone()).await, Ok(drain()));
        let honest: Value = serde_json::from_str(&body).unwrap();
        let (message, proof) = (&honest["proven-1"]["message"], &honest["proven-1"]["proof"]);
        let other = message.as_str().unwrap().replace("an-app", "b-app");
        // A value that the vault encrypted for another purpose is no proof, even when the plaintext is the right hash.
        let hash = Sha256::digest(message.as_str().unwrap());
        let secret = hub.vault().encrypt("secret", OWNER, &hash).await.unwrap();
        for forged in [
            serde_json::to_string(&drain()).unwrap(),
            message.as_str().unwrap().to_owned(),
            json!({ "proven-1": { "message": other, "proof": proof } }).to_string(),
            json!({ "proven-1": { "message": message, "proof": "" } }).to_string(),
            json!({ "proven-1": { "message": message, "proof": "AAAA" } }).to_string(),
            json!({ "proven-1": { "message": message, "proof": "*" } }).to_string(),
            json!({ "proven-1": { "message": message, "proof": URL_SAFE_NO_PAD.encode(secret) } })
                .to_string(),
            json!({ "proven-1": { "message": message } }).to_string(),
            json!({ "proven-2": { "message": message, "proof": proof } }).to_string(),
            String::new(),
        ] {
            let refused = read_body(&hub, forged.clone()).await;
            assert!(matches!(refused, Err(Failure::Poison(_))), "{forged}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn c6_a_message_waits_while_the_key_is_away() {
        let hub = FakeHub::new(sample::agencies());
        let body = proven(&hub, &drain()).await.unwrap();
        hub.faults.restart();
        hub.faults.plan(1, Fault::Before);
        assert!(matches!(read_body(&hub, body.clone()).await, Err(Failure::Retry(_))));
        assert_eq!(read_body(&hub, body).await, Ok(drain()));
    }
}
