//! What a process has computed so far, by Linux' own account.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The nanoseconds that the threads of a process have been on a processor: the sum of the first figures of
/// `/proc/PID/task/*/schedstat` (`Documentation/scheduler/sched-stats.rst`).
///
/// That of a thread which runs at the moment is some milliseconds old; of one that waits it is exact. Reading all of
/// them takes about 0.1 ms, in which a thread that has just answered comes to rest.
pub(crate) struct Cpu {
    tasks: PathBuf,
}

impl Cpu {
    pub(crate) fn of(process: u32) -> Self {
        Self { tasks: format!("/proc/{process}/task").into() }
    }

    pub(crate) fn nanoseconds(&self) -> Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(&self.tasks).context("CPU is read on Linux only")? {
            match fs::read_to_string(task?.path().join("schedstat")) {
                Ok(figures) => {
                    sum += figures.split(' ').next().context("no figure")?.parse::<u64>()?;
                }
                // A thread that ended meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(sum)
    }

    /// Once nothing was computed for as long as `quiet`.
    pub(crate) fn when_idle(&self, quiet: Duration) -> Result<u64> {
        let mut before = self.nanoseconds()?;
        loop {
            sleep(quiet);
            let now = self.nanoseconds()?;
            if now == before {
                return Ok(now);
            }
            before = now;
        }
    }
}
