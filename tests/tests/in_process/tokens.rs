//! Access tokens that the Python library `jwcrypto` signs, with the three accepted algorithms. The hub fetches the keys
//! from the issuer's JWKS address.

use std::process::Command;
use std::sync::Arc;

use http_kit::token::{Fetch, Issuers, TokenError};
use jiff::Timestamp;
use platform::config::Mode;
use serde_json::{Value, json};
use tongban::python::Tools;
use tongban::terminal::Terminal;
use tongban::workspace::Workspace;

/// The packages of the consumer in Python, among them `jwcrypto`.
const REQUIREMENTS: &str = "shared/agency/consumers/python/requirements.txt";

/// Prints a JWKS, and tokens for valid and invalid pairs of key and algorithm.
const ISSUER: &str = r#"
import json, sys
from jwcrypto import jwk, jwt

now = int(sys.argv[1])
keys = {
    "RS256": jwk.JWK.generate(kty="RSA", size=2048, kid="one", use="sig"),
    "ES256": jwk.JWK.generate(kty="EC", crv="P-256", kid="two", use="sig"),
    "EdDSA": jwk.JWK.generate(kty="OKP", crv="Ed25519", kid="three", use="sig"),
    # Passed over: neither is taken.
    "ES384": jwk.JWK.generate(kty="EC", crv="P-384", kid="four", use="sig"),
    "RSA-OAEP": jwk.JWK.generate(kty="RSA", size=2048, kid="five", use="enc"),
}
claims = {"iss": "https://login.example", "aud": "tongban", "iat": now, "exp": now + 300, "tenant": "an-app",
          "scope": "applications:read"}

def token(alg, key, kid):
    made = jwt.JWT(header={"alg": alg, "kid": kid, "typ": "at+jwt"}, claims=claims)
    made.make_signed_token(key)
    return made.serialize()

print(json.dumps({
    "set": {"keys": [json.loads(key.export_public()) for key in keys.values()]},
    "taken": {alg: token(alg, keys[alg], keys[alg]["kid"]) for alg in ("RS256", "ES256", "EdDSA")},
    "refused": {
        "PS256": token("PS256", keys["RS256"], "one"),
        "RS512": token("RS512", keys["RS256"], "one"),
        "ES384": token("ES384", keys["ES384"], "four"),
        "swapped": token("RS256", keys["RS256"], "two"),
    },
}))
"#;

#[tokio::test]
async fn tokens_of_another_library_are_accepted_only_with_their_keys_algorithm() {
    let workspace = Workspace::find().expect("the repository");
    let python = {
        let _alone = workspace.lock().expect("a lock");
        Tools::install(&workspace, REQUIREMENTS, &Terminal::silent()).expect("packages of Python").python()
    };
    let now = Timestamp::now();
    let issued = Command::new(python).args(["-c", ISSUER, &now.as_second().to_string()]).output();
    let issued = issued.expect("Python");
    assert!(issued.status.success(), "{}", String::from_utf8_lossy(&issued.stderr));
    let issued: Value = serde_json::from_slice(&issued.stdout).expect("JSON");
    let set = issued["set"].to_string().into_bytes();
    let fetch: Fetch = Arc::new(move |_| Box::pin(std::future::ready(Ok(set.clone()))));
    let rows = json!([{
        "issuer": "https://login.example", "audience": "tongban", "jwks_uri": "https://login.example/jwks.json",
    }]);
    let issuers = Issuers::parse_with(&rows.to_string(), Mode::Live, &fetch).expect("an issuer");
    let verify = async |token: &Value| issuers.verify(token.as_str().expect("a token"), now).await;
    for (algorithm, token) in issued["taken"].as_object().expect("tokens") {
        assert_eq!(
            verify(token).await.map(|caller| caller.tenant.to_string()).as_deref(),
            Ok("an-app"),
            "{algorithm}"
        );
    }
    for (why, token) in issued["refused"].as_object().expect("tokens") {
        let refused = verify(token).await.expect_err(why);
        assert!(matches!(refused, TokenError::Header | TokenError::UnknownKey), "{why}: {refused}");
    }
}
