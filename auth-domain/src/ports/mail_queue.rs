use async_trait::async_trait;

use crate::{MailJob, PortError};

/// Takes mail jobs off the request, to be given to [`Auth::deliver`](crate::Auth::deliver) by a worker.
///
/// Jobs are delivered at least once, in any order. Each implementation says what its jobs survive.
/// [`MailJob::to_json`] is a job's form wherever it outlives the process.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait MailQueue: Send + Sync {
    /// Takes one job. Does the same work for every job, so that it tells nobody which addresses have
    /// accounts. `Ok` means that the job survives what the implementation says it survives.
    ///
    /// # Errors
    /// The job was not taken, or that is not known.
    async fn enqueue(&self, job: MailJob) -> Result<(), PortError>;
}
