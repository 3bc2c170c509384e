//! The walk: one application of each service through the running hub, each step shown as it happens.
//!
//! Nothing is staged. An app backend sends HTTP requests and is called back, agencies with accounts and keys of
//! their own read their queues and report; what is shown comes from the hub's event feed and from callbacks.

mod agencies;
mod app;
mod course;
mod journey;
mod receiver;
mod timeline;
mod until;
mod verdict;
mod words;

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use domain::decide::today;
use domain::ids::{AgencyCode, ApplicationId};
use jiff::Timestamp;

use crate::local::LocalStack;
use crate::screen::Screen;
use agencies::Agencies;
use app::App;
use course::Course;
use journey::{Company, travel};
use receiver::Receiver;
use timeline::Timeline;

/// The app backend that walks.
pub const TENANT: &str = "demo-app";

/// What is left of a walk that went well.
#[derive(Debug)]
pub struct Walked {
    card: ApplicationId,
    agencies: Agencies,
}

impl Walked {
    /// The application for a first card.
    #[must_use]
    pub fn card(&self) -> ApplicationId {
        self.card
    }

    /// The agencies that work by script until this is dropped.
    pub fn agencies(&self) -> impl Iterator<Item = &AgencyCode> {
        self.agencies.codes()
    }

    /// Lets the agencies finish what they have in hand, and ends them.
    pub async fn end(self) {
        self.agencies.end().await;
    }
}

/// Walks one application of each service to its end, and judges what is left: every application final, every
/// callback received and verified, every record whole, every queue empty.
///
/// # Errors
/// The first thing that is not as it should be, in one sentence.
pub async fn walk(hub: &LocalStack, screen: &Screen) -> Result<Walked> {
    let courses = course::courses(hub.partners(), today(Timestamp::now()))?;
    introduce(&courses, screen);
    let codes: BTreeSet<AgencyCode> = courses.iter().flat_map(Course::agencies).cloned().collect();
    let agencies = Agencies::start(hub, codes)?;
    let receiver = Receiver::listen().await?;
    let app = App::new(hub, TENANT)?;
    let subscription = app.subscribe(&receiver).await?;
    let timeline = Timeline::begin(screen, &courses);
    let company = Company { app: &app, agencies: &agencies, receiver: &receiver, timeline: &timeline };
    let [card, transfer, certificate] = &courses;
    let travelled =
        tokio::try_join!(travel(&company, card), travel(&company, transfer), travel(&company, certificate));
    timeline.end();
    let judged = match travelled {
        Ok((card, transfer, certificate)) => {
            let arrived = [card, transfer, certificate];
            verdict::judge(hub, &receiver, &arrived, screen).await.map(|()| arrived)
        }
        Err(error) => Err(error),
    };
    let [card, ..] = judged.map_err(|error| {
        let trouble = agencies.trouble().map(|trouble| format!("; {trouble}")).unwrap_or_default();
        anyhow!("{error:#}{trouble}; what the hub wrote is in {}", hub.log().display())
    })?;
    // Its receiver ends here, and nobody else is called for it.
    app.unsubscribe(subscription).await?;
    Ok(Walked { card: card.id, agencies })
}

fn introduce(courses: &[Course; 3], screen: &Screen) {
    screen.line("");
    screen.line(
        "Three applications walk through the hub now. The people are invented, everything else happens:",
    );
    for course in courses {
        screen.line("");
        for line in course.story() {
            screen.line(&line);
        }
    }
    screen.line("");
}
