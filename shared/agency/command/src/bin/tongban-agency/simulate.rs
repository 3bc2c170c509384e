//! `simulate`: runs simulated agencies.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agency::journal::ConsumerJournal;
use agency::{SqsQueue, Stop};
use anyhow::{Context as _, Result, anyhow, ensure};
use tongban_agency::AgencyScript;
use tongban_agency::simulate::{Behaviour, Fleet, FleetAgency, StopConditions};

use crate::arguments::Simulate;
use crate::screen::{members, print};
use crate::setting;

/// Most agencies in one process.
const AGENCIES: usize = 1_000;

/// Runs a simulated agency for every configuration.
pub(crate) async fn simulate(given: &Simulate) -> Result<ExitCode> {
    if given.script == "list" {
        for (name, what) in AgencyScript::NAMES {
            print(&format!("{name:<12}{what}"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let script = AgencyScript::named(&given.script)
        .ok_or_else(|| anyhow!("no script is named {:?}: `--script list` prints the names", given.script))?;
    let behaviour = Behaviour {
        seed: given.seed,
        delay: given.delay,
        mistakes: given.mistakes,
        duplicates: given.duplicates,
        crashes: given.crashes,
    };
    let members = members_of(given)?;
    let agencies = members.len();
    let journal = ConsumerJournal::new(|entry| {
        if let Ok(line) = serde_json::to_string(entry) {
            // A closed standard output does not stop the agencies.
            let _gone = print(&line);
        }
    });
    let fleet = Fleet::new(script, behaviour, journal);
    let ends = StopConditions { after: given.lasting, idle: given.until_idle };
    let summary = fleet
        .run(members, ends, Stop::on_signals().context("the signal handlers cannot be installed")?)
        .await;
    if let Err(error) = summary {
        print_summary(given, &fleet, agencies)?;
        return Err(error.into());
    }
    print_summary(given, &fleet, agencies)?;
    Ok(ExitCode::SUCCESS)
}

fn print_summary(given: &Simulate, fleet: &Fleet, agencies: usize) -> Result<()> {
    let summary = serde_json::to_value(fleet.summary(agencies))?;
    if given.json {
        print(&serde_json::json!({ "summary": summary }).to_string())
    } else if given.lasting.is_some() || given.until_idle.is_some() {
        members(&summary)
    } else {
        Ok(())
    }
}

fn members_of(given: &Simulate) -> Result<Vec<FleetAgency<SqsQueue>>> {
    let mut files = given.config.clone();
    if let Some(folder) = &given.configs {
        files.extend(found(folder).with_context(|| folder.display().to_string())?);
        ensure!(
            !files.is_empty(),
            "{} holds no configuration such as 11.json or 11/agency.json",
            folder.display()
        );
    }
    ensure!(files.len() <= AGENCIES, "at most {AGENCIES} agencies fit into one process");
    if files.is_empty() {
        let config = setting::config(None)?;
        let (queue, reports) = setting::queues(&config, None, true)?;
        return Ok(vec![FleetAgency { config, queue, reports }]);
    }
    let alone = files.len() == 1;
    let member = |file: &PathBuf| -> Result<FleetAgency<SqsQueue>> {
        // With several files an environment variable would apply to every agency.
        let mut config = if alone { setting::config(Some(file))? } else { setting::config_of_many(file)? };
        let plain = file.with_file_name("inbox.sqlite");
        if !alone && config.inbox == plain {
            // Each agency needs its own inbox, also when the configurations are in one folder.
            config.inbox = file.with_file_name(format!("inbox-{}.sqlite", config.agency));
        }
        let (queue, reports) = setting::queues(&config, Some(file), alone)?;
        Ok(FleetAgency { config, queue, reports })
    };
    files.iter().map(|file| member(file).with_context(|| file.display().to_string())).collect()
}

/// The configuration files in a folder, sorted by name.
fn found(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let is_config = (name.ends_with(".json") && !name.contains(".jwk")) || name.ends_with(".toml");
        if path.is_dir() {
            files.extend(
                ["agency.json", "agency.toml"].map(|name| path.join(name)).into_iter().find(|p| p.is_file()),
            );
        } else if is_config {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
