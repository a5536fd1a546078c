//! What was found, as tables in Markdown, and what is beyond the bar.

use std::fmt::{self, Display};

use benches::statistics;

use crate::auc::{Auc, bar};
use crate::states::{Group, Standing};
use crate::trial::Figures;

/// How well one figure tells two states of a group apart.
struct Comparison {
    states: [&'static str; 2],
    auc: Auc,
}

impl Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([first, second], (least, most)) = (self.states, self.auc.interval());
        write!(f, "{first} / {second} | {:.3} ({least:.3} to {most:.3})", self.auc.distance())
    }
}

/// What one group's figures say.
pub(crate) struct Finding {
    group: Group,
    /// Requests for each state.
    rounds: usize,
    by_time: Vec<Comparison>,
    by_cpu: Vec<Comparison>,
    by_cpu_until_idle: Vec<Comparison>,
    /// Of each state, in microseconds.
    medians: Vec<[f64; 3]>,
}

impl Finding {
    pub(crate) fn new(group: Group, rounds: usize, figures: &[Figures]) -> Self {
        let compare = |figure: fn(&Figures) -> &[f64]| -> Vec<Comparison> {
            let compared = group.pairs().map(|(first, second)| Comparison {
                states: [group.states[first].name, group.states[second].name],
                auc: Auc::of(figure(&figures[first]), figure(&figures[second])),
            });
            compared.collect()
        };
        let by_time = compare(|figures| &figures.time);
        let by_cpu = compare(|figures| &figures.cpu);
        let by_cpu_until_idle = compare(|figures| &figures.cpu_until_idle);
        let medians = figures.iter().map(|figures| {
            [&figures.time, &figures.cpu, &figures.cpu_until_idle].map(|some| median(some))
        });
        let medians = medians.collect();
        Self { group, rounds, by_time, by_cpu, by_cpu_until_idle, medians }
    }

    fn is_held(&self) -> bool {
        self.group.standing == Standing::Held
    }

    /// By time alone: the distance of the two states that are furthest apart.
    pub(crate) fn distance_by_time(&self) -> f64 {
        worst(&self.by_time).map_or(0.0, |worst| worst.auc.distance())
    }

    fn compared(&self) -> impl Iterator<Item = (&'static str, &Comparison)> {
        let by_time = self.by_time.iter().map(|comparison| ("time", comparison));
        by_time.chain(self.by_cpu.iter().map(|comparison| ("CPU", comparison)))
    }

    fn row(&self) -> String {
        let names: Vec<_> = self.group.states.iter().map(|state| state.name).collect();
        let [time, cpu, until_idle] = [&self.by_time, &self.by_cpu, &self.by_cpu_until_idle]
            .map(|some| worst(some).map(ToString::to_string).unwrap_or_default());
        let (title, names, rounds) = (self.group.title, names.join("; "), self.rounds);
        format!("| {title} | {names} | {rounds} | {time} | {cpu} | {until_idle} |\n")
    }

    fn median_rows(&self) -> String {
        let rows = self.group.states.iter().zip(&self.medians).map(|(state, medians)| {
            let [time, cpu, until_idle] = medians;
            let (title, name) = (self.group.title, state.name);
            format!("| {title} | {name} | {time:.0} | {cpu:.0} | {until_idle:.0} |\n")
        });
        rows.collect()
    }
}

fn worst(comparisons: &[Comparison]) -> Option<&Comparison> {
    comparisons.iter().max_by(|a, b| a.auc.distance().total_cmp(&b.auc.distance()))
}

/// In microseconds, of nanoseconds.
fn median(figures: &[f64]) -> f64 {
    if figures.is_empty() { 0.0 } else { statistics::median(figures.iter().copied()) / 1e3 }
}

const HEAD: &str = "\
    | endpoint | states | requests each | furthest apart by time | \\|AUC - 0.5\\| (95%) \
    | by CPU | \\|AUC - 0.5\\| (95%) | by CPU until idle | \\|AUC - 0.5\\| (95%) |\n\
    |---|---|---|---|---|---|---|---|---|\n";
const MEDIANS_HEAD: &str = "\
    | endpoint | state | time, us | CPU, us | CPU until idle, us |\n|---|---|---|---|---|\n";

/// All findings of a run.
pub(crate) struct Report {
    findings: Vec<Finding>,
    bar: f64,
}

impl Report {
    /// `rounds` is what each state of a group that must hold the bar was asked.
    pub(crate) fn new(findings: Vec<Finding>, rounds: usize) -> Self {
        let held = findings.iter().filter(|finding| finding.is_held());
        let bar = bar(rounds, held.map(|finding| finding.compared().count()).sum());
        Self { findings, bar }
    }

    /// What is beyond the bar, a line each.
    pub(crate) fn offenders(&self) -> Vec<String> {
        let mut offenders = Vec::new();
        for finding in self.findings.iter().filter(|finding| finding.is_held()) {
            for (figure, comparison) in finding.compared() {
                if comparison.auc.distance() > self.bar {
                    offenders.push(format!("{}, by {figure}: {comparison}", finding.group.title));
                }
            }
        }
        offenders
    }

    fn rows(&self, standing: Standing) -> String {
        let findings = self.findings.iter().filter(|finding| finding.group.standing == standing);
        findings.map(Finding::row).collect()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.rows(Standing::Held);
        write!(f, "Under the bar of {:.3} by time and by CPU:\n\n{HEAD}{held}", self.bar)?;
        let references = self.rows(Standing::Reference);
        if !references.is_empty() {
            write!(f, "\nFor reference, under no bar:\n\n{HEAD}{references}")?;
        }
        let medians: String = self.findings.iter().map(Finding::median_rows).collect();
        write!(f, "\nMedians:\n\n{MEDIANS_HEAD}{medians}")
    }
}
