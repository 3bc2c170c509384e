//! Keys of a subscription and their rotation.

use domain::ids::SubscriptionId;
use domain::time::later;
use http_kit::fields::{Fields, FromFields, integer};
use http_kit::problem::{Code, Problem};
use jiff::SignedDuration;
use platform::clock::Clock as _;
use platform::deliveries::NoticeKind;
use platform::hub::Hub;
use platform::subscriptions::{FormerKeys, SECRET, Subscription};
use platform::vault::Vault as _;
use protocol::callback::EndpointKeys;
use zeroize::Zeroizing;

use crate::idempotent_request::{IdempotentRequest, Outcome, StoredAnswer};
use crate::view::view;

/// Default overlap of former and new keys, in hours.
const OVERLAP_HOURS: u64 = 24;
/// Maximum overlap, in hours: a week.
const MAX_OVERLAP_HOURS: u64 = 168;

/// Body of `POST /v1/subscriptions/{id}/rotate`.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    overlap: SignedDuration,
}

impl FromFields for Rotation {
    const MAY_BE_EMPTY: bool = true;

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let hours = fields.optional("overlap_hours", integer(0..=MAX_OVERLAP_HOURS)).unwrap_or(OVERLAP_HOURS);
        Some(Rotation { overlap: SignedDuration::from_hours(i64::try_from(hours).ok()?) })
    }
}

/// Gives a subscription new keys. Until the overlap ends, callbacks are signed with the former keys, too. Keys replaced
/// by an earlier rotation are dropped at once.
///
/// # Errors
/// 404 when the tenant has no subscription with this id, 422 when the key was used for another request.
pub async fn rotate<H: Hub>(
    request: &IdempotentRequest<'_, H>,
    rotation: Rotation,
) -> Result<StoredAnswer, Problem> {
    let decide = || async {
        let before = request.subscription().await?;
        let (keys, secret) = new_keys(request.hub, request.id).await?;
        let now = request.hub.clock().now();
        let former = FormerKeys { secret: before.secret, until: later(now, rotation.overlap) };
        let after = Subscription {
            secret,
            public_key: keys.public().map(|key| key.reveal()),
            former: Some(former).filter(|former| former.until > now),
            revision: before.revision.saturating_add(1),
            ..before
        };
        let answer = view(after.clone(), Some(keys.secret()));
        Ok(Outcome::replaced(after, answer).with_notice(NoticeKind::Rotated))
    };
    request.answer_once(decide).await
}

/// New random keys, in the clear and encrypted by the vault.
pub(crate) async fn new_keys<H: Hub>(
    hub: &H,
    id: SubscriptionId,
) -> Result<(EndpointKeys, Vec<u8>), Problem> {
    let mut bytes = Zeroizing::new([0; EndpointKeys::BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| Problem::new(Code::Unavailable))?;
    let keys = EndpointKeys::from_bytes(bytes.as_slice()).map_err(|_| Problem::new(Code::Internal))?;
    let encrypted = hub.vault().encrypt(SECRET, &id.to_string(), bytes.as_slice()).await?;
    Ok((keys, encrypted))
}
