use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use argon2::Block;
use sha2::{Digest, Sha256};

/// How many whole verifications are remembered. Enough that their spread is that of all, few enough that
/// they are as old as the state of the machine.
const REMEMBERED: usize = 64;

/// No verification is made to take longer: a machine that slept through one would have others work through
/// the night.
const LONGEST: Duration = Duration::from_secs(1);

/// Makes a cheaper verification take as long as one of today's hashes, to the microsecond.
///
/// It remembers how long the last whole verifications took, of all threads, and lets a cheaper one go on
/// working until it has taken as long as one of those. So the times of both are spread alike, and follow
/// the machine: its neighbours, its clock rate, its memory.
///
/// The time is that which the thread itself has worked ([`WorkClock`]). By the time on the wall, what a
/// busy machine takes away from a thread would count as work done.
pub(super) struct Pace {
    clock: Box<dyn WorkClock>,
    recent: Mutex<Recent>,
}

/// Where a verification began, by the clock of the thread that it runs in.
#[derive(Clone, Copy)]
pub(super) struct Start(Duration);

/// How long the calling thread has worked, from any moment on. Never goes back.
pub(super) trait WorkClock: Send + Sync {
    fn worked(&self) -> Duration;
}

impl Pace {
    /// Remembers nothing yet.
    pub(super) fn new(clock: impl WorkClock + 'static) -> Self {
        Self { clock: Box::new(clock), recent: Mutex::default() }
    }

    pub(super) fn start(&self) -> Start {
        Start(self.clock.worked())
    }

    /// Remembers a verification that cost what today's hash costs, and nothing besides.
    pub(super) fn remember(&self, Start(start): Start) {
        let took = self.clock.worked().saturating_sub(start);
        self.recent(|recent| recent.push(took));
    }

    /// Works in `blocks` until as much time has gone by since `start` as one of those that are remembered
    /// took, each of which has its turn. Whether there is one; if not, it did nothing.
    #[must_use]
    pub(super) fn keep_up(&self, Start(start): Start, blocks: &mut [Block]) -> bool {
        let Some(enough) = self.recent(Recent::next) else {
            return false;
        };
        let mut treadmill = Treadmill { blocks, step: 0 };
        while self.clock.worked() < start + enough {
            treadmill.step();
        }
        true
    }

    /// Nothing under this lock can leave it half changed, so a poisoned one is whole.
    fn recent<T>(&self, look: impl FnOnce(&mut Recent) -> T) -> T {
        look(&mut self.recent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Work that only has to cost: nobody's hash. It goes through memory as Argon2 does, writing one block after another and
/// reading others from all over, and computes in between. So what comes after it finds the caches as it
/// does after a whole hash: the wiping of the memory would show it.
struct Treadmill<'arena> {
    blocks: &'arena mut [Block],
    step: u64,
}

impl Treadmill<'_> {
    /// Some two microseconds. One block moved for each half KiB that is hashed comes closest to Argon2.
    fn step(&mut self) {
        for _ in 0..4 {
            self.mix();
        }
        for _ in 0..2 {
            black_box(Sha256::digest(black_box([0; 1024])));
        }
    }

    fn mix(&mut self) {
        self.step += 1;
        // Multiplied by 2^64 over the golden ratio, numbers that ascend are scattered.
        let scattered = self.step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let within =
            |number: u64| number.checked_rem(self.blocks.len() as u64).unwrap_or(0) as usize;
        let (to, from) = (within(self.step), within(scattered));
        if let Ok([to, from]) = self.blocks.get_disjoint_mut([to, from]) {
            *to ^= from;
        }
    }
}

/// The last so many times, each in its turn.
#[derive(Default)]
struct Recent {
    took: Vec<Duration>,
    oldest: usize,
    turn: usize,
}

impl Recent {
    fn push(&mut self, took: Duration) {
        let took = took.min(LONGEST);
        if self.took.len() < REMEMBERED {
            self.took.push(took);
        } else {
            self.took[self.oldest] = took;
            self.oldest = (self.oldest + 1) % REMEMBERED;
        }
    }

    fn next(&mut self) -> Option<Duration> {
        self.turn = (self.turn + 1).checked_rem(self.took.len())?;
        self.took.get(self.turn).copied()
    }
}

/// The processor time that the system has given to the calling thread.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(super) struct ThreadClock;

#[cfg(any(target_os = "linux", target_os = "macos"))]
impl ThreadClock {
    pub(super) const fn new() -> Self {
        Self
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
impl WorkClock for ThreadClock {
    fn worked(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(now).unwrap_or_default()
    }
}

/// Where the processor time is not to be had: the time on the wall.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(super) struct ThreadClock(std::time::Instant);

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
impl ThreadClock {
    pub(super) fn new() -> Self {
        Self(std::time::Instant::now())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
impl WorkClock for ThreadClock {
    fn worked(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A clock that goes by what is done instead of by time, so that a test may ask for exact amounts.
#[cfg(test)]
pub(super) mod counted {
    use std::cell::Cell;
    use std::time::Duration;

    use super::WorkClock;

    thread_local! {
        static SPENT: Cell<u64> = const { Cell::new(0) };
    }

    /// To be called by whatever does work that a test counts.
    pub(in crate::hashing) fn spend(work: u64) {
        SPENT.set(SPENT.get() + work);
    }

    /// All that the calling thread has spent.
    pub(in crate::hashing) fn spent() -> u64 {
        SPENT.get()
    }

    /// A microsecond for each unit of work. Each look at it counts as one, and so does what is done
    /// between two looks.
    pub(in crate::hashing) struct CountedClock;

    impl WorkClock for CountedClock {
        fn worked(&self) -> Duration {
            spend(1);
            Duration::from_micros(spent())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::counted::{CountedClock, spend, spent};
    use super::*;

    fn pace() -> Pace {
        Pace::new(CountedClock)
    }

    /// Remembers one that took `work`.
    fn remember(pace: &Pace, work: u64) {
        let start = pace.start();
        spend(work - 1);
        pace.remember(start);
    }

    #[test]
    fn a_verification_that_the_machine_slept_through_is_not_slept_through_again() {
        let mut recent = Recent::default();
        recent.push(Duration::from_hours(8));
        assert_eq!(recent.next(), Some(LONGEST));
    }

    /// How long one takes that does `work` and then keeps up.
    fn kept_up(pace: &Pace, work: u64) -> u64 {
        let start = pace.start();
        let before = spent();
        spend(work);
        assert!(pace.keep_up(start, &mut [Block::new(); 2]));
        spent() - before
    }

    #[test]
    fn what_is_cheaper_takes_as_long_as_the_last_one_did() {
        let pace = pace();
        remember(&pace, 1000);
        for work in [0, 1, 500, 998, 999] {
            assert_eq!(kept_up(&pace, work), 1000, "{work}");
        }
    }

    #[test]
    fn what_is_dearer_is_not_made_dearer() {
        let pace = pace();
        remember(&pace, 1000);
        // One look at the clock tells that it is.
        assert_eq!(kept_up(&pace, 1000), 1001);
        assert_eq!(kept_up(&pace, 5000), 5001);
    }

    #[test]
    fn without_a_memory_nothing_is_done() {
        let pace = pace();
        let start = pace.start();
        let before = spent();
        let mut blocks = [Block::new(); 2];
        blocks[0].as_mut().fill(1);
        assert!(!pace.keep_up(start, &mut blocks));
        assert_eq!(spent(), before);
        assert!(blocks[1].as_ref().iter().all(|word| *word == 0));
    }

    /// And needs none.
    #[test]
    fn work_spreads_over_the_memory() {
        let mut blocks = vec![Block::new(); 64];
        blocks[9].as_mut().fill(1);
        let mut treadmill = Treadmill { blocks: &mut blocks, step: 0 };
        for _ in 0..200 {
            treadmill.step();
        }
        let reached = |block: &Block| block.as_ref().iter().any(|word| *word != 0);
        assert!(blocks.iter().filter(|block| reached(block)).count() > 16);
        Treadmill { blocks: &mut [], step: 0 }.step();
    }

    #[test]
    fn times_are_spread_as_those_that_are_remembered() {
        let pace = pace();
        for work in [1000, 1010, 1030] {
            remember(&pace, work);
        }
        let mut took: Vec<_> = (0..6).map(|_| kept_up(&pace, 7)).collect();
        took.sort_unstable();
        assert_eq!(took, [1000, 1000, 1010, 1010, 1030, 1030]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let pace = pace();
        remember(&pace, 9000);
        for _ in 0..REMEMBERED {
            remember(&pace, 1000);
        }
        for _ in 0..REMEMBERED {
            assert_eq!(kept_up(&pace, 7), 1000);
        }
        remember(&pace, 2000);
        let longer = (0..REMEMBERED).filter(|_| kept_up(&pace, 7) == 2000).count();
        assert_eq!(longer, 1);
    }

    #[test]
    fn the_clock_of_a_thread_goes_on_while_it_works() {
        let clock = ThreadClock::new();
        let before = clock.worked();
        assert!((0..1_000_000).any(|_| {
            black_box(Sha256::digest(b"work"));
            clock.worked() > before
        }));
    }
}
