//! Fetches documents without touching the queue.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;

use agency::hub_client::Fetched;
use agency::{HubClient, HubClientError};
use anyhow::{Context as _, Result, ensure};
use domain::ids::DocumentId;
use domain::limits::DOCUMENTS;
use serde_json::json;

use crate::arguments::Documents;
use crate::screen::{print, spinner};
use crate::setting;

/// Fetches documents by their ids. Without the signed case there is no checksum to compare with: what is given with an
/// id is compared, and what is not is told to be unverified, with the checksum to compare by hand.
pub(crate) async fn documents(given: &Documents) -> Result<ExitCode> {
    let config = setting::config(given.agency.config.as_deref())?;
    let client = HubClient::new(&config)?;
    let all = given.id.is_empty();
    // The case's own list is in its message alone: every id that a case can have is asked for.
    let every = (1..=DOCUMENTS).filter_map(DocumentId::numbered).map(|id| (id, None));
    let wanted = if all { every.collect() } else { given.id.clone() };
    let fetching = spinner("");
    let mut found = 0;
    for (id, sum) in wanted {
        fetching.set_message(format!("fetching {id}"));
        match client.fetch_by_id(given.application, id).await {
            Ok(fetched) => {
                found += 1;
                let verified = sum.as_ref().map(|sum| *sum == fetched.sha256);
                ensure!(
                    verified != Some(false),
                    "{id} is not the document of the case: its SHA-256 is another"
                );
                let line = keep(given, id, &fetched, verified.is_some())?;
                fetching.suspend(|| print(&line))?;
            }
            Err(HubClientError::NotFound(_)) if all => {}
            Err(error) => return Err(error.into()),
        }
    }
    fetching.finish_and_clear();
    Ok(if found == 0 { ExitCode::from(4) } else { ExitCode::SUCCESS })
}

/// Writes a document for its owner alone.
///
/// Returns the line that tells of it.
fn keep(given: &Documents, id: DocumentId, fetched: &Fetched, verified: bool) -> Result<String> {
    let kind = kind(&fetched.bytes);
    let path = given.out.join(format!("{}-{id}.{kind}", given.application));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(&fetched.bytes))
        .with_context(|| path.display().to_string())?;
    let (size, sum) = (fetched.bytes.len(), &fetched.sha256);
    Ok(if given.agency.json {
        json!({ "document": id, "file": path, "size": size, "sha256": sum, "verified": verified }).to_string()
    } else {
        let verified = if verified { "verified" } else { "not verified: compare with the case" };
        format!("{id}  {size} bytes  sha256 {sum}  {verified}  {}", path.display())
    })
}

/// The ending of a file's name, from its first bytes: one of the kinds that the hub takes, or unknown.
fn kind(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'%', b'P', b'D', b'F', ..] => "pdf",
        [0xff, 0xd8, 0xff, ..] => "jpg",
        [0x89, b'P', b'N', b'G', ..] => "png",
        _ => "bin",
    }
}
