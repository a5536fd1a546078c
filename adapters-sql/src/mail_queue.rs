use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::{Clock, MailQueue};
use auth_domain::{Auth, DeliveryError, MailJob, PortError, Timestamp};
use futures_util::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::statement::{Row, RowFault, Statement, Value, id, int, operation_id, text, time};
use crate::store::{Database, SqlStore};

/// Mail jobs as rows of the database: what is queued outlives this process.
///
/// Survives: whatever happens to this process, to workers and to the mail service, for four days; and of
/// the database what its other rows survive. A job is queued by a write of its own, beside the one that it
/// is about: a crash between the two loses a mail that can be asked for again, or queues a notice of a
/// change that never came, which is then not sent.
///
/// The clocks of instances that share the table may be some seconds apart: one that is ahead by more than
/// [the deadline](crate::SqlSettings::deadline) sends again what another is sending. A clock set back delays
/// what waits by two hours at most.
///
/// Each job is one row of the same shape, whatever it is about; it holds an address, and of a private sign-up
/// the hash of its password. It is removed once it is done.
#[derive(Clone)]
pub struct SqlMailQueue {
    store: SqlStore,
    clock: Arc<dyn Clock>,
}

/// Does the jobs of a [`SqlMailQueue`], whichever process queued them. Any number of workers may run.
pub struct SqlMailWorker {
    queue: SqlMailQueue,
}

const ENQUEUE: &str = "mail_queue.enqueue";
const CLAIM: &str = "mail_worker.claim";
const NOTE: &str = "mail_worker.note";

/// Jobs that are being sent at once; more would only make a struggling mail service struggle more.
const SENDERS: usize = 4;
/// How often an idle worker looks for jobs. Nobody wakes it: what it does for a known address, and not for
/// an unknown one, then falls into no moment that a request chose, and no next request is slower for it.
const POLL: Duration = Duration::from_millis(500);
const LONGEST_DELIVERY: Duration = Duration::from_secs(45);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// No job is due later than this, unless the clock was set back since.
const LONGEST_WAIT: Duration = Duration::from_hours(2);
/// Then a job is given up: long after any link in it has died.
pub(crate) const KEPT: Duration = Duration::from_hours(4 * 24);

const ADD: &str = "\
    INSERT INTO @mail_jobs (job_id, job, queued_at, due_at, tries) VALUES ($1, $2, $3, $3, 0) \
    ON CONFLICT (job_id) DO NOTHING RETURNING job_id";
const DONE: &str = "DELETE FROM @mail_jobs WHERE job_id = $1 AND lease = $2 RETURNING job_id";
const GO_ON: &str = "\
    UPDATE @mail_jobs SET due_at = $3 WHERE job_id = $1 AND lease = $2 RETURNING job_id";
const LATER: &str = "\
    UPDATE @mail_jobs SET due_at = $3, lease = NULL WHERE job_id = $1 AND lease = $2 \
    RETURNING job_id";

macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT job_id FROM @mail_jobs \
                WHERE due_at <= $3 OR due_at > $5 ORDER BY due_at LIMIT $4",
            $lock,
            ") UPDATE @mail_jobs SET lease = $1, due_at = $2, tries = tries + 1 \
             WHERE job_id IN (SELECT job_id FROM due) RETURNING job_id, job, queued_at, tries"
        )
    };
}

#[cfg(feature = "postgres")]
const TAKE_FROM_POSTGRES: &str = claim!(" FOR UPDATE SKIP LOCKED");
#[cfg(feature = "sqlite")]
const TAKE_FROM_SQLITE: &str = claim!("");

impl SqlMailQueue {
    /// A queue in the tables of `store`. The clock says when a job is due.
    pub fn new(store: SqlStore, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// A worker that looks twice a second for what was queued here or anywhere else: woken by a request, it
    /// would show by its work whether that had a mail to send. It is to be [run](SqlMailWorker::run).
    pub fn worker(&self) -> SqlMailWorker {
        SqlMailWorker { queue: self.clone() }
    }
}

#[async_trait]
impl MailQueue for SqlMailQueue {
    async fn enqueue(&self, job: MailJob) -> Result<(), PortError> {
        let statement = Statement::write(ADD)
            .bind(operation_id())
            .bind(text(&job.to_json()))
            .bind(time(self.clock.now()));
        self.store.run(ENQUEUE, statement).await.map(drop)
    }
}

/// A job that a worker holds.
struct Claimed {
    job_id: [u8; 16],
    lease: Uuid,
    job: String,
    queued_at: Timestamp,
    tries: u64,
}

impl Claimed {
    fn of(row: &Row, lease: Uuid) -> Result<Self, RowFault> {
        Ok(Self {
            job_id: row.id("job_id")?,
            lease,
            job: row.text("job")?,
            queued_at: row.time("queued_at")?,
            tries: row.int("tries")?,
        })
    }

    fn pause(&self) -> Duration {
        let doublings = u32::try_from(self.tries.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
    }
}

impl SqlMailWorker {
    /// Does jobs until `stop` is ready, then takes no more and goes on for at most `grace` with what it has
    /// begun. What is not done then stays in the table, for whoever runs next: of what is being sent at that
    /// moment a mail may go out twice.
    ///
    /// A job that fails is tried again after 1 s, 2 s and so on up to every 5 minutes, for four days. One
    /// that is [undeliverable](DeliveryError::Undeliverable) whoever tries is dropped. One that cannot be
    /// read, as of a later version of this library, waits for who can.
    pub async fn run(self, auth: Auth, stop: impl Future<Output = ()> + Send, grace: Duration) {
        let mut running = JoinSet::new();
        tokio::pin!(stop);
        loop {
            // To its end although the stop may come meanwhile: what it takes is leased to nobody else.
            let claimed = self.claim(SENDERS - running.len()).await;
            let pause = if claimed.is_empty() { POLL } else { Duration::ZERO };
            for claimed in claimed {
                running.spawn(self.queue.clone().deliver(claimed, auth.clone()));
            }
            let has_room = running.len() < SENDERS;
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = running.join_next() => {}
                () = sleep(pause), if has_room => {}
            }
        }
        let _ = timeout(grace, async { while running.join_next().await.is_some() {} }).await;
    }

    /// Jobs that are due, for this worker alone while its lease lasts.
    async fn claim(&self, most: usize) -> Vec<Claimed> {
        if most == 0 {
            return Vec::new();
        }
        let (lease, now) = (Uuid::new_v4(), self.queue.clock.now());
        let sql = match self.queue.store.database() {
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => TAKE_FROM_POSTGRES,
            #[cfg(feature = "sqlite")]
            Database::Sqlite(_) => TAKE_FROM_SQLITE,
        };
        let statement = Statement::write(sql)
            .bind(Value::Id(Some(lease)))
            .bind(time(now + self.queue.lease()))
            .bind(time(now))
            .bind(int(most as u64))
            .bind(time(now + LONGEST_WAIT));
        match self.queue.store.run(CLAIM, statement).await {
            Ok(rows) => rows.iter().filter_map(|row| readable(Claimed::of(row, lease))).collect(),
            Err(error) => {
                tracing::error!(target: "auth", "no mail job was taken: {}", error.with_causes());
                Vec::new()
            }
        }
    }
}

/// Its lease keeps an unreadable one out of the way for a while.
fn readable(claimed: Result<Claimed, RowFault>) -> Option<Claimed> {
    claimed
        .inspect_err(|fault| tracing::error!(target: "auth", "a mail job is put aside: {fault}"))
        .ok()
}

impl SqlMailQueue {
    /// A worker that says nothing for so long is taken for dead, and its jobs are done by another. It says that
    /// it goes on after a third of it, which may take as long again.
    fn lease(&self) -> Duration {
        3 * self.store.deadline()
    }

    async fn deliver(self, claimed: Claimed, auth: Auth) {
        let done = {
            let done = self.is_done(&claimed, &auth);
            tokio::pin!(done);
            loop {
                tokio::select! {
                    done = &mut done => break done,
                    () = sleep(self.lease() / 3) => self.note(&claimed, GO_ON, Some(self.lease())).await,
                }
            }
        };
        if done {
            self.note(&claimed, DONE, None).await;
        } else {
            self.note(&claimed, LATER, Some(claimed.pause())).await;
        }
    }

    /// Writes what becomes of a job, if it still is this worker's: that it is done, or due that much later.
    async fn note(&self, claimed: &Claimed, sql: &'static str, due_in: Option<Duration>) {
        let statement =
            Statement::write(sql).bind(id(&claimed.job_id)).bind(Value::Id(Some(claimed.lease)));
        let due_at = due_in.map(|due_in| time(self.clock.now() + due_in));
        let statement = due_at.into_iter().fold(statement, Statement::bind);
        if let Err(error) = self.store.run(NOTE, statement).await {
            let causes = error.with_causes();
            tracing::error!(target: "auth", "a mail may be sent twice: {causes}");
        }
    }

    /// Whether nobody needs the job any more.
    async fn is_done(&self, claimed: &Claimed, auth: &Auth) -> bool {
        let done = match MailJob::from_json(&claimed.job) {
            Ok(job) => was_delivered(auth, &job).await,
            Err(error) => {
                tracing::error!(target: "auth", "a mail job is put aside: {error}");
                false
            }
        };
        let is_old = self.clock.now().since(claimed.queued_at) >= KEPT;
        if is_old && !done {
            tracing::error!(target: "auth", "a mail job was tried for four days and is given up");
        }
        done || is_old
    }
}

/// Or cannot be, whoever tries.
async fn was_delivered(auth: &Auth, job: &MailJob) -> bool {
    let delivery = AssertUnwindSafe(auth.deliver(job)).catch_unwind();
    match timeout(LONGEST_DELIVERY, delivery).await {
        Ok(Ok(outcome)) => matches!(outcome, Ok(_) | Err(DeliveryError::Undeliverable(_))),
        Ok(Err(_)) => {
            // Its words may quote the mail.
            tracing::error!(target: "auth", "a mail job panicked");
            false
        }
        Err(_) => {
            tracing::error!(target: "auth", "a mail job took too long");
            false
        }
    }
}

impl fmt::Debug for SqlMailQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlMailQueue").field("store", &self.store).finish_non_exhaustive()
    }
}

impl fmt::Debug for SqlMailWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlMailWorker").field("queue", &self.queue).finish()
    }
}
