use std::collections::VecDeque;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::arena::Arena;

/// Threads that each keep an [`Arena`], and a bounded queue before them.
///
/// Threads of its own, since hashing on an async worker stalls every other request, and a runtime's
/// blocking threads are many and short of memory to keep. Needs no runtime: whoever polls, waits.
///
/// Fair: first come, first served. A job whose caller has gone before its turn is never begun.
///
/// Dropped, it stops: jobs under way end, jobs that wait are answered [`JobError::Stopped`], and
/// nobody waits for either. Whoever still uses it holds it, so a server that answers its last requests
/// before it ends loses none.
pub(super) struct ArenaPool(Arc<Shared>);

struct Shared {
    /// One permit for each job that may run or wait.
    places: Arc<Semaphore>,
    queue: Mutex<Queue>,
    /// Told of each new job, and of the end.
    news: Condvar,
    watch: OnceLock<Watch>,
}

type Watch = Arc<dyn Fn(HashTimes) + Send + Sync>;

/// What a hash took, for [`Argon2idHasher::watched_by`](super::Argon2idHasher::watched_by).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HashTimes {
    /// From being asked for to its beginning.
    pub waited: Duration,
    /// From its beginning to its end.
    pub worked: Duration,
}

#[derive(Default)]
struct Queue {
    /// First come, first served; tickets ascend.
    waiting: VecDeque<(Ticket, Job)>,
    last_ticket: Ticket,
    stopped: bool,
}

type Ticket = u64;
type Job = Box<dyn FnOnce(&mut Arena) + Send>;

/// Why a job has no result.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum JobError {
    #[error("the hash job panicked")]
    Panicked,
    #[error("the hash pool has stopped")]
    Stopped,
}

impl ArenaPool {
    /// Starts `threads` threads named `argon2-0` and up, each with an arena that keeps `kept` blocks;
    /// `queue` jobs may wait besides those that run.
    pub(super) fn start(threads: usize, queue: usize, kept: usize) -> io::Result<Self> {
        let pool = Self(Arc::new(Shared {
            places: Arc::new(Semaphore::new(threads + queue)),
            queue: Mutex::default(),
            news: Condvar::new(),
            watch: OnceLock::new(),
        }));
        for number in 0..threads {
            let shared = Arc::clone(&pool.0);
            thread::Builder::new()
                .name(format!("argon2-{number}"))
                .spawn(move || shared.work(Arena::new(kept)))?;
        }
        Ok(pool)
    }

    /// A place for one job, at once or not at all.
    pub(super) fn reserve(&self) -> Option<Place> {
        let permit = Arc::clone(&self.0.places).try_acquire_owned().ok()?;
        let shared = Arc::clone(&self.0);
        Some(Place { shared, permit })
    }

    /// Tells `watch` what each job takes that does not panic, before its result is there. The first one
    /// stays.
    pub(super) fn watch(&self, watch: impl Fn(HashTimes) + Send + Sync + 'static) {
        let _another = self.0.watch.set(Arc::new(watch));
    }

    /// The jobs that wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().waiting.len()
    }
}

impl Drop for ArenaPool {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.stopped = true;
        let abandoned = mem::take(&mut queue.waiting);
        drop(queue);
        self.0.news.notify_all();
        // Outside the lock: a job takes what it captured down with it.
        drop(abandoned);
    }
}

/// A place in the pool, good for one job and free again when dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    permit: OwnedSemaphorePermit,
}

impl Place {
    /// Runs `work` when its turn comes.
    ///
    /// Dropped before that, the future takes the job out of the queue and frees the place at once;
    /// dropped later, the job ends unheard and frees the place then. The place is free before the
    /// result is there. A panic of `work` ends neither the thread nor the place.
    pub(super) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Arena) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let Self { shared, permit } = self;
        let (reply, result) = oneshot::channel();
        let watch = shared.watch.get().map(|watch| (Arc::clone(watch), Instant::now()));
        let work = move |arena: &mut Arena| match watch {
            None => work(arena),
            Some((watch, queued)) => timed(&watch, queued, || work(arena)),
        };
        let job = move |arena: &mut Arena| {
            let outcome = catch_unwind(AssertUnwindSafe(|| work(arena)));
            drop(permit);
            // Whoever asked may be gone.
            let _unheard = reply.send(outcome.map_err(|_| JobError::Panicked));
        };
        let ticket = shared.push(Box::new(job))?;
        let _withdraw_if_dropped = Withdrawal { shared, ticket };
        result.await.unwrap_or(Err(JobError::Stopped))
    }
}

fn timed<T>(watch: &Watch, queued: Instant, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    watch(HashTimes { waited: began - queued, worked: began.elapsed() });
    done
}

/// Takes a job out of the queue, if it is still there, when dropped.
struct Withdrawal {
    shared: Arc<Shared>,
    ticket: Ticket,
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        let withdrawn = self.shared.withdraw(self.ticket);
        // Outside the lock, as above.
        drop(withdrawn);
    }
}

impl Shared {
    fn push(&self, job: Job) -> Result<Ticket, JobError> {
        let mut queue = self.lock();
        if queue.stopped {
            return Err(JobError::Stopped);
        }
        queue.last_ticket += 1;
        let ticket = queue.last_ticket;
        queue.waiting.push_back((ticket, job));
        drop(queue);
        self.news.notify_one();
        Ok(ticket)
    }

    fn withdraw(&self, ticket: Ticket) -> Option<(Ticket, Job)> {
        let mut queue = self.lock();
        let position = queue.waiting.binary_search_by_key(&ticket, |job| job.0);
        queue.waiting.remove(position.ok()?)
    }

    /// A thread's life.
    fn work(&self, mut arena: Arena) {
        while let Some(job) = self.next(&mut arena) {
            job(&mut arena);
            arena.end_job();
        }
    }

    /// The next job, waited for with a wiped arena; `None` when there will be no more.
    fn next(&self, arena: &mut Arena) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.stopped {
                return None;
            }
            if let Some((_, job)) = queue.waiting.pop_front() {
                return Some(job);
            }
            if arena.is_wiped() {
                queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
            } else {
                drop(queue);
                arena.wipe();
                queue = self.lock();
            }
        }
    }

    /// Nothing under this lock can leave the queue half changed, so a poisoned one is whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::task::{Context, Poll, Waker};

    use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};

    use super::*;

    const KEPT: usize = 32;

    /// Polls once, as a caller does that is about to go away.
    fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Keeps the only thread of a pool busy until it is told to go on.
    struct Gate {
        go_on: mpsc::Sender<()>,
        done: Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>,
    }

    impl Gate {
        fn shut(pool: &ArenaPool) -> Self {
            let (go_on, until) = mpsc::channel();
            let (tell_running, running) = mpsc::channel();
            let place = pool.reserve().unwrap();
            let mut done = Box::pin(place.run(move |_| {
                tell_running.send(()).unwrap();
                until.recv().unwrap();
            }));
            assert!(poll_once(done.as_mut()).is_pending());
            running.recv().unwrap();
            Self { go_on, done }
        }

        async fn open(self) {
            self.go_on.send(()).unwrap();
            self.done.await.unwrap();
        }
    }

    fn free_places(pool: &ArenaPool) -> usize {
        pool.0.places.available_permits()
    }

    #[tokio::test]
    async fn vectors_of_rfc_9106_come_out_of_the_pool() {
        // RFC 9106 section 5: m = 32, t = 3, p = 4, with a secret and associated data.
        let vectors = [
            (
                Algorithm::Argon2d,
                "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb",
            ),
            (
                Algorithm::Argon2i,
                "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8",
            ),
            (
                Algorithm::Argon2id,
                "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659",
            ),
        ];
        let pool = ArenaPool::start(1, 0, KEPT).unwrap();
        for (algorithm, expected) in vectors {
            let params = ParamsBuilder::new()
                .m_cost(32)
                .t_cost(3)
                .p_cost(4)
                .output_len(32)
                .data(AssociatedData::new(&[4; 12]).unwrap())
                .build()
                .unwrap();
            let hash = move |arena: &mut Arena| {
                let argon2 =
                    Argon2::new_with_secret(&[3; 8], algorithm, Version::V0x13, params).unwrap();
                let blocks = arena.blocks(argon2.params().block_count()).unwrap();
                let mut tag = [0; 32];
                argon2
                    .hash_password_into_with_memory(&[1; 32], &[2; 16], &mut tag, blocks)
                    .unwrap();
                tag
            };
            let tag = pool.reserve().unwrap().run(hash).await.unwrap();
            let digits: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digits, expected, "{algorithm}");
        }
    }

    #[test]
    fn places_are_threads_plus_queue() {
        let pool = ArenaPool::start(2, 3, KEPT).unwrap();
        let places: Vec<Place> = (0..5).map(|_| pool.reserve().unwrap()).collect();
        assert!(pool.reserve().is_none());
        drop(places);
        assert!(pool.reserve().is_some());
    }

    #[test]
    fn a_thousand_places_given_back_unused_are_all_there() {
        let pool = ArenaPool::start(2, 3, KEPT).unwrap();
        for _ in 0..1000 {
            drop(pool.reserve().unwrap());
        }
        assert_eq!(free_places(&pool), 5);
    }

    #[tokio::test]
    async fn jobs_run_first_come_first_served() {
        let pool = ArenaPool::start(1, 8, KEPT).unwrap();
        let gate = Gate::shut(&pool);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut jobs: Vec<_> = (0..8)
            .map(|number| {
                let order = Arc::clone(&order);
                let place = pool.reserve().unwrap();
                Box::pin(place.run(move |_| order.lock().unwrap().push(number)))
            })
            .collect();
        for job in &mut jobs {
            assert!(poll_once(job.as_mut()).is_pending());
        }
        gate.open().await;
        for job in jobs.into_iter().rev() {
            job.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_while_it_waits_frees_its_place_and_costs_nothing() {
        let pool = ArenaPool::start(1, 8, KEPT).unwrap();
        let gate = Gate::shut(&pool);
        let runs = Arc::new(AtomicUsize::new(0));
        let submit = || {
            let runs = Arc::clone(&runs);
            let place = pool.reserve().unwrap();
            Box::pin(place.run(move |_| runs.fetch_add(1, Ordering::Relaxed)))
        };
        let mut waiting: Vec<_> = (0..8).map(|_| submit()).collect();
        for job in &mut waiting {
            assert!(poll_once(job.as_mut()).is_pending());
        }
        assert!(pool.reserve().is_none());
        // From the front, the middle and the back.
        for gone in [0, 3, 5] {
            drop(waiting.remove(gone));
        }
        assert_eq!(free_places(&pool), 3);
        gate.open().await;
        for job in waiting {
            job.await.unwrap();
        }
        assert_eq!(runs.load(Ordering::Relaxed), 5);
        assert_eq!(free_places(&pool), 9);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_while_its_job_runs_frees_its_place_when_that_ends() {
        let pool = ArenaPool::start(1, 1, KEPT).unwrap();
        let Gate { go_on, done } = Gate::shut(&pool);
        drop(done);
        assert_eq!(free_places(&pool), 1);
        let mut behind = pin!(pool.reserve().unwrap().run(|_| ()));
        assert!(poll_once(behind.as_mut()).is_pending());
        assert!(pool.reserve().is_none());
        go_on.send(()).unwrap();
        behind.await.unwrap();
        assert_eq!(free_places(&pool), 2);
    }

    #[test]
    fn a_place_whose_future_is_never_polled_is_free_again() {
        let pool = ArenaPool::start(1, 0, KEPT).unwrap();
        drop(pool.reserve().unwrap().run(|_| ()));
        assert_eq!(free_places(&pool), 1);
    }

    #[tokio::test]
    async fn a_panic_ends_neither_the_thread_nor_its_place() {
        let pool = ArenaPool::start(1, 0, KEPT).unwrap();
        for _ in 0..3 {
            let place = pool.reserve().unwrap();
            let outcome = place.run(|_| -> () { panic!("injected by a test") }).await;
            assert_eq!(outcome, Err(JobError::Panicked));
            assert_eq!(free_places(&pool), 1);
        }
        let name = |_: &mut Arena| thread::current().name().map(str::to_owned);
        let name = pool.reserve().unwrap().run(name).await;
        assert_eq!(name, Ok(Some("argon2-0".to_owned())));
    }

    /// Whether the job after `work` finds the arena wiped. One that comes before the thread has found
    /// the queue empty need not: so it is tried again.
    async fn is_wiped_after(pool: &ArenaPool, work: fn(&mut Arena)) -> bool {
        for _ in 0..1000 {
            let _outcome = pool.reserve().unwrap().run(work).await;
            if pool.reserve().unwrap().run(|arena| arena.is_zero()).await.unwrap() {
                return true;
            }
        }
        false
    }

    #[tokio::test]
    async fn an_idle_arena_is_all_zero() {
        let pool = ArenaPool::start(1, 0, KEPT).unwrap();
        assert!(is_wiped_after(&pool, |arena| arena.scribble(KEPT)).await);
        assert!(is_wiped_after(&pool, |arena| arena.scribble(4)).await);
    }

    #[tokio::test]
    async fn what_a_panicking_job_wrote_is_wiped_too() {
        let pool = ArenaPool::start(1, 0, KEPT).unwrap();
        let work = |arena: &mut Arena| {
            arena.scribble(KEPT);
            panic!("injected by a test")
        };
        assert!(is_wiped_after(&pool, work).await);
    }

    #[tokio::test]
    async fn memory_beyond_what_is_kept_is_given_back_before_the_next_job() {
        let pool = ArenaPool::start(1, 0, KEPT).unwrap();
        let dear = |arena: &mut Arena| arena.scribble(KEPT + 8);
        pool.reserve().unwrap().run(dear).await.unwrap();
        let left = pool.reserve().unwrap().run(|arena| arena.allocated()).await;
        assert_eq!(left, Ok(0));
    }

    #[tokio::test]
    async fn a_pool_that_stops_ends_its_threads_and_answers_who_waits() {
        let pool = ArenaPool::start(1, 2, KEPT).unwrap();
        let shared = Arc::downgrade(&pool.0);
        let gate = Gate::shut(&pool);
        let late = pool.reserve().unwrap();
        let mut waiting = Box::pin(pool.reserve().unwrap().run(|_| ()));
        assert!(poll_once(waiting.as_mut()).is_pending());

        // Returns although the thread is still busy.
        drop(pool);
        assert_eq!(poll_once(waiting.as_mut()), Poll::Ready(Err(JobError::Stopped)));
        assert_eq!(late.run(|_| ()).await, Err(JobError::Stopped));
        gate.open().await;
        drop(waiting);
        let give_up = Instant::now() + Duration::from_secs(30);
        while shared.strong_count() > 0 {
            assert!(Instant::now() < give_up, "a thread is still there");
            thread::yield_now();
        }
    }
}
