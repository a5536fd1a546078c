use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// After it there is no further try: the SDK may spend seconds on a single one.
const PATIENCE: Duration = Duration::from_secs(4);

/// Counts the tries of what the SDK does not try again by itself, and pauses between them.
pub(super) struct Tries {
    left: u32,
    pause: Duration,
    end: Instant,
}

impl Tries {
    /// Before the first try.
    pub(super) fn new() -> Self {
        Self { left: TRIES - 1, pause: FIRST_PAUSE, end: Instant::now() + PATIENCE }
    }

    /// Whether to try again, after a pause.
    pub(super) async fn again(&mut self) -> bool {
        if self.left == 0 || Instant::now() >= self.end {
            return false;
        }
        self.left -= 1;
        tokio::time::sleep(part_of(self.pause)).await;
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
        true
    }
}

/// At random at least half, so that two callers that met do not meet again.
fn part_of(pause: Duration) -> Duration {
    let random = f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
    pause.mul_f64(0.5 + random / 2.0)
}
