//! A document on disk, and its declaration for the hub.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::catalogue::{DocumentKind, Requirement, Service, service_row};
use domain::limits::DOCUMENT_BYTES;
use platform::documents::{HEAD_BYTES, MediaType, recognise};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Bytes of one read.
const BUFFER_BYTES: usize = 64 * 1024;
/// A document to upload.
#[derive(Clone, Debug)]
pub struct DocumentFile {
    /// Kind of document.
    pub kind: DocumentKind,
    /// Path of the file.
    pub path: PathBuf,
    /// Size in bytes, at most `domain::limits::DOCUMENT_BYTES`.
    pub size: u64,
    media_type: &'static str,
    sha256: String,
}

impl DocumentFile {
    /// Reads a file. `name` is a requirement of the service or, where that leaves a choice, a kind of document.
    ///
    /// # Errors
    /// The service requires no such document, the file cannot be read, or the file is not a PDF, JPEG or PNG of 1 byte
    /// to 20 MiB.
    pub fn read(service: Service, name: &str, path: &Path) -> Result<DocumentFile> {
        let kind = kind_of(service, name)?;
        let shown = path.display();
        let mut file = File::open(path).with_context(|| format!("the document {shown} cannot be read"))?;
        let size = file
            .metadata()
            .with_context(|| format!("the size of the document {shown} cannot be read"))?
            .len();
        ensure!(
            (1..=DOCUMENT_BYTES).contains(&size),
            "the document {shown} has {size} bytes; the hub accepts 1 to {DOCUMENT_BYTES}"
        );
        let (head, sha256) =
            hashed(&mut file, size).with_context(|| format!("the document {shown} cannot be read"))?;
        let Some(media_type) = recognise(&head).map(MediaType::name) else {
            bail!("the document {shown} is not a PDF, JPEG or PNG")
        };
        Ok(DocumentFile { kind, path: path.to_owned(), size, media_type, sha256 })
    }

    /// The document as the body of an application declares it.
    #[must_use]
    pub fn declaration(&self) -> Value {
        json!({
            "kind": self.kind,
            "media_type": self.media_type,
            "size": self.size,
            "sha256": self.sha256,
        })
    }
}

/// The first bytes of a file, and the SHA-256 in base64 of its first `size` bytes. The bound ends the read of a file
/// that grows.
fn hashed(file: &mut File, size: u64) -> std::io::Result<(Vec<u8>, String)> {
    let mut file = file.take(size);
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let mut hash = Sha256::new_with_prefix(&head);
    let mut part = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut part)? {
            0 => return Ok((head, STANDARD.encode(hash.finalize()))),
            read => hash.update(&part[..read]),
        }
    }
}

/// The kind of document for a name of a requirement or of a kind.
fn kind_of(service: Service, name: &str) -> Result<DocumentKind> {
    let requirements = || service_row(service).cases.iter().flat_map(|case| &case.documents);
    if let Some(requirement) = requirements().find(|requirement| requirement.name == name)
        && let Some(kind) = only(requirement, name)
    {
        return Ok(kind);
    }
    let of_its_kind =
        requirements().flat_map(|requirement| &requirement.accepts).find(|kind| wire(**kind) == name);
    if let Some(kind) = of_its_kind {
        return Ok(*kind);
    }
    if let Some(requirement) = requirements().find(|requirement| requirement.name == name) {
        let choice: Vec<String> = requirement.accepts.iter().map(|kind| wire(*kind)).collect();
        bail!("{name} is met by one of several kinds: give the document as {}", choice.join(", "));
    }
    let mut names: Vec<&str> = requirements().map(|requirement| requirement.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    bail!("{} requires no {name:?}; depending on the case it requires {}", service.name(), names.join(", "))
}

/// The only kind that a requirement accepts, or the accepted kind with the requirement's name.
fn only(requirement: &Requirement, name: &str) -> Option<DocumentKind> {
    match requirement.accepts.as_slice() {
        [kind] => Some(*kind),
        several => several.iter().find(|kind| wire(**kind) == name).copied(),
    }
}

/// A kind's name on the wire.
fn wire(kind: DocumentKind) -> String {
    json!(kind).as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tongban-documents-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).expect("a folder");
        folder
    }

    #[test]
    fn a_document_is_identified_by_its_requirement_and_its_first_bytes() {
        let folder = folder();
        let read = |name: &str, bytes: &[u8]| {
            let path = folder.join("document");
            std::fs::write(&path, bytes).expect("a file");
            DocumentFile::read(
                Service::named("first_identity_card").expect("the catalogue has it"),
                name,
                &path,
            )
        };
        let document = read("household_register", b"%PDF-1.4 and so on").expect("a document");
        let declared = document.declaration();
        assert_eq!(declared["kind"], "household_register");
        assert_eq!((declared["media_type"].as_str(), document.size), (Some("application/pdf"), 18));
        assert_eq!(declared["sha256"].as_str().map(str::len), Some(44));
        let photo = read("proof_of_residence", &[0xff, 0xd8, 0xff, 0xe0]).expect("a document");
        assert_eq!(photo.declaration()["media_type"], "image/jpeg");
        let refusal = |name: &str, bytes: &[u8]| read(name, bytes).expect_err("refused").to_string();
        assert!(
            refusal("lawful_stay", b"%PDF-1.4").contains("proof_of_work, proof_of_study, proof_of_residence")
        );
        assert!(refusal("diploma", b"%PDF-1.4").contains("requires no \"diploma\""));
        assert!(refusal("household_register", b"GIF89a").ends_with("is not a PDF, JPEG or PNG"));
        assert!(refusal("household_register", b"").contains("has 0 bytes"));
        std::fs::remove_dir_all(&folder).expect("the folder");
    }
}
