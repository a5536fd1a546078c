use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::sync::oneshot;

use crate::fault::SqlFault;
use crate::statement::{Row, Statement};

/// The one writer that SQLite has, shared by all calls of this process.
///
/// Statements that arrive while it works wait, and are then written together: each for itself, whole or
/// not at all, but with one flush to the disk for all of them. Nobody is answered before that. So callers
/// take turns without meeting the database's lock, and a slow disk bounds how long one waits, not how many
/// are served.
pub(crate) struct Writer {
    pub(crate) pool: SqlitePool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    working: bool,
}

struct Job {
    statement: Arc<Statement>,
    answer: oneshot::Sender<Answer>,
}

type Answer = Result<Vec<Row>, SqlFault>;

/// Statements of one commit at most: what bounds how long the first of them waits for the last.
const BATCH: usize = 128;

impl Writer {
    pub(crate) fn new(pool: SqlitePool) -> Self {
        Self { pool, queue: Mutex::default() }
    }

    pub(crate) async fn write(self: &Arc<Self>, statement: Arc<Statement>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let was_working = {
            let mut queue = self.queue();
            queue.waiting.push_back(Job { statement, answer });
            std::mem::replace(&mut queue.working, true)
        };
        if !was_working {
            // A task of its own, so that no caller who goes away takes the others' work along.
            tokio::spawn(Arc::clone(self).work());
        }
        let ended = SqlFault::NoConnection("the runtime has ended".to_owned());
        answered.await.unwrap_or(Err(ended))
    }

    async fn work(self: Arc<Self>) {
        let _reset = Reset(&self);
        while let Some(batch) = self.next_batch() {
            self.answer(batch).await;
        }
    }

    /// Whose caller has gone is left out: nobody was told that it was done.
    fn next_batch(&self) -> Option<Vec<Job>> {
        let mut queue = self.queue();
        queue.waiting.retain(|job| !job.answer.is_closed());
        let most = queue.waiting.len().min(BATCH);
        queue.working = most > 0;
        (most > 0).then(|| queue.waiting.drain(..most).collect())
    }

    async fn answer(&self, batch: Vec<Job>) {
        match self.commit(&batch).await {
            Ok(answers) => {
                for (job, answer) in batch.into_iter().zip(answers) {
                    let _ = job.answer.send(answer);
                }
            }
            Err(fault) => {
                for job in batch {
                    let _ = job.answer.send(Err(fault.clone()));
                }
            }
        }
    }

    async fn commit(&self, batch: &[Job]) -> Result<Vec<Answer>, SqlFault> {
        let mut connection = self.pool.acquire().await?;
        if let [job] = batch {
            return Ok(vec![run(&job.statement, &mut connection).await]);
        }
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut answers = Vec::with_capacity(batch.len());
        for job in batch {
            let answer = run(&job.statement, &mut transaction).await;
            match answer {
                Err(fault) if ends_the_transaction(&fault) => return Err(fault),
                answer => answers.push(answer),
            }
        }
        transaction.commit().await?;
        Ok(answers)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(statement: &Statement, connection: &mut SqliteConnection) -> Answer {
    let rows = statement.to_sqlite().fetch_all(connection).await?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

/// A statement that is refused undoes itself alone. After a fault of the machine SQLite may have undone
/// the whole transaction (<https://sqlite.org/lang_transaction.html>, section 3), so that what comes after
/// it would be written at once and on its own.
const fn ends_the_transaction(fault: &SqlFault) -> bool {
    !matches!(fault, SqlFault::Refused { .. } | SqlFault::Taken { .. } | SqlFault::Row(_))
}

/// Lets the next caller begin anew, however the work ended. Whoever waits is told by his channel.
struct Reset<'a>(&'a Writer);

impl Drop for Reset<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        if std::mem::take(&mut queue.working) {
            queue.waiting.clear();
        }
    }
}
