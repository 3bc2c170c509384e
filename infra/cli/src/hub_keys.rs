//! The keys a live hub signs its messages with: which one is in use, and which are published beside it.
//!
//! The stack alone keeps the private key and tells it to nobody, so what is published is a parameter of its own.

use anyhow::{Context as _, Result, bail};
use protocol::jose::{PrivateKey, PublicKey};
use serde_json::Value;

/// Former keys that stay published beside the one in use: messages they signed may still lie in a queue.
pub const FORMER_KEYS: usize = 3;

/// What a stack has, and what is asked for.
#[derive(Clone, Copy, Debug)]
pub struct KeySituation<'a> {
    /// Whether the stack is there already.
    pub exists: bool,
    /// What it publishes, where it does.
    pub published: Option<&'a str>,
    /// A file's text with the key that a stack has which publishes none.
    pub given: Option<&'a str>,
    /// Whether a new key takes over.
    pub rotate: bool,
}

/// What a deployment does about the keys. A part that is `None` stays as the stack has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPlan {
    /// The published keys of the deployment.
    pub public: Option<String>,
    /// The private key of the deployment.
    pub signing: Option<String>,
    /// The same pair for a second change, once the new key is published everywhere.
    pub then: Option<(String, String)>,
    /// The key in use afterwards, where it is a new one.
    pub new: Option<String>,
}

/// Decides what a deployment does about the keys. `key` is the one that would be new.
///
/// # Errors
/// The stack publishes no key and none is given, or one is given that is of no use.
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
        return Ok(KeyPlan { public: Some(set(&[new])), signing: Some(signing), then: None, new: kid });
    }
    let former = match (published, given) {
        (Some(published), None) => keys(published).context("what the stack publishes")?,
        (None, Some(given)) => keys(given)?,
        (Some(_), Some(_)) => {
            bail!("the stack already publishes its keys. Run the command without --hub-public-keys")
        }
        (None, None) => bail!(
            "the stack was deployed before the hub published its keys, and AWS does not tell the key it signs with. \
             Its public part was printed at the first deployment and given to every agency: write it into a file \
             and deploy once with --hub-public-keys FILE"
        ),
    };
    if !rotate {
        return Ok(KeyPlan { public: published.is_none().then(|| set(&former)), ..KeyPlan::default() });
    }
    let stored: Vec<Value> = former.into_iter().take(FORMER_KEYS).collect();
    let before: Vec<Value> = stored.iter().cloned().chain([new.clone()]).collect();
    let after: Vec<Value> = [new].into_iter().chain(stored).collect();
    Ok(KeyPlan { public: Some(set(&before)), signing: None, then: Some((set(&after), signing)), new: kid })
}

fn set(keys: &[Value]) -> String {
    serde_json::json!({ "keys": keys }).to_string()
}

/// The public keys of a text: a JWK, a list of them, or a JWK set.
fn keys(text: &str) -> Result<Vec<Value>> {
    let value: Value = serde_json::from_str(text).context("the hub's public keys are not JSON")?;
    let list = match value.get("keys").unwrap_or(&value) {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    if list.is_empty() {
        bail!("there is no key among the hub's public keys");
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
    fn a_new_stack_signs_with_what_it_publishes() {
        let new = key();
        let plan =
            plan(KeySituation { exists: false, published: None, given: None, rotate: false }, &new).unwrap();
        assert_eq!(plan.public.unwrap(), public(&[&new]));
        assert_eq!(plan.signing.unwrap(), new.to_jwk().unwrap().to_string());
        assert_eq!(plan.then, None);
    }

    #[test]
    fn an_ordinary_deployment_leaves_the_keys_alone() {
        let published = public(&[&key()]);
        assert_eq!(plan(old(Some(&published), None, false), &key()).unwrap(), KeyPlan::default());
    }

    #[test]
    fn a_new_key_is_published_before_it_signs_and_three_former_ones_stay() {
        let (new, former) = (key(), [key(), key(), key(), key()]);
        let [a, b, c, d] = &former;
        let published = public(&[a, b, c, d]);
        let plan = plan(old(Some(&published), None, true), &new).unwrap();
        assert_eq!(plan.public.unwrap(), public(&[a, b, c, &new]));
        assert_eq!(plan.signing, None, "the first change only publishes");
        let (after, signing) = plan.then.unwrap();
        assert_eq!(after, public(&[&new, a, b, c]));
        assert_eq!(signing, new.to_jwk().unwrap().to_string());
    }

    #[test]
    fn a_stack_that_publishes_nothing_is_told_what_to_do() {
        let told = plan(old(None, None, false), &key()).unwrap_err().to_string();
        assert!(told.contains("--hub-public-keys FILE"), "{told}");
        assert!(plan(old(None, None, true), &key()).is_err(), "messages under way would verify no more");
        let (known, new) = (key(), key());
        let jwk = known.public().to_jwk().unwrap().to_string();
        let stored = plan(old(None, Some(&jwk), false), &new).unwrap();
        assert_eq!((stored.public.unwrap(), stored.signing), (public(&[&known]), None));
        let rotated = plan(old(None, Some(&jwk), true), &new).unwrap();
        assert_eq!(rotated.then.unwrap().0, public(&[&new, &known]));
        let private = known.to_jwk().unwrap().to_string();
        let told = plan(old(None, Some(&private), false), &new).unwrap_err().to_string();
        assert_eq!(told, "key 1 of the hub's public keys is not a public JWK");
        assert!(plan(old(Some(&jwk), Some(&jwk), false), &new).is_err());
    }
}
