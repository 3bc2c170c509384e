//! Invalid requests are answered with a problem that lists every fault.

use axum::body::Body;
use domain::identity_number::IdentityNumber;
use http::Request;
use http_kit::testing::{Answer, TestHub};
use serde_json::{Value, json};

use crate::support::{adult, declared, new_hub, number, person};

fn is_problem(answer: &Answer, status: u16, code: &str) {
    answer.assert_problem(status, code);
}

async fn raw(test_hub: &TestHub, content_type: &str, body: impl Into<Body>) -> Answer {
    let request = test_hub
        .request("POST", "/v1/applications", "hohhot-app")
        .header("idempotency-key", "raw")
        .header("content-type", content_type);
    test_hub.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn malformed_json_is_400_with_its_place() {
    let answer = raw(&new_hub(), "application/json", "{\"service\": canary}").await;
    is_problem(&answer, 400, "malformed_json");
    assert_eq!(answer.body["line"], 1);
    assert!(!answer.body.to_string().contains("canary"));
}

#[tokio::test]
async fn another_content_type_is_415() {
    let test_hub = new_hub();
    for content_type in ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""] {
        is_problem(&raw(&test_hub, content_type, adult().to_string()).await, 415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn a_body_of_400_kilobytes_is_413() {
    let mut body = adult();
    body["address"] = "街".repeat(400 * 1024 / 3).into();
    is_problem(&raw(&new_hub(), "application/json", body.to_string()).await, 413, "payload_too_large");
}

#[tokio::test]
async fn all_missing_fields_are_named_at_once() {
    let answer = new_hub().create("k", &json!({})).await;
    is_problem(&answer, 422, "invalid_fields");
    let pointers: Vec<String> = answer.faults().into_iter().map(|fault| fault.0).collect();
    assert_eq!(pointers, ["/service", "/applicant", "/accepted_at", "/registered_at", "/address"]);
    let answer = new_hub().create("k", &json!({ "service": "first_identity_card", "applicant": {} })).await;
    for pointer in
        ["/applicant/name", "/applicant/identity_number", "/accepted_at", "/address", "/commitment"]
    {
        assert_eq!(answer.fault(pointer).as_deref(), Some("required"), "{pointer}");
    }
}

#[tokio::test]
async fn every_wrong_field_has_its_pointer_and_code() {
    let wrong_check = {
        let number = number("2000-01-01", 11);
        let last = if number.ends_with('1') { '2' } else { '1' };
        format!("{}{last}", &number[..17])
    };
    let table: Vec<(&str, Value, &str)> = vec![
        ("/service", json!("passport"), "not_one_of"),
        ("/service", json!(1), "not_text"),
        ("/service", Value::Null, "required"),
        ("/accepted_at", json!("15010"), "division_code_length"),
        ("/accepted_at", json!(150_102), "not_text"),
        ("/registered_at", json!("990101"), "division_code_province"),
        ("/registered_at", json!("11010x"), "division_code_not_digits"),
        // P4
        ("/accepted_at", json!("150100"), "division_not_county"),
        ("/accepted_at", json!("320482"), "division_abolished"),
        ("/registered_at", json!("510213"), "division_abolished"),
        ("/registered_at", json!("440399"), "unknown_division"),
        ("/applicant", json!("张三"), "not_an_object"),
        ("/applicant", json!([]), "not_an_object"),
        ("/applicant/name", json!(""), "person_name_empty"),
        ("/applicant/name", json!("张3"), "person_name_character"),
        ("/applicant/name", json!({ "zh": "张三" }), "not_text"),
        ("/applicant/identity_number", json!(wrong_check), "identity_number_check_character"),
        ("/applicant/identity_number", json!(347.0), "not_text"),
        (
            "/applicant/identity_number",
            json!(number("2026-03-03", 11)),
            "identity_number_birth_date_in_future",
        ),
        ("/applicant/mobile", json!("12345678901"), "mobile_number_prefix"),
        ("/applicant/age", json!(26), "unknown_field"),
        ("/address", json!("a\nb"), "address_control_character"),
        ("/address", json!("街".repeat(201)), "address_too_long"),
        ("/commitment", json!("yes"), "not_a_boolean"),
        ("/commitment", json!(false), "required"),
        ("/submit", json!("now"), "not_one_of"),
        ("/capabilities", json!("script:mongolian"), "not_a_list"),
        ("/capabilities/0", json!(["Script Mongolian"]), "capability"),
        ("/capabilities", json!(["a", "a", "a", "a", "a", "a", "a", "a", "a"]), "too_many"),
        ("/documents", json!({}), "not_a_list"),
        ("/documents/0", json!([7]), "not_an_object"),
        ("/documents/0/kind", json!([declared("marriage_certificate")]), "not_expected"),
        (
            "/documents/1/kind",
            json!([declared("household_register"), declared("marriage_certificate")]),
            "not_expected",
        ),
        ("/reason", json!("graduation"), "not_expected"),
        ("/certificate", json!("kinship"), "not_expected"),
        ("/move_in", json!("150102"), "not_expected"),
        ("/guardian", person("1980-01-01", 22), "not_expected"),
        ("/relative", person("1980-01-01", 22), "not_expected"),
        ("/extra", json!(1), "unknown_field"),
    ];
    let test_hub = new_hub();
    for (pointer, value, code) in table {
        let mut body = adult();
        let mut names = pointer[1..].split('/').filter(|name| name.parse::<usize>().is_err());
        let (first, second) = (names.next().unwrap(), names.next());
        match second {
            Some(second) if first == "applicant" => body[first][second] = value.clone(),
            _ => body[first] = value.clone(),
        }
        let answer = test_hub.create("k", &body).await;
        is_problem(&answer, 422, "invalid_fields");
        assert_eq!(answer.fault(pointer).as_deref(), Some(code), "{pointer} {value}: {}", answer.body);
    }
    assert!(test_hub.hub.store.ids().is_empty(), "nothing was stored");
}

#[tokio::test]
async fn a_declared_size_is_an_integer_within_bounds() {
    let test_hub = new_hub();
    for (size, code) in [
        (json!(347.0), "not_an_integer"),
        (json!("347"), "not_an_integer"),
        (json!(-1), "out_of_range"),
        (json!(0), "out_of_range"),
        (json!(20_971_521), "out_of_range"),
    ] {
        let mut body = adult();
        body["documents"] = json!([declared("household_register")]);
        body["documents"][0]["size"] = size.clone();
        let answer = test_hub.create("k", &body).await;
        assert_eq!(answer.fault("/documents/0/size").as_deref(), Some(code), "{size}");
    }
}

#[tokio::test]
async fn rules_between_fields_are_reported_with_all_other_faults() {
    let mut body = adult();
    body["applicant"] = json!({ "name": "", "identity_number": number("2015-06-01", 11) });
    body["registered_at"] = json!("460105");
    body["extra"] = json!(true);
    let answer = new_hub().create("k", &body).await;
    let mut faults = answer.faults();
    faults.sort();
    let expected = [
        ("/applicant/name", "person_name_empty"),
        ("/extra", "unknown_field"),
        ("/guardian", "guardian_required"),
        ("/registered_at", "not_offered"),
    ];
    assert_eq!(faults, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
}

#[tokio::test]
async fn each_service_requires_its_own_fields() {
    let test_hub = new_hub();
    let mut transfer = adult();
    transfer["service"] = "household_transfer".into();
    let answer = test_hub.create("k", &transfer).await;
    assert_eq!(answer.fault("/reason").as_deref(), Some("required"));
    transfer["reason"] = "kinship".into();
    assert_eq!(
        test_hub.create("k", &transfer).await.fault("/reason").as_deref(),
        Some("case_not_of_service")
    );
    transfer["reason"] = "couples_joining".into();
    assert_eq!(test_hub.create("k", &transfer).await.fault("/relative").as_deref(), Some("required"));
    transfer["relative"] = transfer["applicant"].clone();
    let answer = test_hub.create("k", &transfer).await;
    assert_eq!(answer.fault("/relative/identity_number").as_deref(), Some("same_person"));
    let mut certificate = adult();
    certificate["service"] = "household_certificate".into();
    assert_eq!(test_hub.create("k", &certificate).await.fault("/certificate").as_deref(), Some("required"));
}

#[tokio::test]
async fn the_sixteenth_birthday_counts_on_the_day_in_china() {
    let test_hub = new_hub();
    // At 16:30Z on 1 March, 2 March has begun in China.
    test_hub.hub.clock.set("2026-03-01T16:30:00Z".parse().unwrap());
    let mut body = adult();
    body["applicant"] = person("2010-03-02", 11);
    let answer = test_hub.create("today", &body).await;
    assert_eq!((answer.status, answer.body["when"].as_str()), (201, Some("adult")), "{}", answer.body);
    body["applicant"] = person("2010-03-03", 11);
    assert_eq!(
        test_hub.create("tomorrow", &body).await.fault("/guardian").as_deref(),
        Some("guardian_required")
    );
    body["guardian"] = person("1980-01-01", 22);
    assert_eq!(test_hub.create("tomorrow", &body).await.body["when"], "minor");
}

#[tokio::test]
async fn an_uncovered_place_is_422_with_the_agencies_that_offer_the_service() {
    let test_hub = new_hub();
    let mut body = adult();
    body["registered_at"] = "460105".into();
    let answer = test_hub.create("k", &body).await;
    is_problem(&answer, 422, "not_covered");
    assert_eq!(answer.body["offered_by"], json!(["11", "1501", "1504", "37"]));
    assert_eq!(answer.fault("/registered_at").as_deref(), Some("not_offered"));
    body["registered_at"] = "150105".into();
    let answer = test_hub.create("k", &body).await;
    is_problem(&answer, 422, "not_covered");
    assert_eq!(answer.fault("/registered_at").as_deref(), Some("same_place"));
    body["registered_at"] = "370102".into();
    body["capabilities"] = json!(["script:mongolian"]);
    let answer = test_hub.create("k", &body).await;
    is_problem(&answer, 422, "not_covered");
    assert_eq!(answer.body["lacks"], json!(["script:mongolian"]));
    body["registered_at"] = "110105".into();
    assert_eq!(test_hub.create("k", &body).await.status, 201);
}

/// Case P4 of `tests/FIELD_CASES.md`.
#[tokio::test]
async fn an_abolished_place_is_refused_and_its_successor_named() {
    let test_hub = new_hub();
    let mut body = adult();
    body["registered_at"] = "510213".into();
    for (accept, detail) in [
        ("zh", "该区划已撤销，现为 500107 九龙坡区"),
        (
            "en",
            "Must name a current division; this division was abolished. Its successor is 500107 九龙坡区.",
        ),
    ] {
        let request = test_hub
            .request("POST", "/v1/applications", "hohhot-app")
            .header("idempotency-key", "k")
            .header("accept-language", accept)
            .header("content-type", "application/json");
        let answer = test_hub.send(request.body(Body::from(body.to_string())).unwrap()).await;
        is_problem(&answer, 422, "invalid_fields");
        assert_eq!(answer.body["errors"][0]["detail"], detail);
    }
    // The number of a person keeps the code of the time when it was issued.
    let number = IdentityNumber::compute("510213", "1990-01-01".parse().unwrap(), 11).unwrap();
    let mut body = adult();
    body["applicant"]["identity_number"] = number.as_str().into();
    assert_eq!(test_hub.create("k", &body).await.status, 201);
}

/// Case P5 of `tests/FIELD_CASES.md`.
#[tokio::test]
async fn a_move_within_one_agencys_area_is_refused_at_the_move_in_place() {
    let test_hub = new_hub();
    let mut body = adult();
    body["service"] = "household_transfer".into();
    body["reason"] = "job_transfer".into();
    body.as_object_mut().unwrap().remove("commitment");
    for (accepted_at, registered_at, move_in, pointer) in [
        ("150102", "110105", "110105", "/move_in"),
        ("150102", "110105", "110101", "/move_in"),
        ("110105", "150102", "150105", "/move_in"),
        ("110105", "110105", "110105", "/registered_at"),
    ] {
        body["accepted_at"] = accepted_at.into();
        body["registered_at"] = registered_at.into();
        body["move_in"] = move_in.into();
        let answer = test_hub.create("k", &body).await;
        is_problem(&answer, 422, "not_covered");
        assert_eq!(answer.fault(pointer).as_deref(), Some("same_place"), "{}", answer.body);
        let batch = json!({ "applications": [{ "key": "k", "application": body.clone() }] });
        let answer = test_hub.post("/v1/applications/batch", "b", &batch).await;
        assert_eq!(answer.body["results"][0]["problem"]["errors"][0]["pointer"], pointer);
    }
    body["accepted_at"] = "150102".into();
    body["move_in"] = "370102".into();
    assert_eq!(test_hub.create("k", &body).await.status, 201);
}

#[tokio::test]
async fn problems_are_in_the_callers_language() {
    let test_hub = new_hub();
    for (accept, tag) in [("zh-CN,zh;q=0.9,en;q=0.5", "zh-CN"), ("en", "en"), ("fr", "en")] {
        let request = test_hub
            .request("POST", "/v1/applications", "hohhot-app")
            .header("idempotency-key", "k")
            .header("accept-language", accept)
            .header("content-type", "application/json");
        let answer = test_hub.send(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.headers["content-language"], tag);
        let title = answer.body["title"].as_str().unwrap();
        assert_eq!(title.is_ascii(), tag == "en", "{title}");
    }
}

#[tokio::test]
async fn a_missing_or_bad_token_is_401_with_a_challenge() {
    let test_hub = new_hub();
    let now = 1_772_413_200;
    let claims = |issuer: &str, audience: &str, exp: i64, tenant: &str| json!({ "iss": issuer, "aud": audience, "iat": now - 600, "exp": exp, "tenant": tenant, "scope": "applications:read" });
    let good = "https://issuer.example";
    let other = new_hub();
    let tokens = [
        None,
        Some("Basic YTpi".to_owned()),
        Some("Bearer".to_owned()),
        Some("Bearer a.b.c".to_owned()),
        Some(format!("Bearer {}", test_hub.sign(&claims(good, "tongban", now - 300, "hohhot-app")))),
        Some(format!(
            "Bearer {}",
            test_hub.sign(&claims("https://other.example", "tongban", now + 300, "hohhot-app"))
        )),
        Some(format!("Bearer {}", test_hub.sign(&claims(good, "elsewhere", now + 300, "hohhot-app")))),
        Some(format!("Bearer {}", test_hub.sign(&claims(good, "tongban", now + 300, "Not A Tenant")))),
        Some(format!("Bearer {}", other.token("hohhot-app", "applications:read"))),
    ];
    for path in [
        "/v1/services",
        "/v1/services/first_identity_card",
        "/v1/coverage?service=first_identity_card",
        "/v1/applications",
        "/v1/applications/0190f4c0-0000-8000-8000-000000000001",
        "/v1/applications/0190f4c0-0000-8000-8000-000000000001/events",
    ] {
        for token in &tokens {
            let mut request = Request::builder().uri(path);
            if let Some(token) = token {
                request = request.header("authorization", token);
            }
            let answer = test_hub.send(request.body(Body::empty()).unwrap()).await;
            is_problem(&answer, 401, "unauthorized");
            assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer realm="));
        }
    }
    for path in ["/v1/applications", "/v1/applications/x/submit", "/v1/applications/x/confirm"] {
        let request = Request::builder().method("POST").uri(path).body(Body::from("{")).unwrap();
        is_problem(&test_hub.send(request).await, 401, "unauthorized");
    }
}

#[tokio::test]
async fn a_token_without_the_scope_is_403_naming_the_scope() {
    let test_hub = new_hub();
    for (method, path, has, needs) in [
        ("GET", "/v1/applications", "applications:write", "applications:read"),
        ("POST", "/v1/applications", "applications:read", "applications:write"),
        (
            "POST",
            "/v1/applications/x/withdraw",
            "applications:read subscriptions:write",
            "applications:write",
        ),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", test_hub.token("hohhot-app", has)));
        let answer = test_hub.send(request.body(Body::empty()).unwrap()).await;
        is_problem(&answer, 403, "insufficient_scope");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().contains(needs));
    }
    let request = Request::builder()
        .uri("/v1/services")
        .header("authorization", format!("Bearer {}", test_hub.token("hohhot-app", "")));
    assert_eq!(test_hub.send(request.body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn another_tenants_application_is_answered_like_an_unknown_one() {
    let test_hub = new_hub();
    let id = test_hub.create("k", &adult()).await.id();
    let unknown = "0190f4c0-0000-8000-8000-000000000001";
    for path in ["", "/events"] {
        let theirs = test_hub.get_as("other-app", &format!("/v1/applications/{id}{path}")).await;
        let missing = test_hub.get_as("other-app", &format!("/v1/applications/{unknown}{path}")).await;
        is_problem(&theirs, 404, "not_found");
        assert_eq!(theirs.bytes, missing.bytes);
        assert_eq!(theirs.headers, missing.headers);
    }
    for (path, body) in [
        ("submit", json!({})),
        ("supplement", json!({})),
        ("withdraw", json!({})),
        ("confirm", json!({ "confirm": "settle" })),
    ] {
        let theirs =
            test_hub.post_as("other-app", &format!("/v1/applications/{id}/{path}"), "k", &body).await;
        let missing =
            test_hub.post_as("other-app", &format!("/v1/applications/{unknown}/{path}"), "k", &body).await;
        is_problem(&theirs, 404, "not_found");
        assert_eq!(theirs.bytes, missing.bytes);
    }
    assert_eq!(test_hub.get(&format!("/v1/applications/{id}")).await.body["version"], 1);
    assert_eq!(test_hub.get_as("other-app", "/v1/applications").await.body["applications"], json!([]));
}

#[tokio::test]
async fn a_malformed_id_is_404() {
    let test_hub = new_hub();
    for id in ["x", "..%2F..", "%2Fetc", "0190f4c0-0000-4000-8000-000000000001", "%E4%BD%A0", "a%00b"] {
        is_problem(&test_hub.get(&format!("/v1/applications/{id}")).await, 404, "not_found");
        let answer = test_hub.post(&format!("/v1/applications/{id}/submit"), "k", &json!({})).await;
        is_problem(&answer, 404, "not_found");
    }
    is_problem(&test_hub.get("/v1/services/passport").await, 404, "not_found");
}

#[tokio::test]
async fn an_unknown_route_is_404_and_another_method_405_with_allow() {
    let test_hub = new_hub();
    is_problem(&test_hub.get("/v1/nowhere").await, 404, "not_found");
    is_problem(&test_hub.get("/").await, 404, "not_found");
    for (method, path, allow) in [
        ("DELETE", "/v1/applications", "GET,HEAD,POST"),
        ("PUT", "/v1/applications/x", "GET,HEAD,PATCH"),
        ("GET", "/v1/applications/x/submit", "POST"),
        ("POST", "/v1/health", "GET,HEAD"),
    ] {
        let answer =
            test_hub.send(test_hub.request(method, path, "hohhot-app").body(Body::empty()).unwrap()).await;
        is_problem(&answer, 405, "method_not_allowed");
        let mut allowed: Vec<&str> = answer.headers["allow"].to_str().unwrap().split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow, "{path}");
    }
}

#[tokio::test]
async fn every_post_needs_an_idempotency_key() {
    let test_hub = new_hub();
    for path in ["/v1/applications", "/v1/applications/x/submit"] {
        let request = test_hub.request("POST", path, "hohhot-app").header("content-type", "application/json");
        let answer = test_hub.send(request.body(Body::from("{}")).unwrap()).await;
        is_problem(&answer, 400, "idempotency_key_required");
        for key in [String::new(), "a b".to_owned(), "x".repeat(300)] {
            is_problem(&test_hub.post(path, &key, &json!({})).await, 400, "idempotency_key_invalid");
        }
    }
}

#[tokio::test]
async fn query_parameters_are_bounded() {
    let test_hub = new_hub();
    let id = test_hub.create("k", &adult()).await.id();
    for query in ["limit=0", "limit=101", "limit=10.0", "limit=x", "cursor=x", "page=2", "limit=1&limit=2"] {
        is_problem(&test_hub.get(&format!("/v1/applications?{query}")).await, 422, "invalid_fields");
    }
    for query in ["after=-1", "after=4294967296", "limit=0", "limit=1000"] {
        is_problem(
            &test_hub.get(&format!("/v1/applications/{id}/events?{query}")).await,
            422,
            "invalid_fields",
        );
    }
    assert_eq!(test_hub.get("/v1/applications?limit=100").await.status, 200);
}
