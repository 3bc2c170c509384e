//! The file of an application: the fields of the request body in TOML or JSON, and the paths of documents.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use domain::catalogue::Service;
use domain::limits::DOCUMENTS;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::DocumentFile;
use super::lines::{Syntax, line_of};

/// Bytes of a file; the hub accepts request bodies of the same size.
const FORM_BYTES: u64 = 64 * 1024;
/// The table of documents: a requirement or a kind of document, and a path relative to the file's own folder.
const DOCUMENT_TABLE: &str = "documents";

/// A filled-in form, ready to be submitted.
#[derive(Clone, Debug)]
pub struct Form {
    /// The request body.
    pub body: Value,
    /// The files to upload, in the order of the body's `documents`.
    pub documents: Vec<DocumentFile>,
    path: PathBuf,
    text: String,
    syntax: Syntax,
}

impl Form {
    /// Reads a file and the documents it names. Documents of `more` are named as in the file, by paths relative to the
    /// current folder, and replace those of the file. Fields that the file leaves out get a default: the service, the
    /// documents, and `"submit": "when_complete"`, which submits the application with its last document.
    ///
    /// # Errors
    /// The file is not a TOML or JSON table of at most 64 KiB, is for another service, or names a wrong document.
    pub fn read(service: Service, path: &Path, more: &[(String, PathBuf)]) -> Result<Form> {
        let shown = path.display();
        let mut text = String::new();
        let file = File::open(path).with_context(|| format!("{shown} cannot be read"))?;
        let read = file.take(FORM_BYTES + 1).read_to_string(&mut text);
        read.with_context(|| format!("{shown} cannot be read"))?;
        ensure!(text.len() as u64 <= FORM_BYTES, "{shown} has more than {FORM_BYTES} bytes");
        let syntax = match path.extension().and_then(|ending| ending.to_str()) {
            Some("toml") => Syntax::Toml,
            Some("json") => Syntax::Json,
            _ => bail!("{shown} must end in .toml or .json"),
        };
        let mut fields: Map<String, Value> = match syntax {
            Syntax::Toml => toml::from_str(&text).with_context(|| format!("{shown} is not well formed"))?,
            Syntax::Json => protocol::json::from_slice(text.as_bytes(), text.len())
                .with_context(|| format!("{shown} is not well formed"))?,
        };
        let documents = documents(service, &mut fields, path, more)?;
        let named = fields.entry("service").or_insert_with(|| json!(service));
        ensure!(*named == json!(service), "{shown} is for another service than {}", service.name());
        ensure!(
            !fields.contains_key("documents"),
            "{shown} declares documents; name them under [{DOCUMENT_TABLE}]"
        );
        if !documents.is_empty() {
            fields.insert("documents".to_owned(), documents.iter().map(DocumentFile::declaration).collect());
        }
        fields.entry("submit").or_insert_with(|| json!("when_complete"));
        Ok(Form { body: Value::Object(fields), documents, path: path.to_owned(), text, syntax })
    }

    /// An idempotency key derived from the content alone: the same form with the same documents is the same
    /// application.
    #[must_use]
    pub fn key(&self) -> String {
        let digest = Sha256::digest(self.body.to_string().as_bytes());
        let digits = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        format!("apply-{}", digits.collect::<String>())
    }

    /// The place that a JSON pointer of the hub names: a line of the file, a document, or the file.
    #[must_use]
    pub fn place_of(&self, pointer: &str) -> String {
        let document = pointer.strip_prefix("/documents/").and_then(|rest| rest.split('/').next());
        if let Some(file) = document.and_then(|index| self.documents.get(index.parse::<usize>().ok()?)) {
            return file.path.display().to_string();
        }
        let file = self.path.display();
        match line_of(&self.text, self.syntax, pointer) {
            Some(line) => format!("{file}:{line}"),
            None => file.to_string(),
        }
    }
}

/// Takes the table of documents out of the fields, and reads each document.
fn documents(
    service: Service,
    fields: &mut Map<String, Value>,
    form: &Path,
    more: &[(String, PathBuf)],
) -> Result<Vec<DocumentFile>> {
    let folder = form.parent().unwrap_or(Path::new(""));
    let named: BTreeMap<String, PathBuf> = match fields.remove(DOCUMENT_TABLE) {
        Some(table) => serde_json::from_value(table).with_context(|| {
            format!("[{DOCUMENT_TABLE}] of {} must map each requirement to a path", form.display())
        })?,
        None => BTreeMap::new(),
    };
    let mut paths: BTreeMap<String, PathBuf> =
        named.into_iter().map(|(name, path)| (name, folder.join(path))).collect();
    paths.extend(more.iter().cloned());
    ensure!(paths.len() <= DOCUMENTS, "an application has at most {DOCUMENTS} documents");
    paths.iter().map(|(name, path)| DocumentFile::read(service, name, path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_the_same_body_and_key_in_toml_and_json() {
        let folder = std::env::temp_dir().join(format!("tongban-form-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a file");
            path
        };
        write("register.pdf", "%PDF-1.4");
        let other = write("other.pdf", "%PDF-1.5");
        let toml = "address = \"…\"\n[applicant]\nname = \"…\"\n[documents]\nhousehold_register = \"register.pdf\"\n";
        let json = r#"{"applicant": {"name": "…"}, "address": "…", "documents": {"household_register": "register.pdf"}}"#;
        let service = Service::named("first_identity_card").expect("the catalogue has it");
        let one = Form::read(service, &write("form.toml", toml), &[]).expect("a form");
        let two = Form::read(service, &write("form.json", json), &[]).expect("a form");
        assert_eq!((&one.body, one.key()), (&two.body, two.key()));
        assert_eq!(one.body["service"], "first_identity_card");
        assert_eq!(one.body["submit"], "when_complete");
        assert_eq!(one.body["documents"][0]["kind"], "household_register");
        assert!(one.place_of("/applicant/name").ends_with("form.toml:3"));
        assert!(one.place_of("/documents/0/kind").ends_with("register.pdf"));
        assert!(one.place_of("/accepted_at").ends_with("form.toml"));
        let instead = [("household_register".to_owned(), other)];
        let three = Form::read(service, &folder.join("form.toml"), &instead).expect("a form");
        assert_ne!(one.key(), three.key(), "another document makes another application");
        let refusal = |name: &str, text: &str| {
            format!("{:#}", Form::read(service, &write(name, text), &[]).expect_err("refused"))
        };
        assert!(refusal("form.toml", "address = ").contains("is not well formed"));
        assert!(refusal("form.json", "[]").contains("is not well formed"));
        assert!(refusal("form.toml", "service = \"household_transfer\"").contains("is for another service"));
        assert!(refusal("form.json", r#"{"documents": []}"#).contains("[documents]"));
        assert!(refusal("form.yaml", "a: 1").contains(".toml"));
        std::fs::remove_dir_all(&folder).expect("the folder");
    }
}
