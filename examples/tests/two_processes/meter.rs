//! What clients meet, and how long they wait for it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::load::{Answer, Lost};

#[derive(Default)]
pub(crate) struct Meter {
    met: BTreeMap<What, Met>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct What {
    server: usize,
    path: &'static str,
    status: u16,
    code: String,
}

#[derive(Default)]
struct Met {
    answers: u32,
    total: Duration,
    longest: Duration,
}

const DOCUMENTED: [(&str, u16, &str); 6] = [
    ("forgot-password", 200, ""),
    ("login", 200, ""),
    ("login", 401, "credentials_rejected"),
    ("refresh", 200, ""),
    ("register", 201, ""),
    ("register", 409, "email_taken"),
];

impl What {
    /// A queue of passwords may be full, and says when to come back. A database that others use is no reason
    /// for anything else.
    fn is_documented(&self) -> bool {
        DOCUMENTED.contains(&(self.path, self.status, &self.code))
            || (self.status, self.code.as_str()) == (503, "overloaded") && self.path != "refresh"
    }
}

impl Meter {
    pub(crate) fn note(
        &mut self,
        server: usize,
        path: &'static str,
        answer: &Answer,
        took: Duration,
    ) {
        let pause = answer.retry_after.as_deref().map(str::parse::<u32>);
        let waits = matches!(pause, Some(Ok(1..)));
        let code = match answer.code() {
            "overloaded" if !waits => "overloaded without Retry-After",
            code => code,
        };
        let what = What { server, path, status: answer.status, code: code.to_owned() };
        self.sum(what, &Met { answers: 1, total: took, longest: took });
    }

    pub(crate) fn note_lost(&mut self, server: usize, path: &'static str, lost: &Lost) {
        let code = if lost.sent { "no answer" } else { "no server" }.to_owned();
        let what = What { server, path, status: 0, code };
        self.sum(what, &Met { answers: 1, ..Met::default() });
    }

    fn sum(&mut self, what: What, more: &Met) {
        let met = self.met.entry(what).or_default();
        met.answers += more.answers;
        met.total += more.total;
        met.longest = met.longest.max(more.longest);
    }

    pub(crate) fn add(&mut self, other: Self) {
        other.met.into_iter().for_each(|(what, met)| self.sum(what, &met));
    }

    pub(crate) fn undocumented(&self) -> Vec<String> {
        let others = self.met.iter().filter(|(what, _)| !what.is_documented());
        others.map(|(what, met)| line(what, met, Duration::from_secs(1))).collect()
    }

    pub(crate) fn table(&self, time: Duration) -> String {
        self.met.iter().map(|(what, met)| line(what, met, time) + "\n").collect()
    }
}

fn line(what: &What, met: &Met, time: Duration) -> String {
    let What { server, path, status, code } = what;
    let each = f64::from(met.answers) / time.as_secs_f64();
    let (mean, longest) = (met.total / met.answers, met.longest);
    format!(
        "  server {server} {path:16} {status} {code:22} {:6} ({each:7.1} a second), mean {:6.1} ms, longest {:7.1} ms",
        met.answers,
        mean.as_secs_f64() * 1e3,
        longest.as_secs_f64() * 1e3,
    )
}
