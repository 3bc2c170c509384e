//! `tongban apply`: files one application, as an app backend would.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use console::style;
use domain::catalogue::{Service, catalogue};
use http_kit::idempotency::IdempotencyKey;
use tongban::app::{App, Refused};
use tongban::apply::{Filing, Form};
use tongban::screen::Screen;
use tongban::secrets::{SCOPES, TOKEN_HOURS};

use super::local_hub::LocalHub;
use super::told_to_end;

/// The form or a paper is not as it should be; clap's own code for what was asked wrongly.
const ASKED_WRONGLY: u8 = 2;
/// The hub refused the application.
const REFUSED: u8 = 3;
/// The hub did not take a paper.
const PAPER_REFUSED: u8 = 4;

/// Files an application from a TOML or JSON file on the hub of this machine, with papers from disk.
///
/// The file has the fields of `POST /v1/applications`, and a table `papers` with a path for each required document.
/// The same file with the same papers is the same application, however often it is filed.
///
/// Ends with 0 when it is filed and its papers are in, 1 when the hub could not be asked, 2 when the command, the file
/// or a paper is wrong, 3 when the hub refused the application, 4 when it refused a paper.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The service by its name in the catalogue (`GET /v1/services`).
    #[arg(value_parser = service)]
    service: Service,
    /// The application; see shared/apps/examples.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// A paper: a requirement or a kind of document, and a file. Takes the place of the one that the file names.
    #[arg(long, value_name = "NAME=FILE", value_parser = paper)]
    paper: Vec<(String, PathBuf)>,
    /// Idempotency key; else it follows from the content.
    #[arg(long, value_parser = key)]
    key: Option<String>,
    /// Prints what happens as it happens, until the end or Ctrl-C.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    local_hub: LocalHub,
}

fn service(text: &str) -> Result<Service, String> {
    let names: Vec<&str> = catalogue().iter().map(|row| row.service.name()).collect();
    Service::named(text).ok_or_else(|| format!("there is no such service; there are {}", names.join(", ")))
}

fn paper(text: &str) -> Result<(String, PathBuf), &'static str> {
    let (name, path) = text.split_once('=').ok_or("a paper is given as NAME=FILE")?;
    if name.is_empty() || path.is_empty() {
        return Err("a paper is given as NAME=FILE");
    }
    Ok((name.to_owned(), path.into()))
}

fn key(text: &str) -> Result<String, &'static str> {
    let parsed = IdempotencyKey::parse(text.as_bytes());
    parsed.map(|_| text.to_owned()).map_err(|_| "a key has 1 to 128 visible ASCII characters")
}

impl Apply {
    /// Files it.
    ///
    /// # Errors
    /// There is no hub, or it does not answer.
    pub(crate) async fn run(self, screen: &Screen) -> Result<ExitCode> {
        let form = match Form::read(self.service, &self.file, &self.paper) {
            Ok(form) => form,
            Err(error) => {
                screen.complaint(&format!("tongban: {error:#}"));
                return Ok(ExitCode::from(ASKED_WRONGLY));
            }
        };
        let hub = self.local_hub.hub().await?;
        let token = hub.token(&self.local_hub.tenant, &SCOPES, TOKEN_HOURS)?;
        let app = App::new(hub.http(), hub.url(), token);
        let key = self.key.clone().unwrap_or_else(|| form.key());
        let mut filing = match Filing::open(&app, &form, &key).await {
            Ok(filing) => filing,
            Err(error) => return refused(error, &form, screen),
        };
        screen.line(&format!("id     {}", filing.id()));
        let done = hand_in(&mut filing, &form, screen).await?;
        if self.follow {
            tokio::select! {
                followed = follow(&mut filing, screen) => followed?,
                signal = told_to_end() => signal?,
            }
        }
        Ok(done)
    }
}

/// Sends the papers that are not in yet, and says where the application stands.
async fn hand_in(filing: &mut Filing<'_>, form: &Form, screen: &Screen) -> Result<ExitCode> {
    let uploads = filing.uploads(form).await?;
    for upload in &uploads {
        let name = upload.paper.path.display();
        let bar = screen.bytes(&upload.requirement, upload.paper.size);
        let sent = filing.upload(upload, bar.clone()).await;
        bar.finish_and_clear();
        sent?;
        screen.line(&format!("sent   {}: {name}, {} bytes", upload.requirement, upload.paper.size));
    }
    let step = screen.step("The hub looks at the papers");
    let filed = filing.settled(&uploads).await?;
    drop(step);
    for (requirement, why) in &filed.rejected {
        screen.line(&format!("{} {requirement}: {why}", style("refused").red()));
    }
    screen.line(&format!("stage  {}", style(filed.view.stage.name()).bold()));
    let missing = filed.view.documents.iter().filter(|document| filed.view.missing.contains(&document.id));
    for document in missing {
        screen.line(&format!("still to come: {}", document.requirement));
    }
    Ok(if filed.rejected.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(PAPER_REFUSED) })
}

/// Prints the event feed, from the first event to the last.
async fn follow(filing: &mut Filing<'_>, screen: &Screen) -> Result<()> {
    loop {
        let (happenings, over) = filing.news().await?;
        for event in happenings {
            let at = style(event.at.strftime("%H:%M:%S").to_string()).dim();
            let what = console::pad_str(&event.what, 24, console::Alignment::Left, None).into_owned();
            screen.line(&format!("{at}  {:>3}  {what}  {}", event.version, event.who));
        }
        if over {
            return Ok(());
        }
    }
}

/// Tells every wrong field, each where it stands.
fn refused(error: anyhow::Error, form: &Form, screen: &Screen) -> Result<ExitCode> {
    let problem = match error.downcast_ref::<Refused>() {
        Some(Refused { status, problem: Some(problem), .. }) if status.is_client_error() => problem,
        _ => return Err(error),
    };
    screen.complaint(&format!("The hub refuses it: {} ({})", problem.title, problem.kind));
    if let Some(detail) = &problem.detail {
        screen.complaint(detail);
    }
    for wrong in &problem.errors {
        let place = form.place_of(&wrong.pointer);
        screen.complaint(&format!(
            "{place}: {} {}: {}",
            style(&wrong.pointer).bold().for_stderr(),
            wrong.code,
            wrong.detail
        ));
    }
    Ok(ExitCode::from(REFUSED))
}
