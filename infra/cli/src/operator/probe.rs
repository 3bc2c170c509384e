//! Bad messages as a test: an agency's program must survive the unreadable one and reject the forged one.

use anyhow::{Context as _, Result};
use domain::catalogue::catalogue;
use domain::effect::NoticeKind;
use domain::ids::{AgencyCode, ApplicationId};
use jiff::Timestamp;
use protocol::case::{Case, CasePlaces, Envelope};
use protocol::jose::{KeyUse, PrivateKey, PublicKey};
use serde::Serialize;
use uuid::Uuid;

use super::Operator;
use crate::aws::call_error;

/// Kind of a bad message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Encrypted to an unknown key: the agency cannot decrypt the message.
    Unreadable,
    /// The agency can decrypt the message, but the signature is not the hub's.
    Forged,
}

/// A bad message that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SentProbe {
    /// Agency whose queue received the message.
    pub agency: AgencyCode,
    pub kind: Probe,
    /// Message id of SQS.
    pub message_id: String,
    /// Id of the invented application.
    pub application: ApplicationId,
    pub event_id: String,
}

impl Operator {
    /// Sends a bad message about an invented application to an agency's queue.
    ///
    /// # Errors
    /// No agency has this code, the agency has no encryption key, or SQS rejects the message.
    pub async fn probe(&self, code: &AgencyCode, kind: Probe) -> Result<SentProbe> {
        self.row(code)?;
        let stranger = PrivateKey::generate(KeyUse::Encryption)?;
        let key = match kind {
            Probe::Unreadable => stranger.public().clone(),
            Probe::Forged => {
                let rows = self.rows.with_overrides(&self.overrides.read().await?);
                let keys = rows.agency(code).into_iter().flat_map(|row| row.encryption_keys.clone());
                let key = keys.filter_map(|jwk| PublicKey::from_jwk(&jwk).ok()).next();
                key.with_context(|| format!("agency {code} has no encryption key"))?
            }
        };
        let application = ApplicationId::from_bytes16(*Uuid::new_v4().as_bytes());
        let signing = PrivateKey::generate(KeyUse::Signing)?;
        let envelope =
            Envelope::sign_and_encrypt(&case(code, application)?, Timestamp::now(), &signing, &key)?;
        let queue = self.queue_url(code)?;
        let call = self.sqs.send_message().queue_url(queue).message_body(serde_json::to_string(&envelope)?);
        let call = call.message_group_id(application.to_string());
        let sent = call.message_deduplication_id(Uuid::new_v4().to_string()).send().await;
        let sent = sent.map_err(|error| call_error("sending the message to the agency's queue", error))?;
        let message_id = sent.message_id().context("SQS gave the message no id")?.to_owned();
        Ok(SentProbe {
            agency: code.clone(),
            kind,
            message_id,
            application,
            event_id: envelope.id.to_string(),
        })
    }
}

/// A case without personal data.
fn case(code: &AgencyCode, application: ApplicationId) -> Result<Case> {
    let place: domain::division::DivisionCode =
        "150102".parse().context("the code of the acceptance place is not a division")?;
    let row = catalogue().first().context("the catalogue has no service")?;
    Ok(Case {
        application,
        version: 1,
        iat: None,
        notice: NoticeKind::Opened,
        agency: code.clone(),
        purpose: row.legs[0].purpose,
        service: row.service,
        when: row.cases[0].when,
        places: CasePlaces { accepted_at: place.clone(), registered_at: place, move_in: None },
        due: None,
        personal_data: None,
        possible_duplicate: None,
        documents: Vec::new(),
        upload: None,
        reports: Vec::new(),
    })
}
