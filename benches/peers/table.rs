//! Medians, ratios and bars of all rounds.

use std::fmt::{self, Display};
use std::fs;
use std::path::Path;

use anyhow::Result;
use benches::plot::draw_bars;
use benches::statistics::{Spread, median};

use super::round::Figures;
use super::targets::{Hash, Store, Target};

pub(crate) struct Report {
    hash: Hash,
    targets: Vec<&'static Target>,
    /// Hashes of a CPU second, of each round.
    pub(crate) pool: Vec<f64>,
    /// Of each target.
    pub(crate) rounds: Vec<Vec<Figures>>,
}

/// A figure that must be on one side of another.
struct Bar {
    what: String,
    figure: f64,
    bar: f64,
    is_at_least: bool,
}

impl Bar {
    const fn at_least(what: String, figure: f64, bar: f64) -> Self {
        Self { what, figure, bar, is_at_least: true }
    }

    fn at_most(what: String, figure: f64, bar: f64) -> Self {
        Self { what, figure, bar, is_at_least: false }
    }

    fn holds(&self) -> bool {
        if self.is_at_least { self.figure >= self.bar } else { self.figure <= self.bar }
    }
}

impl Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.is_at_least { "at least" } else { "at most" };
        let verdict = if self.holds() { "" } else { "   MISSED" };
        write!(f, "- {}: {:.3} ({side} {}){verdict}", self.what, self.figure, self.bar)
    }
}

type Figure = fn(&Figures) -> f64;

/// Columns of the tables; the figures behind each with so many digits.
const LOGINS: [(&str, Figure, usize); 7] = [
    ("logins a second, 64 clients", |figures| figures.logins_a_second, 1),
    ("a CPU second", |figures| figures.logins_a_cpu_second, 1),
    ("memory meanwhile, MB", |figures| figures.peak_mb, 0),
    ("CPU ms after all hung up", |figures| figures.cpu_ms_after, 0),
    ("CPU ms: right password, 16 clients", |figures| figures.cpu_ms_right, 2),
    ("wrong", |figures| figures.cpu_ms_wrong, 2),
    ("unknown address", |figures| figures.cpu_ms_unknown, 2),
];
const CHECKS: [(&str, Figure, usize); 6] = [
    ("start to first answer, ms", |figures| figures.start_ms, 0),
    ("memory at rest, MB", |figures| figures.idle_mb, 1),
    ("checks a second, 16 clients", |figures| figures.checks_a_second, 0),
    ("CPU ms a check", |figures| figures.cpu_ms_a_check, 3),
    ("check beside 32 logins, p50 ms", |figures| figures.check_beside_p50_ms, 1),
    ("p99 ms", |figures| figures.check_beside_p99_ms, 1),
];

impl Report {
    pub(crate) fn new(hash: Hash, targets: &[&'static Target]) -> Self {
        let rounds = targets.iter().map(|_| Vec::new()).collect();
        Self { hash, targets: targets.to_vec(), pool: Vec::new(), rounds }
    }

    fn median(&self, index: usize, figure: Figure) -> f64 {
        median(self.rounds[index].iter().map(figure))
    }

    /// Of each round, ours by the best of the peers.
    fn ratio_to_the_best(&self, ours: usize, figure: Figure) -> Option<Spread> {
        let peers = || (0..self.targets.len()).filter(|index| !self.targets[*index].is_ours());
        peers().next()?;
        let of_round = |round: usize| {
            let best = peers().map(|peer| figure(&self.rounds[peer][round])).fold(0.0, f64::max);
            figure(&self.rounds[ours][round]) / best
        };
        Some(Spread::of((0..self.pool.len()).map(of_round)))
    }

    /// Of each round, one figure of a target by another.
    fn quotient(&self, index: usize, one: Figure, other: Figure) -> f64 {
        median(self.rounds[index].iter().map(|figures| one(figures) / other(figures)))
    }

    fn bars(&self) -> Vec<Bar> {
        let ours = (0..self.targets.len()).filter(|index| self.targets[*index].is_ours());
        ours.flat_map(|index| self.bars_of(index)).collect()
    }

    fn bars_of(&self, index: usize) -> Vec<Bar> {
        let mut bars = self.bars_beside_peers(index);
        bars.extend(self.bars_of_every_store(index));
        if self.targets[index].store == Store::Memory {
            bars.extend(self.bars_of_the_hash(index));
        }
        for bar in &mut bars {
            bar.what = format!("{}: {}", self.targets[index].name, bar.what);
        }
        bars
    }

    fn bars_beside_peers(&self, index: usize) -> Vec<Bar> {
        let sides: [(&str, Figure); 2] = [
            ("wall", |figures| figures.logins_a_second),
            ("CPU", |figures| figures.logins_a_cpu_second),
        ];
        let bar = |(what, figure): (&str, Figure)| {
            let ratio = self.ratio_to_the_best(index, figure)?;
            let what = format!("logins a {what} second by the best peer's, {ratio:.2}");
            Some(Bar::at_least(what, ratio.median, 1.3))
        };
        sides.into_iter().filter_map(bar).collect()
    }

    fn bars_of_every_store(&self, index: usize) -> [Bar; 5] {
        let bars: [(&str, Figure, f64); 5] = [
            ("memory under 64 logins, MB", |figures| figures.peak_mb, 80.0),
            ("check beside 32 logins, p99 ms", |figures| figures.check_beside_p99_ms, 10.0),
            ("CPU ms a check", |figures| figures.cpu_ms_a_check, 0.05),
            // Two hashes are under way, and their memory is wiped; figures come in steps of 10 ms.
            ("CPU ms after all hung up", |figures| figures.cpu_ms_after, 60.0),
            ("start to first answer, ms", |figures| figures.start_ms, 50.0),
        ];
        bars.map(|(what, figure, bar)| {
            Bar::at_most(what.to_owned(), self.median(index, figure), bar)
        })
    }

    /// Of a server that does hardly anything but hash. On SQLite a good login is written to the disk besides.
    fn bars_of_the_hash(&self, index: usize) -> [Bar; 3] {
        let to_pool = self.rounds[index].iter().zip(&self.pool);
        let share = median(to_pool.map(|(figures, pool)| figures.logins_a_cpu_second / pool));
        let off_the_right_one = |figure: Figure| {
            (self.quotient(index, figure, |figures| figures.cpu_ms_right) - 1.0).abs()
        };
        let wrong = off_the_right_one(|figures| figures.cpu_ms_wrong);
        let unknown = off_the_right_one(|figures| figures.cpu_ms_unknown);
        [
            Bar::at_least("logins a CPU second by the bare pool's hashes".to_owned(), share, 0.95),
            Bar::at_most("CPU, wrong password by right one, off 1".to_owned(), wrong, 0.02),
            Bar::at_most("CPU, unknown address by right one, off 1".to_owned(), unknown, 0.02),
        ]
    }

    /// Bars are of equal hashes.
    pub(crate) fn holds(&self) -> bool {
        self.hash == Hash::Default || self.bars().iter().all(Bar::holds)
    }

    pub(crate) fn draw(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let hash = format!("{:?}", self.hash).to_lowercase();
        let drawn: [(&str, &str, Figure); 3] = [
            ("logins", "logins a CPU second, 64 clients", |figures| figures.logins_a_cpu_second),
            ("memory", "MB under 64 logins", |figures| figures.peak_mb),
            ("checks", "check of a session beside 32 logins, p99 ms", |figures| {
                figures.check_beside_p99_ms
            }),
        ];
        for (file, title, figure) in drawn {
            let bar =
                |index: usize| (self.targets[index].name.to_owned(), self.median(index, figure));
            let bars: Vec<_> = (0..self.targets.len()).map(bar).collect();
            draw_bars(&folder.join(format!("{file}-{hash}.svg")), title, &bars)?;
        }
        println!("drawn in {}", folder.display());
        Ok(())
    }

    fn table(&self, f: &mut fmt::Formatter<'_>, columns: &[(&str, Figure, usize)]) -> fmt::Result {
        let titles: Vec<_> = columns.iter().map(|(title, ..)| *title).collect();
        writeln!(f, "\n| | hash | {} |", titles.join(" | "))?;
        writeln!(f, "|---|---|{}", "---|".repeat(columns.len()))?;
        for (index, target) in self.targets.iter().enumerate() {
            write!(f, "| {} | {} |", target.name, target.hash(self.hash))?;
            for (_, figure, digits) in columns {
                write!(f, " {:.digits$} |", self.median(index, *figure))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nMedians of {} rounds; the bare pool: {:.1} hashes a CPU second",
            self.pool.len(),
            Spread::of(self.pool.iter().copied())
        )?;
        self.table(f, &LOGINS)?;
        self.table(f, &CHECKS)?;
        if self.hash == Hash::Equal {
            writeln!(f)?;
            for bar in self.bars() {
                writeln!(f, "{bar}")?;
            }
        }
        Ok(())
    }
}
