//! Intake over a hub in memory, and sample applications.

use std::collections::BTreeMap;

use domain::agencies::{Agencies, AgencyRow, AgencyState};
use domain::catalogue::Service;
use domain::identity_number::IdentityNumber;
use http_kit::testing::{Parts, TestHub};
use intake::handler::{Intake, routes};
use jiff::civil::Date;
use serde_json::{Value, json};

fn agency(code: &str, zh: &str, en: &str, offers: &[Service], capabilities: &[&str]) -> AgencyRow {
    let since: Date = "2023-05-25".parse().unwrap();
    AgencyRow {
        code: code.parse().unwrap(),
        zh: zh.to_owned(),
        en: en.to_owned(),
        state: AgencyState::Active,
        offers: offers.iter().map(|service| (*service, since)).collect::<BTreeMap<_, _>>(),
        capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(),
        signing_keys: Vec::new(),
        encryption_keys: Vec::new(),
    }
}

/// Beijing, Shandong and two league cities offer every service; Hainan offers none.
pub(crate) fn agencies() -> Agencies {
    Agencies::new(vec![
        agency("11", "北京市", "Beijing", &Service::all(), &["script:mongolian"]),
        agency("37", "山东省", "Shandong", &Service::all(), &[]),
        agency("1501", "呼和浩特市", "Hohhot", &Service::all(), &["script:mongolian"]),
        agency("1504", "赤峰市", "Chifeng", &Service::all(), &[]),
        agency("46", "海南省", "Hainan", &[], &[]),
    ])
    .unwrap()
}

/// A hub in memory behind intake's routes.
pub(crate) fn new_hub() -> TestHub {
    TestHub::new(agencies(), |parts| {
        let Parts { hub, issuers, namespace, limits, .. } = parts;
        routes(Intake::new(hub, issuers, namespace, json!({ "keys": [] }), limits))
    })
}

/// The identity number of an invented person with this birth date.
pub(crate) fn number(birth: &str, sequence: u16) -> String {
    let number = IdentityNumber::compute("150102", birth.parse().unwrap(), sequence).unwrap();
    number.as_str().to_owned()
}

pub(crate) fn person(birth: &str, sequence: u16) -> Value {
    json!({ "name": "张三", "identity_number": number(birth, sequence), "mobile": "13800000000" })
}

/// Body of a new application: an adult's first identity card, from Hohhot to Beijing.
pub(crate) fn adult() -> Value {
    json!({
        "service": "first_identity_card",
        "accepted_at": "150102",
        "registered_at": "110105",
        "applicant": person("2000-01-01", 11),
        "address": "呼和浩特市新城区示例街1号",
        "commitment": true,
    })
}

/// The declaration of a document.
pub(crate) fn declared(kind: &str) -> Value {
    json!({
        "kind": kind, "media_type": "image/png", "size": PNG.len(),
        "sha256": "kqk2UtOmfiF8z9QuM1BiUw7a5j0mMPd5ZrYy1Yb7VZE=",
    })
}

/// The first bytes of a PNG file.
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
