#![allow(clippy::unwrap_used, reason = "a test may fail")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use p256::pkcs8::EncodePrivateKey as _;
use protocol::jose::{KeyUse, PrivateKey};
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_772_413_200;
const ISSUER: &str = "https://login.example";

/// An issuer with one key.
struct Login {
    jwk: Value,
    signing: EncodingKey,
    issuers: Issuers,
}

fn login() -> Login {
    let key = PrivateKey::generate(KeyUse::Signing).unwrap();
    let private = key.to_jwk().unwrap();
    let scalar = URL_SAFE_NO_PAD.decode(private["d"].as_str().unwrap()).unwrap();
    let der = p256::SecretKey::from_slice(&scalar).unwrap().to_pkcs8_der().unwrap();
    let jwk = key.public().to_jwk().unwrap();
    let issuers = Issuers::parse(&configuration(std::slice::from_ref(&jwk)), Mode::Live).unwrap();
    Login { jwk, signing: EncodingKey::from_ec_der(der.as_bytes()), issuers }
}

fn configuration(keys: &[Value]) -> String {
    json!([{ "issuer": ISSUER, "audience": "tongban", "keys": keys }]).to_string()
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "tongban", "iat": NOW, "exp": NOW + 3600, "tenant": "app-nmg",
        "scope": "applications:read unknown:scope applications:write",
    })
}

impl Login {
    fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = self.jwk["kid"].as_str().map(str::to_owned);
        header
    }

    fn token(&self, claims: &Value) -> String {
        encode(&self.header(), claims, &self.signing).unwrap()
    }

    fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        // Nothing is waited for where the keys are configured.
        let verified = self.issuers.verify(token, Timestamp::from_second(NOW).unwrap());
        verified.now_or_never().unwrap()
    }

    /// A token whose claims differ in some members; `null` takes one out.
    fn with(&self, changes: Value) -> Result<Caller, TokenError> {
        let mut claims = claims();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.verify(&self.token(&claims))
    }

    /// A token with a header of one's own making and any signature.
    fn forged(&self, header: Value, signature: &[u8]) -> Result<Caller, TokenError> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        self.verify(&format!("{}.{}.{}", part(&header), part(&claims()), URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[test]
fn a_token_names_its_tenant_and_scopes() {
    let caller = login().with(json!({})).unwrap();
    assert_eq!(caller.tenant.as_str(), "app-nmg");
    assert_eq!(caller.scopes, BTreeSet::from([Scope::ApplicationsRead, Scope::ApplicationsWrite]));
    assert!(caller.require(Scope::ApplicationsWrite).is_ok());
    assert!(caller.require(Scope::SubscriptionsWrite).is_err());
}

/// As a stack is that has been deployed and not told of anybody: it runs, and is closed.
#[test]
fn without_an_issuer_nobody_is_let_in() {
    let login = Login { issuers: Issuers::parse("[]", Mode::Live).unwrap(), ..login() };
    assert_eq!(login.with(json!({})), Err(TokenError::NotForUs));
}

#[test]
fn issuer_and_audience_are_pinned() {
    let login = login();
    assert!(login.with(json!({ "aud": ["other", "tongban"] })).is_ok());
    for wrong in [
        json!({ "iss": "https://evil.example" }),
        json!({ "iss": null }),
        json!({ "aud": "other" }),
        json!({ "aud": null }),
        json!({ "aud": ["other"] }),
    ] {
        assert_eq!(login.with(wrong.clone()), Err(TokenError::NotForUs), "{wrong}");
    }
}

#[test]
fn a_token_has_its_time() {
    let login = login();
    for fine in [
        json!({ "iat": NOW - 3600, "exp": NOW - 59 }),
        json!({ "iat": NOW + 60 }),
        json!({ "nbf": NOW + 60 }),
        json!({ "exp": NOW + LIFETIME }),
    ] {
        assert!(login.with(fine.clone()).is_ok(), "{fine}");
    }
    for wrong in [
        json!({ "iat": NOW - 3600, "exp": NOW - 60 }),
        json!({ "iat": NOW + 61 }),
        json!({ "nbf": NOW + 61 }),
        json!({ "exp": NOW + LIFETIME + 1 }),
        json!({ "exp": i64::MAX, "iat": i64::MIN }),
        json!({ "exp": NOW - 1 }),
    ] {
        assert_eq!(login.with(wrong.clone()), Err(TokenError::NotNow), "{wrong}");
    }
    for absent in [json!({ "exp": null }), json!({ "iat": null }), json!({ "exp": "soon" })] {
        assert_eq!(login.with(absent.clone()), Err(TokenError::Malformed), "{absent}");
    }
}

#[test]
fn a_token_without_a_tenant_is_nobodys() {
    let login = login();
    for wrong in [json!({ "tenant": null }), json!({ "tenant": "" }), json!({ "tenant": "A/../b" })] {
        assert_eq!(login.with(wrong), Err(TokenError::NoTenant));
    }
    assert_eq!(login.with(json!({ "scope": null })).unwrap().scopes, BTreeSet::new());
}

#[test]
fn the_key_chooses_the_algorithm() {
    let login = login();
    let kid = &login.jwk["kid"];
    for alg in ["none", "None", "HS256", "ES384", "RS256"] {
        let refused = login.forged(json!({ "alg": alg, "kid": kid }), &[0; 64]);
        assert_eq!(refused, Err(TokenError::Header), "{alg}");
    }
    // HS256 with the public key as the secret: the classic confusion.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = kid.as_str().map(str::to_owned);
    for secret in [login.jwk.to_string(), login.jwk["x"].as_str().unwrap().to_owned()] {
        let token = encode(&header, &claims(), &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        assert_eq!(login.verify(&token), Err(TokenError::Header));
    }
}

#[test]
fn what_is_not_signed_by_the_key_is_forged() {
    let (login, other) = (login(), self::login());
    let token = login.token(&claims());
    assert_eq!(other.verify(&token), Err(TokenError::UnknownKey));
    let mut header = login.header();
    let claims = claims();
    assert_eq!(login.verify(&encode(&header, &claims, &other.signing).unwrap()), Err(TokenError::Forged));
    let (head, signature) = token.rsplit_once('.').unwrap();
    let (head, _) = head.split_once('.').unwrap();
    let richer = URL_SAFE_NO_PAD.encode(json!({ "iss": ISSUER, "tenant": "other" }).to_string());
    assert_eq!(login.verify(&format!("{head}.{richer}.{signature}")), Err(TokenError::Forged));
    let other_signature = URL_SAFE_NO_PAD.encode([1; 64]);
    let unsigned = token.rsplit_once('.').unwrap().0;
    assert_eq!(login.verify(&format!("{unsigned}.{other_signature}")), Err(TokenError::Forged));
    assert!(login.verify(&format!("{unsigned}.")).is_err());
    header.kid = None;
    assert_eq!(login.verify(&encode(&header, &claims, &login.signing).unwrap()), Err(TokenError::UnknownKey));
    let mut header = login.header();
    header.crit = Some(vec!["exp".into()]);
    assert_eq!(login.verify(&encode(&header, &claims, &login.signing).unwrap()), Err(TokenError::Header));
    let mut header = login.header();
    header.typ = Some("tongban-report+jws".into());
    assert_eq!(login.verify(&encode(&header, &claims, &login.signing).unwrap()), Err(TokenError::Header));
    for odd in ["", "a", "a.b", "a.b.c", "....", &"x".repeat(TOKEN_BYTES + 1)] {
        assert_eq!(login.verify(odd), Err(TokenError::Malformed), "{odd:.20}");
    }
}

#[test]
fn the_header_holds_one_bearer_token() {
    let login = login();
    let token = login.token(&claims());
    let now = Timestamp::from_second(NOW).unwrap();
    let ask = |values: &[String]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        login.issuers.authenticate(&headers, now).now_or_never().unwrap()
    };
    assert!(ask(&[format!("Bearer {token}")]).is_ok());
    assert!(ask(&[format!("bearer {token}")]).is_ok());
    for wrong in
        [vec![], vec![token.clone()], vec![format!("Basic {token}")], vec![format!("Bearer {token}"); 2]]
    {
        assert_eq!(ask(&wrong).unwrap_err().status().as_u16(), 401);
    }
}

#[test]
fn only_public_signature_keys_are_configured() {
    let key = login().jwk;
    let changed = |name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    let parse = |keys: &[Value]| Issuers::parse(&configuration(keys), Mode::Live).err();
    assert_eq!(parse(std::slice::from_ref(&key)), None);
    assert_eq!(parse(&[]), Some(IssuersError::Shape));
    assert_eq!(Issuers::parse("{", Mode::Live).err(), Some(IssuersError::Shape));
    assert_eq!(parse(&[key.clone(), key.clone()]), Some(IssuersError::KidTwice));
    assert_eq!(parse(&[changed("d", json!("x"))]), Some(IssuersError::Private));
    assert_eq!(parse(&[changed("kid", json!(""))]), Some(IssuersError::NoKid));
    assert_eq!(parse(&[changed("use", json!("enc"))]), Some(IssuersError::Key));
    assert_eq!(parse(&[changed("alg", json!("ES384"))]), Some(IssuersError::Key));
    assert_eq!(parse(&[changed("crv", json!("P-384"))]), Some(IssuersError::Key));
    let symmetric = json!({ "kty": "oct", "kid": "s", "k": "c2VjcmV0" });
    assert_eq!(parse(&[symmetric]), Some(IssuersError::Private));
    let short = json!({ "kty": "RSA", "kid": "r", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([0x99; 128]) });
    assert_eq!(parse(&[short]), Some(IssuersError::Key));
    let long = json!({ "kty": "RSA", "kid": "r", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([0x99; 256]) });
    assert_eq!(parse(&[long, key.clone()]), None);
}

#[test]
fn no_key_material_is_shown() {
    let login = login();
    let shown = format!("{:?}", login.issuers);
    assert!(!shown.contains(login.jwk["x"].as_str().unwrap()), "{shown}");
}
