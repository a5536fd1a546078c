use std::fmt;
use std::future::{Future, poll_fn};
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// One racer, as it is handed to a [`Spawner`].
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts tasks beside each other: the runtime of whoever runs the laws.
///
/// Any function that takes a [`Task`] and returns a future is one, `tokio::spawn` for example. Nothing
/// but the end of that future is looked at: a racer that panicked is missed by the law itself. Sixteen
/// race with a function, another number with [`Racers`].
pub trait Spawner: Sync {
    /// Starts `task`, to run in parallel with its caller, and returns what waits for its end.
    fn spawn(&self, task: Task) -> Task;

    /// How many tasks race in each race: eight or more, or the law panics. Some limits let five in, and of
    /// fewer racers nobody would be turned away.
    fn racers(&self) -> usize;
}

impl<F, H> Spawner for F
where
    F: Fn(Task) -> H + Sync,
    H: Future + Send + 'static,
{
    fn spawn(&self, task: Task) -> Task {
        let handle = self(task);
        Box::pin(async move { drop(handle.await) })
    }

    fn racers(&self) -> usize {
        USUAL_RACERS
    }
}

/// A [`Spawner`] with a number of racers of its own. More than the usual sixteen suit a store over several
/// connections: racers then wait for one of them too, as callers do.
pub struct Racers<S> {
    number: usize,
    spawner: S,
}

impl<S: Spawner> Racers<S> {
    /// Races with `number` tasks, eight or more, each started by `spawner`.
    pub const fn new(number: usize, spawner: S) -> Self {
        Self { number, spawner }
    }
}

impl<S: Spawner> Spawner for Racers<S> {
    fn spawn(&self, task: Task) -> Task {
        self.spawner.spawn(task)
    }

    fn racers(&self) -> usize {
        self.number
    }
}

impl<S> fmt::Debug for Racers<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Racers").field("number", &self.number).finish_non_exhaustive()
    }
}

const USUAL_RACERS: usize = 16;
/// More than the five that the limits of laws let in.
const FEWEST_RACERS: usize = 8;

/// Racers of one race.
pub(super) fn racers_of(spawner: &dyn Spawner) -> usize {
    let racers = spawner.racers();
    assert!(racers >= FEWEST_RACERS, "{racers} racers are too few, {FEWEST_RACERS} would do");
    racers
}

/// Races of one law: a window that one race misses is met by another.
pub(super) const ROUNDS: usize = 20;
const SPINS: usize = 5_000;

/// Runs futures in parallel from one start, and returns what each came to, in their order.
pub(super) async fn race<F>(spawner: &dyn Spawner, racers: Vec<F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let gate = Arc::new(Gate::new(racers.len()));
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    outcomes_of(&outcomes).resize_with(racers.len(), || None);
    let mut tasks = Vec::new();
    for (lane, racer) in racers.into_iter().enumerate() {
        let (gate, outcomes) = (Arc::clone(&gate), Arc::clone(&outcomes));
        tasks.push(spawner.spawn(Box::pin(async move {
            gate.pass().await;
            let outcome = racer.await;
            if let Some(place) = outcomes_of(&outcomes).get_mut(lane) {
                *place = Some(outcome);
            }
        })));
    }
    all(tasks).await;
    let outcomes = std::mem::take(&mut *outcomes_of(&outcomes));
    outcomes
        .into_iter()
        .map(|outcome| outcome.expect("every racer comes to an end; one panicked or was dropped"))
        .collect()
}

fn outcomes_of<T>(outcomes: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    outcomes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for all at once, so that a spawner which starts nothing before it is awaited works too.
async fn all(mut tasks: Vec<Task>) {
    poll_fn(|context| {
        tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
        if tasks.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Opens when everybody has come, and lets them out two by two.
struct Gate {
    waiting: Mutex<Waiting>,
    gone: AtomicUsize,
}

struct Waiting {
    missing: usize,
    wakers: Vec<Waker>,
}

impl Gate {
    const fn new(racers: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting { missing: racers, wakers: Vec::new() }),
            gone: AtomicUsize::new(0),
        }
    }

    async fn pass(&self) {
        let mut arrived = false;
        poll_fn(|context| {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if !arrived {
                arrived = true;
                waiting.missing -= 1;
            }
            if waiting.missing > 0 {
                waiting.wakers.push(context.waker().clone());
                return Poll::Pending;
            }
            let wakers = std::mem::take(&mut waiting.wakers);
            drop(waiting);
            wakers.into_iter().for_each(Waker::wake);
            Poll::Ready(())
        })
        .await;
        self.leave_beside_another();
    }

    /// A runtime wakes tasks one after the other, with microseconds between them; a store in memory is
    /// done by then. So each second racer starts the one before it, which is spinning on another
    /// thread, or gives up after some microseconds where there is none.
    fn leave_beside_another(&self) {
        let mine = self.gone.fetch_add(1, Ordering::AcqRel) + 1;
        let pair = mine.next_multiple_of(2);
        for _ in 0..SPINS {
            if self.gone.load(Ordering::Acquire) >= pair {
                return;
            }
            spin_loop();
        }
    }
}

/// Lets other tasks run, on any executor.
pub(super) async fn step_aside() {
    let mut stepped = false;
    poll_fn(|context| {
        if std::mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn as_many_tasks_start_as_there_are_racers() {
        for number in [8, 9, 32] {
            let started = AtomicUsize::new(0);
            let spawner = Racers::new(number, |task: Task| {
                started.fetch_add(1, Ordering::Relaxed);
                task
            });
            let racers = (0..racers_of(&spawner)).map(|lane| async move { lane });
            let lanes = race(&spawner, racers.collect()).await;
            assert_eq!(lanes, (0..number).collect::<Vec<_>>());
            assert_eq!(started.into_inner(), number);
        }
    }

    #[test]
    fn a_function_races_with_sixteen() {
        assert_eq!(racers_of(&|task: Task| task), 16);
    }

    #[test]
    #[should_panic(expected = "7 racers are too few")]
    fn a_race_in_which_nobody_is_turned_away_is_refused() {
        racers_of(&Racers::new(7, |task: Task| task));
    }
}
