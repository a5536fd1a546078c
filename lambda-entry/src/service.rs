//! What each kind of event is answered with.

use std::fmt;
use std::time::{Duration, SystemTime};

use adapters_aws::{MailBatch, MailBatchAnswer};
use anyhow::{Context, Result};
use axum::extract::Request;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::compose::{Composition, Services};
use crate::http_event::{self, Format, HttpAnswer};

/// What is left of an invocation for writing and sending its answer.
const MARGIN: Duration = Duration::from_millis(500);

/// An answer as Lambda wants it for the kind of its event.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Http(HttpAnswer),
    Mails(MailBatchAnswer),
    NoMails(Records),
}

/// Why an event has no answer. The runtime logs it by its `Debug`, and takes the next event.
#[derive(Error)]
pub(crate) enum EventError {
    /// A set-up that sends here what is not for here.
    #[error(
        "the event is neither a request of API Gateway or a function URL, nor mail jobs from SQS"
    )]
    UnknownEvent,
    #[error("the answer could not be written")]
    NoAnswer,
}

impl fmt::Debug for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<EventError> for Diagnostic {
    fn from(error: EventError) -> Self {
        let error_type = match error {
            EventError::NoAnswer => "Auth.NoAnswer",
            EventError::UnknownEvent => "Auth.UnknownEvent",
        };
        Self { error_type: error_type.to_owned(), error_message: error.to_string() }
    }
}

/// What tells an SQS event from others, and by what its messages are named. Written, it keeps them all.
#[derive(Deserialize, Serialize)]
pub(crate) struct Records {
    #[serde(rename(deserialize = "Records", serialize = "batchItemFailures"))]
    records: Vec<Record>,
}

#[derive(Deserialize, Serialize)]
struct Record {
    #[serde(rename = "eventSource", skip_serializing)]
    source: String,
    #[serde(rename(deserialize = "messageId", serialize = "itemIdentifier"))]
    id: String,
}

impl Records {
    fn read(event: &str) -> Option<Self> {
        let records: Self = serde_json::from_str(event).ok()?;
        records.records.iter().all(|record| record.source == "aws:sqs").then_some(records)
    }
}

impl Composition {
    /// Answers one event. Nothing that it began runs on after it.
    ///
    /// # Errors
    /// [`EventError`]: there is nobody to answer in their own terms.
    pub(crate) async fn handle(
        &self,
        event: LambdaEvent<Box<RawValue>>,
    ) -> Result<Answer, EventError> {
        let end = event.context.deadline() - MARGIN;
        let event = event.payload.get();
        if let Some(records) = Records::read(event) {
            return self.deliver(event, records, end).await;
        }
        let Some((format, request)) = http_event::read(event) else {
            return Err(EventError::UnknownEvent);
        };
        self.answer(format, request, end).await
    }

    /// The router is made for each call, which takes microseconds: its time is what the invocation has.
    async fn answer(
        &self,
        format: Format,
        request: Request,
        end: SystemTime,
    ) -> Result<Answer, EventError> {
        let services = self.services_before(end).await;
        let mut options = self.settings.http.clone();
        options.use_case_timeout = options.use_case_timeout.min(time_until(end));
        let router = match services {
            Ok(services) => adapters_http::router(services.requests, options),
            Err(_) => adapters_http::unavailable(options),
        };
        let Ok(response) = router.oneshot(request).await;
        let answer = HttpAnswer::new(format, response).await;
        answer.map(Answer::Http).map_err(|_| EventError::NoAnswer)
    }

    async fn deliver(
        &self,
        event: &str,
        records: Records,
        end: SystemTime,
    ) -> Result<Answer, EventError> {
        let Ok(services) = self.services_before(end).await else {
            return Ok(Answer::NoMails(records));
        };
        let batch: MailBatch = serde_json::from_str(event).map_err(|_| EventError::UnknownEvent)?;
        Ok(Answer::Mails(batch.deliver(&services.mails, time_until(end)).await))
    }

    async fn services_before(&self, end: SystemTime) -> Result<Services> {
        let services = timeout(time_until(end), self.services()).await;
        services.context("the time was over").flatten().inspect_err(|error| {
            tracing::error!(target: "auth", "no usable secrets: {error:#}");
        })
    }
}

fn time_until(end: SystemTime) -> Duration {
    end.duration_since(SystemTime::now()).unwrap_or_default()
}
