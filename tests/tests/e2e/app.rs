//! The app backend of a trial: a separate tenant, subscribed to every event.

use std::ops::Deref;
use std::sync::Arc;

use app_client::SampleDocument;
use domain::ids::ApplicationId;
use protocol::app::ApplicationView;
use reqwest::StatusCode;
use serde_json::Value;
use tongban_tests::app_backend::AppBackend;
use tongban_tests::receiver::Receiver;

use crate::test_hub::TestHub;

pub(crate) use tongban_tests::app_backend::{SOON, TestResponse};

/// An app backend with its receiver of callbacks.
pub(crate) struct App {
    test_hub: Arc<TestHub>,
    backend: AppBackend,
    pub(crate) receiver: Receiver,
}

/// A created application whose documents are uploaded.
pub(crate) struct Filed {
    pub(crate) id: ApplicationId,
    pub(crate) created: ApplicationView,
}

impl App {
    /// Opens a tenant and subscribes it to every event.
    pub(crate) async fn open(test_hub: &Arc<TestHub>, tenant: &str) -> App {
        let backend = AppBackend::open(test_hub.stack(), tenant);
        let (receiver, _) = backend.subscribe().await;
        App { test_hub: test_hub.clone(), backend, receiver }
    }

    pub(crate) fn test_hub(&self) -> &Arc<TestHub> {
        &self.test_hub
    }

    /// Creates an application with these documents declared, and uploads them.
    pub(crate) async fn file(&self, body: Value, documents: &[SampleDocument]) -> Filed {
        let created: ApplicationView = self.create(body, documents).await.read(StatusCode::CREATED);
        self.upload_all(&created, documents).await;
        Filed { id: created.id, created }
    }
}

impl Deref for App {
    type Target = AppBackend;

    fn deref(&self) -> &AppBackend {
        &self.backend
    }
}
