//! What a process and its children take of the machine, by Linux's `/proc`.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A process with all that it started.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    root: u32,
}

impl Tree {
    /// Of this process and its children.
    pub const fn of(root: u32) -> Self {
        Self { root }
    }

    /// Those that run now.
    pub fn processes(self) -> Vec<u32> {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (process, parent) in parents() {
            children.entry(parent).or_default().push(process);
        }
        let mut found = vec![self.root];
        let mut next = 0;
        while let Some(process) = found.get(next) {
            found.extend(children.remove(process).unwrap_or_default());
            next += 1;
        }
        found
    }

    /// User and system time so far, of threads that have ended too, in units of 10 ms (`proc_pid_stat(5)`).
    ///
    /// # Errors
    /// The process is gone.
    pub fn cpu(self) -> Result<Duration> {
        let of_root = cpu_of(self.root).context("the process is gone")?;
        let others = self.processes().into_iter().skip(1).filter_map(cpu_of);
        Ok(of_root + others.sum::<Duration>())
    }

    /// Bytes in memory: what each process has for itself, and the largest share of files, which are mostly the
    /// same of all. From counters of the kernel (`proc_pid_status(5)`): to look at each page, as `Pss` does,
    /// would hold up what is measured.
    ///
    /// # Errors
    /// The process is gone.
    pub fn memory(self) -> Result<u64> {
        let (mut own, mut files) = memory_of(self.root).context("the process is gone")?;
        for (others_own, others_files) in self.processes().into_iter().skip(1).filter_map(memory_of)
        {
            own += others_own;
            files = files.max(others_files);
        }
        Ok(own + files)
    }
}

/// Each process of the machine, with its parent.
fn parents() -> impl Iterator<Item = (u32, u32)> {
    fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let process = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let parent = fields_of(process)?.get(1)?.parse().ok()?;
        Some((process, parent))
    })
}

fn cpu_of(process: u32) -> Option<Duration> {
    let fields = fields_of(process)?;
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

/// What follows its name, which may hold blanks.
fn fields_of(process: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    Some(after_name.split_whitespace().map(str::to_owned).collect())
}

/// Its own bytes, and those of files.
fn memory_of(process: u32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(1024 * line.split_whitespace().next()?.parse::<u64>().ok()?)
    };
    Some((bytes("RssAnon:")? + bytes("RssShmem:")?, bytes("RssFile:")?))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_child_is_of_its_parents_tree_and_counts() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let tree = Tree::of(std::process::id());
        assert!(tree.processes().contains(&child.id()));
        assert!(!Tree::of(child.id()).processes().contains(&std::process::id()));
        assert!(tree.memory().unwrap() > Tree::of(child.id()).memory().unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_is_computed_is_counted() {
        let tree = Tree::of(std::process::id());
        let before = tree.cpu().unwrap();
        let mut number = 1_u64;
        while tree.cpu().unwrap() < before + Duration::from_millis(20) {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(Tree::of(child.id()).cpu().is_err());
        assert!(Tree::of(child.id()).memory().is_err());
    }
}
