//! A Postgres of the test's own, to be killed.

use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../adapters-sql/postgres.sh");

pub(crate) struct Cluster {
    pub(crate) url: String,
    folder: TempDir,
}

impl Cluster {
    /// `None`, and said, where there are no programs for it.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let run = Command::new(SCRIPT).arg("start").arg(folder.path()).output().unwrap();
        if !run.status.success() {
            let why = String::from_utf8_lossy(&run.stderr).into_owned();
            let is_wanted = std::env::var("AUTH_TEST_POSTGRES").is_ok();
            assert!(!is_wanted, "there is a Postgres, and another does not start: {why}");
            println!("skipped: no Postgres to kill: {why}");
            return None;
        }
        let said = String::from_utf8(run.stdout).unwrap();
        let url = said.lines().find_map(|line| line.strip_prefix("export AUTH_TEST_POSTGRES="));
        Some(Self { url: url.unwrap().trim_matches('\'').to_owned(), folder })
    }

    fn run(&self, command: &str) {
        let run = Command::new(SCRIPT).arg(command).arg(self.folder.path()).output().unwrap();
        assert!(run.status.success(), "{command}: {}", String::from_utf8_lossy(&run.stderr));
    }

    /// Kills it, and has it recover after a time.
    pub(crate) fn fail_for(&self, outage: Duration) {
        self.run("crash");
        thread::sleep(outage);
        self.run("resume");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(SCRIPT).arg("stop").arg(self.folder.path()).status();
    }
}
