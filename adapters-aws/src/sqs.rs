//! Mail jobs by way of SQS: the queue that requests write to, and what its worker is given.

mod mail_batch;

use std::fmt;

use async_trait::async_trait;
use auth_domain::ports::MailQueue;
use auth_domain::{MailJob, PortError};
use aws_sdk_sqs::Client;

use crate::fault::port_error;
pub use mail_batch::{MailBatch, MailBatchAnswer};

const ENQUEUE: &str = "mail_queue.enqueue";

/// A notice is queued before the change that it tells of; this long after it the change is written, or
/// never will be. So its worker finds it at the first look.
const NOTICE_DELAY_SECONDS: i32 = 5;

/// Queues mail jobs in SQS. [`MailBatch`] is the worker's half.
///
/// Survives: whatever happens to this process, to the worker and to the mail service, for as long as the
/// queue keeps its messages. A job that fails again and again, or cannot be read, ends in the dead-letter
/// queue, if the queue's redrive policy names one.
///
/// The queue is a standard one. A FIFO queue would put the order of jobs above their safety: one that
/// fails would hold up all behind it, and order is nothing that the jobs need.
///
/// Each job is one message of the same shape ([`MailJob::to_json`]), which holds the address; of
/// secrets a private sign-up's alone holds one, the hash of its password. Errors are those of the call: `Throttled`, `Unavailable` (also where it is not known whether SQS
/// took the message), `Rejected` (no such queue, access denied).
pub struct SqsMailQueue {
    client: Client,
    queue_url: String,
}

impl SqsMailQueue {
    /// Queues into the queue of that URL.
    pub fn new(client: Client, queue_url: impl Into<String>) -> Self {
        Self { client, queue_url: queue_url.into() }
    }
}

#[async_trait]
impl MailQueue for SqsMailQueue {
    async fn enqueue(&self, job: MailJob) -> Result<(), PortError> {
        let sent = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(job.to_json())
            .delay_seconds(delay_seconds(&job))
            .send()
            .await;
        sent.map(drop).map_err(|error| port_error(ENQUEUE, &error))
    }
}

const fn delay_seconds(job: &MailJob) -> i32 {
    match job {
        MailJob::PasswordChanged { .. }
        | MailJob::EmailChanged { .. }
        | MailJob::AccountDeleted { .. } => NOTICE_DELAY_SECONDS,
        _ => 0,
    }
}

impl fmt::Debug for SqsMailQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsMailQueue").field("queue_url", &self.queue_url).finish_non_exhaustive()
    }
}
