//! `tongban apply`: submits one application, as an app backend would.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use app_client::{AppClient, AppClientError};
use clap::Args;
use console::style;
use domain::catalogue::{Service, catalogue};
use http_kit::idempotency::IdempotencyKey;
use tongban::apply::{Form, Submission};
use tongban::secrets::{SCOPES, TOKEN_HOURS};
use tongban::terminal::Terminal;

use super::local_hub::LocalHub;
use super::signals::termination;

/// Exit code for a wrong command, file or document; clap uses the same code.
const USAGE: u8 = 2;
/// Exit code when the hub refused the application.
const REFUSED: u8 = 3;
/// Exit code when the hub rejected a document.
const DOCUMENT_REJECTED: u8 = 4;

/// Submits an application from a TOML or JSON file to the hub on this machine, with documents from disk.
///
/// The file has the fields of `POST /v1/applications`, and a table `documents` with a path for each required document.
/// The same file with the same documents is the same application, however often it is submitted.
///
/// Exit codes: 0 the application and its documents are accepted; 1 the hub cannot be reached; 2 the command, the file
/// or a document is wrong; 3 the hub refused the application; 4 the hub rejected a document.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The service by its name in the catalogue (`GET /v1/services`).
    #[arg(value_parser = service)]
    service: Service,
    /// File with the application; shared/apps/examples has samples.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// A document: a requirement or a kind of document, and a path. Replaces the document that the file names.
    #[arg(long, value_name = "NAME=FILE", value_parser = document)]
    document: Vec<(String, PathBuf)>,
    /// Idempotency key. Default: derived from the content.
    #[arg(long, value_parser = key)]
    key: Option<String>,
    /// Prints each event as it happens, until the application is final or Ctrl-C.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    local_hub: LocalHub,
}

fn service(text: &str) -> Result<Service, String> {
    let names: Vec<&str> = catalogue().iter().map(|row| row.service.name()).collect();
    Service::named(text).ok_or_else(|| format!("unknown service; the services are {}", names.join(", ")))
}

fn document(text: &str) -> Result<(String, PathBuf), &'static str> {
    let (name, path) = text.split_once('=').ok_or("a document is given as NAME=FILE")?;
    if name.is_empty() || path.is_empty() {
        return Err("a document is given as NAME=FILE");
    }
    Ok((name.to_owned(), path.into()))
}

fn key(text: &str) -> Result<String, &'static str> {
    let parsed = IdempotencyKey::parse(text.as_bytes());
    parsed.map(|_| text.to_owned()).map_err(|_| "a key has 1 to 128 visible ASCII characters")
}

impl Apply {
    /// Submits the application.
    ///
    /// # Errors
    /// No hub runs here, or the hub does not answer.
    pub(crate) async fn run(self, terminal: &Terminal) -> Result<ExitCode> {
        let form = match Form::read(self.service, &self.file, &self.document) {
            Ok(form) => form,
            Err(error) => {
                terminal.complaint(&format!("tongban: {error:#}"));
                return Ok(ExitCode::from(USAGE));
            }
        };
        let hub = self.local_hub.hub().await?;
        let token = hub.token(&self.local_hub.tenant, &SCOPES, TOKEN_HOURS)?;
        let app = AppClient::new(hub.http(), hub.url(), token);
        let key = self.key.clone().unwrap_or_else(|| form.key());
        let mut submission = match Submission::open(&app, &form, &key).await {
            Ok(submission) => submission,
            Err(error) => return refused(error, &form, terminal),
        };
        terminal.line(&format!("id     {}", submission.id()));
        let done = upload_all(&mut submission, &form, terminal).await?;
        if self.follow {
            tokio::select! {
                followed = follow(&mut submission, terminal) => followed?,
                signal = termination() => signal?,
            }
        }
        Ok(done)
    }
}

/// Uploads the documents that are not uploaded yet, and prints the application's stage.
async fn upload_all(submission: &mut Submission<'_>, form: &Form, terminal: &Terminal) -> Result<ExitCode> {
    let uploads = submission.uploads(form).await?;
    for upload in &uploads {
        let name = upload.file.path.display();
        let bar = terminal.bytes(&upload.requirement, upload.file.size);
        let sent = submission.upload(upload, bar.clone()).await;
        bar.finish_and_clear();
        sent?;
        terminal.line(&format!("sent   {}: {name}, {} bytes", upload.requirement, upload.file.size));
    }
    let step = terminal.step("The hub inspects the documents");
    let inspected = submission.inspected(&uploads).await?;
    drop(step);
    for (requirement, why) in &inspected.rejected {
        terminal.line(&format!("{} {requirement}: {why}", style("refused").red()));
    }
    terminal.line(&format!("stage  {}", style(inspected.view.stage.name()).bold()));
    let missing =
        inspected.view.documents.iter().filter(|document| inspected.view.missing.contains(&document.id));
    for document in missing {
        terminal.line(&format!("missing {}", document.requirement));
    }
    Ok(if inspected.rejected.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DOCUMENT_REJECTED) })
}

/// Prints the event feed until the application is final.
async fn follow(submission: &mut Submission<'_>, terminal: &Terminal) -> Result<()> {
    loop {
        let (events, is_final) = submission.next_events().await?;
        for event in events {
            let at = style(event.at.strftime("%H:%M:%S").to_string()).dim();
            let what = console::pad_str(&event.what, 24, console::Alignment::Left, None).into_owned();
            terminal.line(&format!("{at}  {:>3}  {what}  {}", event.version, event.who));
        }
        if is_final {
            return Ok(());
        }
    }
}

/// Prints every wrong field with its line in the file.
fn refused(error: anyhow::Error, form: &Form, terminal: &Terminal) -> Result<ExitCode> {
    let problem = match error.downcast_ref::<AppClientError>() {
        Some(AppClientError::Refused { status, problem: Some(problem), .. }) if status.is_client_error() => {
            problem
        }
        _ => return Err(error),
    };
    terminal.complaint(&format!("The hub refused the application: {} ({})", problem.title, problem.kind));
    if let Some(detail) = &problem.detail {
        terminal.complaint(detail);
    }
    for wrong in &problem.errors {
        let place = form.place_of(&wrong.pointer);
        terminal.complaint(&format!(
            "{place}: {} {}: {}",
            style(&wrong.pointer).bold().for_stderr(),
            wrong.code,
            wrong.detail
        ));
    }
    Ok(ExitCode::from(REFUSED))
}
