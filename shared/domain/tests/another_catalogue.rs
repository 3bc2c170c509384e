//! A process uses one catalogue: that of the crate, or one that was installed before.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use domain::catalogue::{Catalogue, Service, catalogue, current, install};
use serde_json::json;

#[test]
fn an_installed_catalogue_replaces_the_compiled_in_one() {
    let title = json!({ "zh": "花园", "en": "garden" });
    let text = json!({
        "kinds": [{ "kind": "deed", "title": title }],
        "services": [{
            "service": "garden", "title": title, "legal_source": title, "free_of_charge": true,
            "cases": [{
                "when": "small", "title": title, "ages": {},
                "documents": [{ "name": "deed", "title": title, "accepts": ["deed"], "certainty": "source" }],
            }],
            "legs": [{
                "purpose": "decide", "title": title, "role": "registration", "limit_working_days": 1,
                "certainty": "source", "reports": ["received", "signed", "posted"],
            }],
        }],
    });
    let garden = Catalogue::parse(&text.to_string()).unwrap();
    assert_eq!(install(garden.clone()), Ok(()));
    assert_eq!((current(), catalogue().len()), (&garden, 1));
    assert!(Service::named("garden").is_some() && Service::named("first_identity_card").is_none());
    assert_eq!(install(garden.clone()), Err(garden), "a second one comes too late");
}
