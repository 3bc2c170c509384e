//! `documents`: fetches documents without receiving from the queue.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;

use agency::hub_client::FetchedDocument;
use agency::{HubClient, HubClientError};
use anyhow::{Context as _, Result, ensure};
use domain::ids::DocumentId;
use domain::limits::DOCUMENTS;
use serde_json::json;

use crate::arguments::Documents;
use crate::screen::{print, spinner};
use crate::setting;

/// Fetches documents by id. The expected checksum is in the signed case, which this command does not have: a checksum
/// given with the id is compared, and every other document is marked as not verified.
pub(crate) async fn documents(given: &Documents) -> Result<ExitCode> {
    let config = setting::config(given.agency.config.as_deref())?;
    let client = HubClient::new(&config)?;
    let all = given.id.is_empty();
    // Only the message lists the case's documents, so this tries every id that a case can have.
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
                ensure!(verified != Some(false), "{id} does not match the given SHA-256");
                let line = save(given, id, &fetched, verified.is_some())?;
                fetching.suspend(|| print(&line))?;
            }
            Err(HubClientError::NotFound(_)) if all => {}
            Err(error) => return Err(error.into()),
        }
    }
    fetching.finish_and_clear();
    Ok(if found == 0 { ExitCode::from(4) } else { ExitCode::SUCCESS })
}

/// Writes a document that only this user may read.
///
/// Returns the line to print.
fn save(given: &Documents, id: DocumentId, fetched: &FetchedDocument, verified: bool) -> Result<String> {
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

/// The file name extension, from the first bytes: one of the types that the hub accepts, or `bin`.
fn kind(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'%', b'P', b'D', b'F', ..] => "pdf",
        [0xff, 0xd8, 0xff, ..] => "jpg",
        [0x89, b'P', b'N', b'G', ..] => "png",
        _ => "bin",
    }
}
