//! Who may apply, and who may be a guardian, a spouse or a parent: rules of the service, each cited with its article.

use axum::body::Body;
use domain::identity_number::IdentityNumber;
use http_kit::testing::{Answer, TestHub};
use serde_json::{Value, json};

use crate::support::{adult, new_hub, person};

/// A person whose number begins with these six digits. An odd sequence is a man's.
fn holder(area: &str, birth: &str, sequence: u16) -> Value {
    let number = IdentityNumber::compute(area, birth.parse().unwrap(), sequence).unwrap();
    json!({ "name": "阿里木．热西提", "identity_number": number.as_str() })
}

fn of(service: &str, member: &str, case: &str) -> Value {
    let mut body = adult();
    body["service"] = service.into();
    if !member.is_empty() {
        body[member] = case.into();
    }
    body
}

async fn in_language(test_hub: &TestHub, language: &str, body: &Value) -> Answer {
    let request = test_hub
        .request("POST", "/v1/applications", "hohhot-app")
        .header("idempotency-key", "k")
        .header("accept-language", language)
        .header("content-type", "application/json");
    test_hub.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// The refusal states the rule and its article in both languages.
async fn is_refused(body: &Value, pointer: &str, code: &str, article: (&str, &str)) {
    let test_hub = new_hub();
    for (language, article) in [("zh", article.0), ("en", article.1)] {
        let answer = in_language(&test_hub, language, body).await;
        answer.assert_problem(422, "invalid_fields");
        assert_eq!(answer.fault(pointer).as_deref(), Some(code), "{}", answer.body);
        let errors = answer.body["errors"].as_array().unwrap();
        let detail = errors.iter().find(|error| error["pointer"] == pointer).unwrap();
        assert!(detail["detail"].as_str().unwrap().contains(article), "{detail}");
    }
    assert!(test_hub.hub.store.ids().is_empty(), "nothing was stored");
}

#[tokio::test]
async fn p6_only_a_citizen_applies_and_a_relative_may_have_a_permit() {
    let services = [
        ("first_identity_card", "", "", "《居民身份证法》第二条", "Resident Identity Card Law, article 2"),
        (
            "household_transfer",
            "reason",
            "graduation",
            "《户口登记条例》第二条",
            "Household Registration, article 2",
        ),
        (
            "household_certificate",
            "certificate",
            "former_name",
            "《户口登记条例》第二条",
            "Household Registration, article 2",
        ),
        (
            "identity_card_renewal",
            "renewal",
            "card_lost",
            "《居民身份证法》第二条",
            "Resident Identity Card Law, article 2",
        ),
    ];
    for (service, member, case, zh, en) in services {
        for area in ["810000", "820000", "830000", "911124", "900000"] {
            let mut body = of(service, member, case);
            body["applicant"] = holder(area, "1990-01-01", 11);
            is_refused(&body, "/applicant/identity_number", "not_a_citizen", (zh, en)).await;
        }
    }
}

#[tokio::test]
async fn a28_a_relative_or_guardian_may_hold_a_foreigners_permit() {
    for area in ["810000", "830000", "911124"] {
        let mut body = of("household_transfer", "reason", "couples_joining");
        body["relative"] = holder(area, "1990-01-01", 12);
        let answer = new_hub().create("k", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let mut body = adult();
        body["applicant"] = person("2015-06-01", 11);
        body["guardian"] = holder(area, "1990-01-01", 12);
        let answer = new_hub().create("k", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
}

#[tokio::test]
async fn p7_a_guardian_is_an_adult_and_older() {
    // Today is 2 March 2026.
    for (birth, code) in
        [("2026-03-02", "too_young"), ("2010-03-03", "too_young"), ("2012-01-01", "too_young")]
    {
        for (service, member, case) in [
            ("first_identity_card", "", ""),
            ("household_transfer", "reason", "graduation"),
            ("household_certificate", "certificate", "former_name"),
            ("identity_card_renewal", "renewal", "card_lost"),
        ] {
            let mut body = of(service, member, case);
            body["applicant"] = person("2011-06-01", 11);
            body["guardian"] = person(birth, 22);
            let article = ("《民法典》第十七条、第十八条", "Civil Code, articles 17 and 18");
            is_refused(&body, "/guardian/identity_number", code, article).await;
        }
    }
    let mut body = adult();
    body["applicant"] = person("2011-06-01", 11);
    is_refused(
        &body,
        "/guardian",
        "guardian_required",
        ("《居民身份证法》第七条", "Resident Identity Card Law, article 7"),
    )
    .await;
    body["guardian"] = person("2010-03-02", 22);
    assert_eq!(new_hub().create("k", &body).await.status, 201);
}

#[tokio::test]
async fn p8_spouses_have_the_age_of_marriage_and_parents_are_older() {
    let article = ("《民法典》第一千零四十七条", "Civil Code, article 1047");
    let couple = |applicant: (&str, u16), relative: (&str, u16)| {
        let mut body = of("household_transfer", "reason", "couples_joining");
        body["applicant"] = person(applicant.0, applicant.1);
        body["relative"] = person(relative.0, relative.1);
        body
    };
    // Of age are men born until 2 March 2004, and women born until 2 March 2006.
    let body = couple(("2004-03-03", 11), ("2000-01-01", 22));
    is_refused(&body, "/applicant/identity_number", "too_young", article).await;
    let body = couple(("2000-01-01", 11), ("2006-03-03", 22));
    is_refused(&body, "/relative/identity_number", "too_young", article).await;
    let body = couple(("2004-03-02", 11), ("2006-03-02", 22));
    assert_eq!(new_hub().create("k", &body).await.status, 201);

    let mut body = of("household_transfer", "reason", "parents_joining_children");
    body["applicant"] = person("1990-01-01", 11);
    for child in ["1960-01-01", "1990-01-01"] {
        body["relative"] = person(child, 22);
        let article = ("《民法典》第二十六条", "Civil Code, article 26");
        is_refused(&body, "/applicant/identity_number", "not_older", article).await;
    }
    body["relative"] = person("2010-01-01", 22);
    assert_eq!(new_hub().create("k", &body).await.status, 201);
}

#[tokio::test]
async fn p9_nobody_is_older_than_130_years() {
    for (name, body) in [
        ("applicant", adult()),
        ("guardian", {
            let mut body = adult();
            body["applicant"] = person("2015-06-01", 11);
            body
        }),
        ("relative", of("household_certificate", "certificate", "kinship")),
    ] {
        for birth in ["1800-01-01", "1895-03-02"] {
            let mut body = body.clone();
            body[name] = person(birth, 33);
            let answer = new_hub().create("k", &body).await;
            let code = answer.fault(&format!("/{name}/identity_number"));
            assert_eq!(code.as_deref(), Some("identity_number_birth_date_too_early"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn p3_every_text_of_a_person_is_read_by_one_rule() {
    let test_hub = new_hub();
    for (pointer, text, code) in [
        ("/applicant/name", "三·", "person_name_dot"),
        ("/applicant/name", "张··三", "person_name_dot"),
        ("/applicant/name", "\u{3164}", "person_name_character"),
        ("/address", "\u{200b}", "address_empty"),
        ("/address", "\u{2800}", "no_letter"),
        ("/address", "🏠", "no_letter"),
        ("/address", "\u{3164}", "invisible_character"),
        ("/address", "示例街\u{e000}1号", "undefined_character"),
        ("/address", "示例街\u{202e}1号", "address_control_character"),
    ] {
        let mut body = adult();
        *body.pointer_mut(pointer).unwrap() = text.into();
        let answer = test_hub.create("k", &body).await;
        assert_eq!(answer.fault(pointer).as_deref(), Some(code), "{text:?}: {}", answer.body);
    }
    let mut body = adult();
    body["applicant"]["name"] = "Ｚｈａｎｇ\n".into();
    body["applicant"]["mobile"] = "86 138-0000-0000".into();
    assert_eq!(test_hub.create("k", &body).await.status, 201);
}
