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
const ISSUER: &str = "https://issuer.example";

/// An issuer with one configured key.
struct TestIssuer {
    jwk: Value,
    signing: EncodingKey,
    issuers: Issuers,
}

fn test_issuer() -> TestIssuer {
    let key = PrivateKey::generate(KeyUse::Signing).unwrap();
    let private = key.to_jwk().unwrap();
    let scalar = URL_SAFE_NO_PAD.decode(private["d"].as_str().unwrap()).unwrap();
    let der = p256::SecretKey::from_slice(&scalar).unwrap().to_pkcs8_der().unwrap();
    let jwk = key.public().to_jwk().unwrap();
    let issuers = Issuers::parse(&configuration(std::slice::from_ref(&jwk)), Mode::Live).unwrap();
    TestIssuer { jwk, signing: EncodingKey::from_ec_der(der.as_bytes()), issuers }
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

impl TestIssuer {
    fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = self.jwk["kid"].as_str().map(str::to_owned);
        header
    }

    fn token(&self, claims: &Value) -> String {
        encode(&self.header(), claims, &self.signing).unwrap()
    }

    fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        // Configured keys need no fetch, so the future is ready at once.
        let verified = self.issuers.verify(token, Timestamp::from_second(NOW).unwrap());
        verified.now_or_never().unwrap()
    }

    /// Verifies a token with changed claims; `null` removes a claim.
    fn with(&self, changes: Value) -> Result<Caller, TokenError> {
        let mut claims = claims();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.verify(&self.token(&claims))
    }

    /// Verifies a token with a made-up header and signature.
    fn forged(&self, header: Value, signature: &[u8]) -> Result<Caller, TokenError> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        self.verify(&format!("{}.{}.{}", part(&header), part(&claims()), URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[test]
fn a_token_names_its_tenant_and_scopes() {
    let caller = test_issuer().with(json!({})).unwrap();
    assert_eq!(caller.tenant.as_str(), "app-nmg");
    assert_eq!(caller.scopes, BTreeSet::from([Scope::ApplicationsRead, Scope::ApplicationsWrite]));
    assert!(caller.require(Scope::ApplicationsWrite).is_ok());
    assert!(caller.require(Scope::SubscriptionsWrite).is_err());
}

/// A newly deployed stack has no issuers: it runs and rejects every token.
#[test]
fn without_issuers_every_token_is_rejected() {
    let issuer = TestIssuer { issuers: Issuers::parse("[]", Mode::Live).unwrap(), ..test_issuer() };
    assert_eq!(issuer.with(json!({})), Err(TokenError::NotForUs));
}

#[test]
fn issuer_and_audience_are_pinned() {
    let issuer = test_issuer();
    assert!(issuer.with(json!({ "aud": ["other", "tongban"] })).is_ok());
    for wrong in [
        json!({ "iss": "https://evil.example" }),
        json!({ "iss": null }),
        json!({ "aud": "other" }),
        json!({ "aud": null }),
        json!({ "aud": ["other"] }),
    ] {
        assert_eq!(issuer.with(wrong.clone()), Err(TokenError::NotForUs), "{wrong}");
    }
}

#[test]
fn a_token_is_valid_for_a_limited_time() {
    let issuer = test_issuer();
    for valid in [
        json!({ "iat": NOW - 3600, "exp": NOW - 59 }),
        json!({ "iat": NOW + 60 }),
        json!({ "nbf": NOW + 60 }),
        json!({ "exp": NOW + LIFETIME }),
    ] {
        assert!(issuer.with(valid.clone()).is_ok(), "{valid}");
    }
    for wrong in [
        json!({ "iat": NOW - 3600, "exp": NOW - 60 }),
        json!({ "iat": NOW + 61 }),
        json!({ "nbf": NOW + 61 }),
        json!({ "exp": NOW + LIFETIME + 1 }),
        json!({ "exp": i64::MAX, "iat": i64::MIN }),
        json!({ "exp": NOW - 1 }),
    ] {
        assert_eq!(issuer.with(wrong.clone()), Err(TokenError::NotNow), "{wrong}");
    }
    for absent in [json!({ "exp": null }), json!({ "iat": null }), json!({ "exp": "soon" })] {
        assert_eq!(issuer.with(absent.clone()), Err(TokenError::Malformed), "{absent}");
    }
}

#[test]
fn a_token_without_a_tenant_is_rejected() {
    let issuer = test_issuer();
    for wrong in [json!({ "tenant": null }), json!({ "tenant": "" }), json!({ "tenant": "A/../b" })] {
        assert_eq!(issuer.with(wrong), Err(TokenError::NoTenant));
    }
    assert_eq!(issuer.with(json!({ "scope": null })).unwrap().scopes, BTreeSet::new());
}

#[test]
fn the_key_chooses_the_algorithm() {
    let issuer = test_issuer();
    let kid = &issuer.jwk["kid"];
    for alg in ["none", "None", "HS256", "ES384", "RS256"] {
        let refused = issuer.forged(json!({ "alg": alg, "kid": kid }), &[0; 64]);
        assert_eq!(refused, Err(TokenError::Header), "{alg}");
    }
    // Algorithm confusion: HS256 with the public key as the secret.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = kid.as_str().map(str::to_owned);
    for secret in [issuer.jwk.to_string(), issuer.jwk["x"].as_str().unwrap().to_owned()] {
        let token = encode(&header, &claims(), &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        assert_eq!(issuer.verify(&token), Err(TokenError::Header));
    }
}

#[test]
fn a_token_that_the_key_did_not_sign_is_rejected() {
    let (issuer, other) = (test_issuer(), test_issuer());
    let token = issuer.token(&claims());
    assert_eq!(other.verify(&token), Err(TokenError::UnknownKey));
    let mut header = issuer.header();
    let claims = claims();
    assert_eq!(issuer.verify(&encode(&header, &claims, &other.signing).unwrap()), Err(TokenError::Forged));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let changed = URL_SAFE_NO_PAD.encode(json!({ "iss": ISSUER, "tenant": "other" }).to_string());
    assert_eq!(issuer.verify(&format!("{head}.{changed}.{signature}")), Err(TokenError::Forged));
    let other_signature = URL_SAFE_NO_PAD.encode([1; 64]);
    let unsigned = token.rsplit_once('.').unwrap().0;
    assert_eq!(issuer.verify(&format!("{unsigned}.{other_signature}")), Err(TokenError::Forged));
    assert!(issuer.verify(&format!("{unsigned}.")).is_err());
    header.kid = None;
    assert_eq!(
        issuer.verify(&encode(&header, &claims, &issuer.signing).unwrap()),
        Err(TokenError::UnknownKey)
    );
    let mut header = issuer.header();
    header.crit = Some(vec!["exp".into()]);
    assert_eq!(issuer.verify(&encode(&header, &claims, &issuer.signing).unwrap()), Err(TokenError::Header));
    let mut header = issuer.header();
    header.typ = Some("tongban-report+jws".into());
    assert_eq!(issuer.verify(&encode(&header, &claims, &issuer.signing).unwrap()), Err(TokenError::Header));
    for malformed in ["", "a", "a.b", "a.b.c", "....", &"x".repeat(TOKEN_BYTES + 1)] {
        assert_eq!(issuer.verify(malformed), Err(TokenError::Malformed), "{malformed:.20}");
    }
}

#[test]
fn the_header_has_one_bearer_token() {
    let issuer = test_issuer();
    let token = issuer.token(&claims());
    let now = Timestamp::from_second(NOW).unwrap();
    let authenticate = |values: &[String]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        issuer.issuers.authenticate(&headers, now).now_or_never().unwrap()
    };
    assert!(authenticate(&[format!("Bearer {token}")]).is_ok());
    assert!(authenticate(&[format!("bearer {token}")]).is_ok());
    for wrong in
        [vec![], vec![token.clone()], vec![format!("Basic {token}")], vec![format!("Bearer {token}"); 2]]
    {
        assert_eq!(authenticate(&wrong).unwrap_err().status().as_u16(), 401);
    }
}

#[test]
fn only_public_signature_keys_are_accepted() {
    let key = test_issuer().jwk;
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
fn debug_shows_no_key_material() {
    let issuer = test_issuer();
    let shown = format!("{:?}", issuer.issuers);
    assert!(!shown.contains(issuer.jwk["x"].as_str().unwrap()), "{shown}");
}

#[test]
fn o2_an_issuer_speaks_for_its_own_tenants_alone() {
    let (one, other) = (test_issuer(), test_issuer());
    let row = |issuer: &str, login: &TestIssuer, tenants: Value| json!({ "issuer": issuer, "audience": "tongban", "keys": [login.jwk], "tenants": tenants });
    let parse = |rows: Value| Issuers::parse(&rows.to_string(), Mode::Live);
    let rows = json!([
        row(ISSUER, &one, json!(["app-nmg"])),
        row("https://other.example", &other, json!(["app-sc"]))
    ]);
    let issuers = parse(rows).unwrap();
    let now = Timestamp::from_second(NOW).unwrap();
    let verify = |token: String| issuers.verify(&token, now).now_or_never().unwrap();
    assert_eq!(verify(one.token(&claims())).unwrap().tenant.to_string(), "app-nmg");
    let mut foreign = claims();
    foreign["iss"] = "https://other.example".into();
    assert_eq!(verify(other.token(&foreign)), Err(TokenError::OtherTenant));
    foreign["tenant"] = "app-sc".into();
    assert!(verify(other.token(&foreign)).is_ok());
    let unnamed =
        json!([row(ISSUER, &one, Value::Null), row("https://other.example", &other, json!(["app-sc"]))]);
    assert_eq!(parse(unnamed).unwrap_err(), IssuersError::Tenants);
    let both = json!([
        row(ISSUER, &one, json!(["app-sc"])),
        row("https://other.example", &other, json!(["app-sc"]))
    ]);
    assert!(matches!(parse(both), Err(IssuersError::TenantTwice(_))));
}

#[test]
fn a7_tokens_that_the_standards_allow_are_taken() {
    let login = test_issuer();
    let mut fraction = claims();
    fraction["iat"] = json!(NOW as f64 + 0.75);
    fraction["exp"] = json!(NOW as f64 + 3600.5);
    assert!(login.verify(&login.token(&fraction)).is_ok());
    for typ in ["JWT", "at+jwt", "application/at+jwt", "application/JWT"] {
        let mut header = login.header();
        header.typ = Some(typ.to_owned());
        assert!(login.verify(&encode(&header, &claims(), &login.signing).unwrap()).is_ok(), "{typ}");
    }
}

#[test]
fn a7_a_coordinate_without_its_leading_zero_is_refused_with_the_configuration() {
    let mut jwk = test_issuer().jwk;
    let bytes = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    jwk["x"] = URL_SAFE_NO_PAD.encode(&bytes[1..]).into();
    assert_eq!(Issuers::parse(&configuration(&[jwk]), Mode::Live).unwrap_err(), IssuersError::Coordinate);
}

#[test]
fn i3_a_claim_that_stands_twice_is_refused() {
    let login = test_issuer();
    let token = login.token(&claims());
    let twice = r#"{"iss":"https://login.example","aud":"tongban","tenant":"a","ten\u0061nt":"b"}"#;
    let parts: Vec<&str> = token.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(twice), parts[2]);
    assert_eq!(login.verify(&forged), Err(TokenError::Malformed));
}
