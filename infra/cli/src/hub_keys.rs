//! The signing keys of a live hub: the key in use, and the published former keys.
//!
//! Only the stack stores the private key. The public keys are a file in the package of the functions, where this
//! command finds them again.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use protocol::jose::{PrivateKey, PublicKey};
use serde_json::Value;

/// Number of former keys that stay published: messages signed with them may still be in a queue.
pub const FORMER_KEYS: usize = 3;

/// State of the stack, and the options of the deployment.
#[derive(Clone, Copy, Debug)]
pub struct KeySituation<'a> {
    pub exists: bool,
    /// The keys that the deployed functions publish, as JSON.
    pub published: Option<&'a str>,
    /// Text of the file given with `--hub-public-keys`.
    pub given: Option<&'a str>,
    /// Whether a new key replaces the key in use.
    pub rotate: bool,
}

/// The keys of a deployment.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPlan {
    /// The keys to publish.
    pub public: String,
    /// The private key. `None` keeps the key of the stack.
    pub signing: Option<String>,
    /// Published keys and private key for a second update, after the new key is published.
    pub second_update: Option<(String, String)>,
    /// Id of the new key in use.
    pub new: Option<String>,
}

impl fmt::Debug for KeyPlan {
    /// Leaves out the private keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPlan")
            .field("public", &self.public)
            .field("new", &self.new)
            .finish_non_exhaustive()
    }
}

/// Chooses the keys. `key` is the candidate for a new key.
///
/// # Errors
/// The stack publishes no key and no key is given, or the given key does not fit the stack.
pub fn plan(situation: KeySituation<'_>, key: &PrivateKey) -> Result<KeyPlan> {
    let KeySituation { exists, published, given, rotate } = situation;
    let new = key.public().to_jwk()?;
    let signing = key.to_jwk()?.to_string();
    let kid = Some(key.public().kid().to_owned());
    if !exists {
        if given.is_some() || rotate {
            bail!(
                "the stack does not exist yet. Deploy without --rotate-hub-key and --hub-public-keys: the first deployment creates a key"
            );
        }
        return Ok(KeyPlan { public: set(&[new]), signing: Some(signing), second_update: None, new: kid });
    }
    let former = match (published, given) {
        (Some(published), None) => keys(published).context("the keys that the stack publishes")?,
        (None, Some(given)) => keys(given)?,
        (Some(_), Some(_)) => {
            bail!("the stack already publishes its keys. Run the command without --hub-public-keys")
        }
        (None, None) => bail!(
            "the stack was deployed before the hub published its keys, and AWS does not return the signing key. The first \
                         deployment printed its public part, and every agency has it: write it into a file and deploy once with \
                         --hub-public-keys FILE"
        ),
    };
    if !rotate {
        return Ok(KeyPlan { public: set(&former), signing: None, second_update: None, new: None });
    }
    let kept: Vec<Value> = former.into_iter().take(FORMER_KEYS).collect();
    let before: Vec<Value> = kept.iter().cloned().chain([new.clone()]).collect();
    let after: Vec<Value> = [new].into_iter().chain(kept).collect();
    Ok(KeyPlan { public: set(&before), signing: None, second_update: Some((set(&after), signing)), new: kid })
}

fn set(keys: &[Value]) -> String {
    serde_json::json!({ "keys": keys }).to_string()
}

/// The public keys in a text: a JWK, a list of JWKs, or a JWK set.
fn keys(text: &str) -> Result<Vec<Value>> {
    let value: Value =
        protocol::json::parse(text.as_bytes(), text.len()).context("the hub's public keys cannot be read")?;
    let list = match value.get("keys").unwrap_or(&value) {
        Value::Array(list) => list.clone(),
        jwk => vec![jwk.clone()],
    };
    if list.is_empty() {
        bail!("the list of the hub's public keys is empty");
    }
    if let Some(place) = list.iter().position(|jwk| PublicKey::from_jwk(jwk).is_err()) {
        bail!("key {} of the hub's public keys is not a public JWK", place + 1);
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;
    use protocol::jose::KeyUse;

    fn key() -> PrivateKey {
        PrivateKey::generate(KeyUse::Signing).unwrap()
    }

    fn public(keys: &[&PrivateKey]) -> String {
        set(&keys.iter().map(|key| key.public().to_jwk().unwrap()).collect::<Vec<_>>())
    }

    fn old<'a>(published: Option<&'a str>, given: Option<&'a str>, rotate: bool) -> KeySituation<'a> {
        KeySituation { exists: true, published, given, rotate }
    }

    #[test]
    fn a_new_stack_publishes_its_signing_key() {
        let new = key();
        let plan =
            plan(KeySituation { exists: false, published: None, given: None, rotate: false }, &new).unwrap();
        assert_eq!(plan.public, public(&[&new]));
        assert_eq!(plan.signing.unwrap(), new.to_jwk().unwrap().to_string());
        assert_eq!(plan.second_update, None);
    }

    #[test]
    fn an_ordinary_deployment_leaves_the_keys_alone() {
        let published = public(&[&key()]);
        let plan = plan(old(Some(&published), None, false), &key()).unwrap();
        assert_eq!(plan, KeyPlan { public: published, signing: None, second_update: None, new: None });
    }

    #[test]
    fn a_new_key_is_published_before_it_signs_and_three_former_ones_stay() {
        let (new, former) = (key(), [key(), key(), key(), key()]);
        let [a, b, c, d] = &former;
        let published = public(&[a, b, c, d]);
        let plan = plan(old(Some(&published), None, true), &new).unwrap();
        assert_eq!(plan.public, public(&[a, b, c, &new]));
        assert_eq!(plan.signing, None, "the first change only publishes");
        let (after, signing) = plan.second_update.unwrap();
        assert_eq!(after, public(&[&new, a, b, c]));
        assert_eq!(signing, new.to_jwk().unwrap().to_string());
    }

    #[test]
    fn a_stack_without_published_keys_needs_its_public_key() {
        let refusal = plan(old(None, None, false), &key()).unwrap_err().to_string();
        assert!(refusal.contains("--hub-public-keys FILE"), "{refusal}");
        assert!(
            plan(old(None, None, true), &key()).is_err(),
            "agencies could not verify messages in their queues"
        );
        let (known, new) = (key(), key());
        let jwk = known.public().to_jwk().unwrap().to_string();
        let with_file = plan(old(None, Some(&jwk), false), &new).unwrap();
        assert_eq!((with_file.public, with_file.signing), (public(&[&known]), None));
        let rotated = plan(old(None, Some(&jwk), true), &new).unwrap();
        assert_eq!(rotated.second_update.unwrap().0, public(&[&new, &known]));
        let private = known.to_jwk().unwrap().to_string();
        let refusal = plan(old(None, Some(&private), false), &new).unwrap_err().to_string();
        assert_eq!(refusal, "key 1 of the hub's public keys is not a public JWK");
        assert!(plan(old(Some(&jwk), Some(&jwk), false), &new).is_err());
    }
}
