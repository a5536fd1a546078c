use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::MailQueue;
use auth_domain::{Auth, MailJob, PortError, PortErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};

/// A bounded queue of mail jobs inside this process, and the worker that empties it.
///
/// Survives: a mail service that is down for a while (each job is tried for about an hour), an orderly
/// stop ([`MailWorker::run`] drains). Does not survive: a crash or a kill of the process, which loses
/// every job in it; whoever asked for a reset mail asks again, who signed up where that is private signs up
/// again, and a notice is not sent.
///
/// Each job holds one of `capacity` places from being queued until it is done, the time between its
/// tries included; beyond them a request is refused (`Throttled`). So memory is bounded.
#[derive(Clone)]
pub struct LocalMailQueue {
    places: Arc<Semaphore>,
    jobs: mpsc::UnboundedSender<QueuedJob>,
}

struct QueuedJob {
    job: MailJob,
    place: OwnedSemaphorePermit,
}

/// Empties a [`LocalMailQueue`].
pub struct MailWorker {
    jobs: mpsc::UnboundedReceiver<QueuedJob>,
    senders: Arc<Semaphore>,
}

/// A job is first tried at a moment of less than this, drawn by lot: what is done for a known address, and
/// not for an unknown one, then falls into no moment that its request chose, and no next request is slower
/// for it.
const LOT: Duration = Duration::from_millis(500);
/// Tries of a job: with the pauses between them about an hour, after which a reset
/// link is dead anyway.
const TRIES: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Jobs that are being sent at once; more would only make a struggling mail service struggle more.
const SENDERS: usize = 4;

/// What was left when a worker stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Jobs that were queued and are lost.
    pub lost: usize,
}

impl LocalMailQueue {
    /// Jobs held at once by default: about half a megabyte.
    pub const DEFAULT_CAPACITY: usize = 1024;

    /// A queue of `capacity` places, and its worker, which is to be [run](MailWorker::run).
    pub fn new(capacity: usize) -> (Self, MailWorker) {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let places = Arc::new(Semaphore::new(capacity.min(Semaphore::MAX_PERMITS)));
        let senders = Arc::new(Semaphore::new(SENDERS));
        (Self { places, jobs }, MailWorker { jobs: receiver, senders })
    }
}

#[async_trait]
impl MailQueue for LocalMailQueue {
    async fn enqueue(&self, job: MailJob) -> Result<(), PortError> {
        let refused = |kind| PortError::new(kind, "mail_queue.enqueue");
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|error| refused(PortErrorKind::Throttled).caused_by(error))?;
        self.jobs
            .send(QueuedJob { job, place })
            .map_err(|_| refused(PortErrorKind::Unavailable).caused_by("the worker has stopped"))
    }
}

impl MailWorker {
    /// Does jobs until `stop` is ready, then takes no more and does what is queued for at most `grace`.
    /// Jobs between two tries are then tried once more at once.
    ///
    /// Stop the server first, so that nothing is queued behind the worker's back; a request that still
    /// comes is refused (`Unavailable`), not swallowed.
    pub async fn run(
        mut self,
        auth: Auth,
        stop: impl Future<Output = ()> + Send,
        grace: Duration,
    ) -> Drained {
        let (stopping, _) = watch::channel(false);
        let (mut running, mut lost) = (JoinSet::new(), 0);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = running.join_next() => lost += usize::from(is_lost(&ended)),
                Some(queued) = self.jobs.recv() => self.start(queued, &auth, &stopping, &mut running),
            }
        }
        self.jobs.close();
        stopping.send_replace(true);
        while let Ok(queued) = self.jobs.try_recv() {
            self.start(queued, &auth, &stopping, &mut running);
        }
        lost += drain(running, grace).await;
        Drained { lost }
    }

    fn start(
        &self,
        queued: QueuedJob,
        auth: &Auth,
        stopping: &watch::Sender<bool>,
        running: &mut JoinSet<bool>,
    ) {
        let sending = Sending {
            auth: auth.clone(),
            senders: Arc::clone(&self.senders),
            stop: stopping.subscribe(),
        };
        running.spawn(sending.until_done(queued));
    }
}

/// How many jobs are lost.
async fn drain(mut running: JoinSet<bool>, grace: Duration) -> usize {
    let deadline = Instant::now() + grace;
    let mut lost = 0;
    while !running.is_empty() {
        match tokio::time::timeout_at(deadline, running.join_next()).await {
            Ok(None) => break,
            Ok(Some(ended)) => lost += usize::from(is_lost(&ended)),
            Err(_) => {
                lost += running.len();
                running.abort_all();
                break;
            }
        }
    }
    lost
}

/// Whether a job ended undone: stopped before it succeeded, or by a panic in a mailer or template.
fn is_lost(ended: &Result<bool, JoinError>) -> bool {
    // A panic's own words may quote the mail.
    if let Err(ended) = ended {
        let how = if ended.is_panic() { "panicked" } else { "was stopped" };
        tracing::error!(target: "auth", "a mail job is lost: it {how}");
    }
    !matches!(ended, Ok(true))
}

/// Without randomness at the end of the lot: late and alike is good enough for a mail.
fn drawn() -> Duration {
    LOT.mul_f64(f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX))
}

/// One job on its way.
struct Sending {
    auth: Auth,
    senders: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Sending {
    /// Whether the job needs nobody any more: it is done, refused for good, or was tried long enough.
    async fn until_done(mut self, queued: QueuedJob) -> bool {
        let QueuedJob { job, place: _place } = queued;
        let mut pause = FIRST_PAUSE;
        self.wait(drawn()).await;
        for _ in 0..TRIES {
            let last_chance = *self.stop.borrow();
            if self.try_once(&job).await {
                return true;
            }
            if last_chance {
                return false;
            }
            self.wait(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        tracing::warn!(target: "auth", "a mail job was tried {TRIES} times and is given up");
        true
    }

    /// Unless the worker is stopped.
    async fn wait(&mut self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            _ = self.stop.wait_for(|stopped| *stopped) => {}
        }
    }

    async fn try_once(&self, job: &MailJob) -> bool {
        let _sender = self.senders.acquire().await;
        match self.auth.deliver(job).await {
            Ok(_) => true,
            Err(error) => !error.is_transient(),
        }
    }
}

impl fmt::Debug for LocalMailQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.places.available_permits();
        f.debug_struct("LocalMailQueue").field("free_places", &free).finish_non_exhaustive()
    }
}

impl fmt::Debug for MailWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailWorker").finish_non_exhaustive()
    }
}
