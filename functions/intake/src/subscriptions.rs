//! Where an app backend wants to be called back.

use std::net::IpAddr;

use domain::ids::{SubscriptionId, TenantId};
use http::Uri;
use http::uri::Scheme;
use platform::clock::Clock as _;
use platform::config::Mode;
use platform::fields::{FieldError, Fields, FromFields, list, words};
use platform::hub::Hub;
use platform::problem::{Code, Problem};
use platform::settings::{EndpointState, SECRET, Settings as _, Subscribed, Subscription};
use platform::vault::Vault as _;
use protocol::app::SubscriptionView;
use protocol::callback::{EndpointKeys, Secret};
use serde::Serialize;
use zeroize::Zeroizing;

/// Characters of a callback's URL.
const URL_CHARACTERS: usize = 1024;
/// Types one subscription may name.
const TYPES: usize = 32;

/// Event types that are called back, see `domain::effect::calls_back`.
const CALLED_BACK: [&str; 22] = [
    "application.document_rejected",
    "application.dispatched",
    "application.received",
    "application.supplement_requested",
    "application.signed",
    "application.not_issued",
    "application.produced",
    "application.posted",
    "application.ready",
    "application.collected",
    "application.approved",
    "application.verified",
    "application.moved_out",
    "application.settled",
    "application.lapsed",
    "application.restored_at_origin",
    "application.issued",
    "application.completed",
    "application.withdrawn",
    "application.rejected",
    "application.expired",
    "application.overdue",
];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    url: String,
    events: Vec<String>,
}

impl FromFields for Wanted {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let url = fields.required("url", words(1..=URL_CHARACTERS));
        let mut events = fields.optional("events", list(0..=TYPES, words(1..=64))).unwrap_or_default();
        for (index, event) in events.iter().enumerate() {
            if !CALLED_BACK.contains(&event.as_str()) {
                fields.refuse(&format!("events/{index}"), "unknown");
            }
        }
        events.sort();
        events.dedup();
        Some(Wanted { url: url?, events })
    }
}

/// The subscriptions of a tenant.
#[derive(Clone, Debug, Serialize)]
pub struct SubscriptionsPage {
    /// Oldest first.
    pub subscriptions: Vec<SubscriptionView>,
}

/// Makes a subscription; a repeat answers as the first did, its secret included.
///
/// # Errors
/// 422 for a URL that is not acceptable or a key used for another request, 409 where the tenant has enough.
pub async fn subscribe<H: Hub>(
    hub: &H,
    mode: Mode,
    id: SubscriptionId,
    tenant: &TenantId,
    wanted: Wanted,
) -> Result<SubscriptionView, Problem> {
    if !acceptable(&wanted.url, mode) {
        return Err(Problem::invalid(vec![FieldError::new("/url", "url")]));
    }
    let (keys, sealed) = new_keys(hub, id).await?;
    let subscription = Subscription {
        id,
        tenant: tenant.clone(),
        url: wanted.url,
        events: wanted.events,
        created: hub.clock().now(),
        secret: sealed,
        public_key: keys.public().map(|key| key.reveal()),
        former: None,
        rotations: Vec::new(),
        state: EndpointState::default(),
        revision: 0,
    };
    match hub.settings().put_subscription(&subscription).await? {
        Subscribed::New => Ok(view(subscription, Some(keys.secret()))),
        Subscribed::Full => Err(Problem::new(Code::TooManySubscriptions)),
        Subscribed::Existing(known) => {
            if known.url != subscription.url || known.events != subscription.events {
                return Err(Problem::new(Code::KeyReused));
            }
            let keys = opened(hub, id, &known.secret).await?;
            Ok(view(known, Some(keys.secret())))
        }
    }
}

/// New keys, and the same as the vault sealed them.
async fn new_keys<H: Hub>(hub: &H, id: SubscriptionId) -> Result<(EndpointKeys, Vec<u8>), Problem> {
    let mut bytes = Zeroizing::new([0; EndpointKeys::BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| Problem::new(Code::Unavailable))?;
    let keys = EndpointKeys::from_bytes(bytes.as_slice()).map_err(|_| Problem::new(Code::Internal))?;
    let sealed = hub.vault().seal(SECRET, &id.to_string(), bytes.as_slice()).await?;
    Ok((keys, sealed))
}

async fn opened<H: Hub>(hub: &H, id: SubscriptionId, sealed: &[u8]) -> Result<EndpointKeys, Problem> {
    let bytes = hub.vault().open(SECRET, &id.to_string(), sealed).await?;
    EndpointKeys::from_bytes(&bytes).map_err(|_| Problem::new(Code::Internal))
}

/// A tenant's subscriptions, without their secrets.
///
/// # Errors
/// 503 where they cannot be read.
pub async fn subscriptions<H: Hub>(hub: &H, tenant: &TenantId) -> Result<SubscriptionsPage, Problem> {
    let found = hub.settings().subscriptions(tenant).await?;
    Ok(SubscriptionsPage { subscriptions: found.into_iter().map(|found| view(found, None)).collect() })
}

/// Removes a subscription.
///
/// # Errors
/// 404 where the tenant has none with this id.
pub async fn unsubscribe<H: Hub>(hub: &H, tenant: &TenantId, id: SubscriptionId) -> Result<(), Problem> {
    if hub.settings().delete_subscription(tenant, id).await? { Ok(()) } else { Err(Problem::not_found()) }
}

fn view(subscription: Subscription, secret: Option<&Secret>) -> SubscriptionView {
    SubscriptionView {
        id: subscription.id,
        url: subscription.url,
        events: subscription.events,
        created_at: subscription.created,
        secret: secret.map(Secret::reveal),
    }
}

/// https to a host by name; on a developer's machine http to a loopback address too. Where the name leads is
/// checked when it is called, for it may change.
fn acceptable(url: &str, mode: Mode) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>().ok();
    // What looks like a number may be read as an address by a resolver: 0x7f.1, 2130706433.
    let named = host.contains('.')
        && host.rsplit('.').next().is_some_and(|last| last.starts_with(char::is_alphabetic));
    let plain = !authority.as_str().contains('@') && !url.contains('#');
    let public = *scheme == Scheme::HTTPS && address.is_none() && named;
    let local = mode == Mode::Local && address.is_some_and(|address| address.is_loopback());
    let http = *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
    plain && (public || (local && http))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_goes_to_https_by_name() {
        for url in ["https://app.example.cn/hooks", "https://app.example.cn:8443/h?a=b"] {
            assert!(acceptable(url, Mode::Live), "{url}");
        }
        for url in [
            "http://app.example.cn/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/latest",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://localhost/",
            "https://user:word@app.example.cn/",
            "https://app.example.cn/#part",
            "ftp://app.example.cn/",
            "/hooks",
            "app.example.cn",
            "https://",
            "https://例子.cn /",
        ] {
            assert!(!acceptable(url, Mode::Live), "{url}");
        }
    }

    #[test]
    fn a_developers_machine_may_be_called_on_itself_alone() {
        assert!(acceptable("http://127.0.0.1:4000/hooks", Mode::Local));
        assert!(acceptable("http://[::1]:4000/hooks", Mode::Local));
        for url in ["http://localhost:4000/", "http://10.0.0.1/", "http://app.example.cn/"] {
            assert!(!acceptable(url, Mode::Local), "{url}");
        }
    }
}
