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
/// but the end of that future is looked at: a racer that panicked is missed by the law itself.
pub trait Spawner: Sync {
    /// Starts `task`, to run in parallel with its caller, and returns what waits for its end.
    fn spawn(&self, task: Task) -> Task;
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
}

/// Racers of one race.
pub(super) const RACERS: usize = 16;
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
