use std::fmt;
use std::time::Duration;

use auth_domain::{Auth, DeliveryError, MailJob};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

/// A batch of mail jobs, as Lambda hands a function what it read from SQS. Everything in the event but
/// id and body of each record is ignored.
#[derive(Deserialize)]
pub struct MailBatch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: Option<String>,
}

/// What Lambda is to answer: the messages that stay in the queue. It takes effect only if the function's
/// event source mapping lists `ReportBatchItemFailures`; without that every answer acknowledges them all.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MailBatchAnswer {
    batch_item_failures: Vec<ItemFailure>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

/// Jobs done at once: most of a job is waiting for SES, whose default is 14 mails a second.
const JOBS_AT_ONCE: usize = 4;

/// What Lambda lets a function run for at most.
const LONGEST_RUN: Duration = Duration::from_mins(15);

impl MailBatch {
    /// Does the jobs, a few at once, and says which messages SQS is to keep.
    ///
    /// Acknowledged is what is done, and what is [undeliverable](DeliveryError::Undeliverable) whoever tries
    /// (the domain has recorded the [event](auth_domain::EventKind::MailFailed)). Kept is what failed, for now
    /// or because the set-up is wrong, what panicked, what `time_left` did not suffice for, and what is no
    /// mail job: SQS gives it again, and after as many times as the
    /// redrive policy says it goes to the dead-letter queue.
    ///
    /// No job is begun after `time_left`, and one that runs at that moment is dropped, which is harmless: the
    /// next run sends the same link. Nothing runs on after this returns. `time_left` must leave room for the
    /// answer.
    pub async fn deliver(self, auth: &Auth, time_left: Duration) -> MailBatchAnswer {
        let end = Instant::now() + time_left.min(LONGEST_RUN);
        let mut kept: Vec<_> = self.records.iter().map(|r| Some(r.message_id.clone())).collect();
        let mut waiting = self.records.into_iter().enumerate();
        let mut running = JoinSet::new();
        loop {
            while running.len() < JOBS_AT_ONCE && Instant::now() < end {
                let Some((index, record)) = waiting.next() else { break };
                let auth = auth.clone();
                let deliver = async move { record.deliver(&auth).await.then_some(index) };
                running.spawn(deliver.in_current_span());
            }
            match timeout_at(end, running.join_next()).await {
                Ok(Some(Ok(Some(done)))) => kept[done] = None,
                Ok(Some(Ok(None))) => {}
                // Its words may quote the mail.
                Ok(Some(Err(_))) => tracing::error!(target: "auth", "a mail job panicked"),
                Ok(None) | Err(_) => break,
            }
        }
        running.shutdown().await;
        MailBatchAnswer::keeping(kept.into_iter().flatten())
    }
}

impl Record {
    /// Whether SQS may forget the message.
    async fn deliver(&self, auth: &Auth) -> bool {
        match MailJob::from_json(self.body.as_deref().unwrap_or_default()) {
            Ok(job) => {
                matches!(auth.deliver(&job).await, Ok(_) | Err(DeliveryError::Undeliverable(_)))
            }
            Err(error) => {
                let message_id = &self.message_id;
                tracing::error!(target: "auth", message_id, "a message is put aside: {error}");
                false
            }
        }
    }
}

impl MailBatchAnswer {
    fn keeping(ids: impl Iterator<Item = String>) -> Self {
        let failure = |item_identifier| ItemFailure { item_identifier };
        Self { batch_item_failures: ids.map(failure).collect() }
    }
}

impl fmt::Debug for MailBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailBatch").field("records", &self.records.len()).finish()
    }
}
