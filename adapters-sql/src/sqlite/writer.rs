use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

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
    /// For how long writers of other processes are waited for.
    patience: Duration,
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
    pub(crate) fn new(pool: SqlitePool, patience: Duration) -> Self {
        Self { pool, patience, queue: Mutex::default() }
    }

    pub(crate) async fn write(self: &Arc<Self>, statement: Arc<Statement>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let work = {
            let mut queue = self.queue();
            queue.waiting.push_back(Job { statement, answer });
            let is_idle = !std::mem::replace(&mut queue.working, true);
            is_idle.then(|| Work { writer: Arc::clone(self), is_over: false })
        };
        if let Some(work) = work {
            // A task of its own, so that no caller who goes away takes the others' work along.
            tokio::spawn(work.run());
        }
        let ended = SqlFault::NoConnection("the runtime has ended".to_owned());
        answered.await.unwrap_or(Err(ended))
    }

    async fn answer(&self, batch: Vec<Job>) {
        if let [_] = batch.as_slice() {
            return self.answer_each(batch).await;
        }
        match self.commit(&batch).await {
            Ok(answers) => {
                for (job, answer) in batch.into_iter().zip(answers) {
                    let _ = job.answer.send(answer);
                }
            }
            // By a constraint that is checked at the end: whose it is shows when each is alone.
            Err(fault) if !ends_the_transaction(&fault) => self.answer_each(batch).await,
            Err(fault) => {
                for job in batch {
                    let _ = job.answer.send(Err(fault.clone()));
                }
            }
        }
    }

    async fn answer_each(&self, batch: Vec<Job>) {
        for job in batch {
            let _ = job.answer.send(self.alone(&job.statement).await);
        }
    }

    async fn alone(&self, statement: &Statement) -> Answer {
        let mut connection = self.pool.acquire().await?;
        let mut turn = Turn::within(self.patience);
        loop {
            match run(statement, &mut connection).await {
                Err(SqlFault::Contended { .. }) if turn.may_come().await => {}
                answer => return answer,
            }
        }
    }

    async fn commit(&self, batch: &[Job]) -> Result<Vec<Answer>, SqlFault> {
        let mut connection = self.pool.acquire().await?;
        let answers = together(batch, &mut connection, Turn::within(self.patience)).await;
        if answers.is_err() {
            // SQLite may have rolled back by itself; what sqlx then thinks of the connection is wrong.
            connection.close_on_drop();
        }
        answers
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn together(
    batch: &[Job],
    connection: &mut SqliteConnection,
    mut turn: Turn,
) -> Result<Vec<Answer>, SqlFault> {
    let mut transaction = loop {
        match connection.begin_with("BEGIN IMMEDIATE").await.map_err(SqlFault::from) {
            Err(SqlFault::Contended { .. }) if turn.may_come().await => {}
            begun => break begun?,
        }
    };
    let mut answers = Vec::with_capacity(batch.len());
    for job in batch {
        // Its caller may have given up while others were writing.
        if job.answer.is_closed() {
            answers.push(Ok(Vec::new()));
            continue;
        }
        match run(&job.statement, &mut transaction).await {
            Err(fault) if ends_the_transaction(&fault) => return Err(fault),
            answer => answers.push(answer),
        }
    }
    transaction.commit().await?;
    Ok(answers)
}

/// Waits while another process writes. SQLite's own way of waiting looks less and less often, up to every
/// 100 ms: a busy process, which lets go for less than one between two batches, would keep it out.
struct Turn {
    end: Instant,
}

const INTERVAL: Duration = Duration::from_millis(1);

impl Turn {
    fn within(patience: Duration) -> Self {
        Self { end: Instant::now() + patience }
    }

    /// Whether to look again, after a moment.
    async fn may_come(&mut self) -> bool {
        let is_time_left = Instant::now() < self.end;
        if is_time_left {
            sleep(INTERVAL).await;
        }
        is_time_left
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

/// The one task that writes, for as long as somebody waits.
struct Work {
    writer: Arc<Writer>,
    /// Whether it has said that it works no longer.
    is_over: bool,
}

impl Work {
    async fn run(mut self) {
        while let Some(batch) = self.next_batch() {
            self.writer.answer(batch).await;
        }
    }

    /// Whose caller has gone is left out: nobody was told that it was done.
    fn next_batch(&mut self) -> Option<Vec<Job>> {
        let mut queue = self.writer.queue();
        queue.waiting.retain(|job| !job.answer.is_closed());
        let most = queue.waiting.len().min(BATCH);
        queue.working = most > 0;
        self.is_over = most == 0;
        (most > 0).then(|| queue.waiting.drain(..most).collect())
    }
}

/// Lets the next caller begin anew where the task did not come to its end, or never began. Whoever waits is
/// told by his channel.
impl Drop for Work {
    fn drop(&mut self) {
        if !self.is_over {
            let mut queue = self.writer.queue();
            queue.working = false;
            queue.waiting.clear();
        }
    }
}
