//! A subscription's keys, and their rotation.

use domain::ids::{SubscriptionId, TenantId};
use jiff::SignedDuration;
use platform::clock::Clock as _;
use platform::deliveries::{Deliveries as _, Notice, NoticeKind};
use platform::fields::{Fields, FromFields, whole};
use platform::hub::Hub;
use platform::problem::{Code, Problem};
use platform::settings::{Former, ROTATIONS, SECRET, Settings as _, Subscription};
use platform::vault::Vault as _;
use protocol::app::SubscriptionView;
use protocol::callback::EndpointKeys;
use zeroize::Zeroizing;

use super::{CHANGES, find, view};

/// Hours that the keys before a rotation sign, where nothing else is asked.
const OVERLAP_HOURS: u64 = 24;
/// Most hours that may be asked for.
const LONGEST_OVERLAP: u64 = 168;

/// `POST /v1/subscriptions/{id}/rotate`.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    overlap: SignedDuration,
}

impl FromFields for Rotation {
    const MAY_BE_EMPTY: bool = true;

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let hours = fields.optional("overlap_hours", whole(0..=LONGEST_OVERLAP)).unwrap_or(OVERLAP_HOURS);
        Some(Rotation { overlap: SignedDuration::from_hours(i64::try_from(hours).ok()?) })
    }
}

/// Gives a subscription new keys. Those before them sign beside them for the overlap; those before these no
/// more. A repeat of the newest rotation answers with the same keys.
///
/// # Errors
/// 404 where there is none, 422 where the key belongs to a rotation that has been followed by another.
pub async fn rotate<H: Hub>(
    hub: &H,
    tenant: &TenantId,
    id: SubscriptionId,
    rotation: Rotation,
    request: [u8; 16],
) -> Result<SubscriptionView, Problem> {
    let request = hex(request);
    let mut made = None;
    for _ in 0..CHANGES {
        let before = find(hub, tenant, id).await?;
        if before.rotations.last() == Some(&request) {
            let keys = opened(hub, id, &before.secret).await?;
            return Ok(view(before, Some(keys.secret())));
        }
        if before.rotations.contains(&request) {
            return Err(Problem::new(Code::KeyReused));
        }
        let (keys, sealed) = match made.take() {
            Some(made) => made,
            None => new_keys(hub, id).await?,
        };
        let now = hub.clock().now();
        let former = Former { secret: before.secret.clone(), until: now + rotation.overlap };
        let mut rotations = before.rotations.clone();
        rotations.push(request.clone());
        let beyond = rotations.len().saturating_sub(ROTATIONS);
        let changed = Subscription {
            secret: sealed.clone(),
            public_key: keys.public().map(|key| key.reveal()),
            former: Some(former).filter(|former| former.until > now),
            rotations: rotations.split_off(beyond),
            revision: before.revision + 1,
            ..before
        };
        if hub.settings().replace_subscription(&changed).await? {
            let notice = Notice { kind: NoticeKind::Rotated, subscription: id, at: now, reason: None };
            if let Err(error) = hub.deliveries().notify(tenant, &notice).await {
                tracing::warn!(subscription = %id, %error, "a rotation is not in the notices");
            }
            return Ok(view(changed, Some(keys.secret())));
        }
        made = Some((keys, sealed));
    }
    Err(Problem::new(Code::Throttled))
}

/// Sixteen bytes in hexadecimal.
pub(super) fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// New keys, and the same as the vault sealed them.
pub(super) async fn new_keys<H: Hub>(
    hub: &H,
    id: SubscriptionId,
) -> Result<(EndpointKeys, Vec<u8>), Problem> {
    let mut bytes = Zeroizing::new([0; EndpointKeys::BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| Problem::new(Code::Unavailable))?;
    let keys = EndpointKeys::from_bytes(bytes.as_slice()).map_err(|_| Problem::new(Code::Internal))?;
    let sealed = hub.vault().seal(SECRET, &id.to_string(), bytes.as_slice()).await?;
    Ok((keys, sealed))
}

/// Keys as the vault sealed them.
pub async fn opened<H: Hub>(hub: &H, id: SubscriptionId, sealed: &[u8]) -> Result<EndpointKeys, Problem> {
    let bytes = hub.vault().open(SECRET, &id.to_string(), sealed).await?;
    EndpointKeys::from_bytes(&bytes).map_err(|_| Problem::new(Code::Internal))
}
