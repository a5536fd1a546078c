use std::time::Duration;

use super::use_case::UseCase;

/// How many times as long a use case may take with the most users as with the fewest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar(pub(crate) f64);

/// What was taken, of each use case at each size.
pub(crate) struct Figures {
    sizes: Vec<usize>,
    taken: Vec<Vec<Vec<f64>>>,
}

impl Figures {
    pub(crate) fn of_sizes(sizes: impl IntoIterator<Item = usize>) -> Self {
        let sizes: Vec<usize> = sizes.into_iter().collect();
        let taken = vec![vec![Vec::new(); sizes.len()]; UseCase::ALL.len()];
        Self { sizes, taken }
    }

    pub(super) fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    pub(super) fn add(&mut self, use_case: UseCase, size: usize, taken: Duration) {
        let figures = self.taken.get_mut(use_case as usize).and_then(|row| row.get_mut(size));
        if let Some(figures) = figures {
            figures.push(1e6 * taken.as_secs_f64());
        }
    }

    /// A Markdown table, and whether all of it is within the bar.
    pub(crate) fn table(mut self, store: &str, bar: Bar) -> (String, bool) {
        let mut text = format!("\n| {store}, µs |");
        for size in &self.sizes {
            text += &format!(" {size} users |");
        }
        text += " ratio | bar |\n|---|";
        text += &"---|".repeat(self.sizes.len() + 2);
        text.push('\n');
        let mut all_reached = true;
        for use_case in UseCase::ALL {
            let Some(row) = self.taken.get_mut(use_case as usize) else { continue };
            if row.iter().all(Vec::is_empty) {
                continue;
            }
            let (row, reached) = row_of(use_case, row, bar);
            text += &row;
            all_reached &= reached;
        }
        (text, all_reached)
    }
}

fn row_of(use_case: UseCase, row: &mut [Vec<f64>], Bar(bar): Bar) -> (String, bool) {
    for figures in row.iter_mut() {
        figures.sort_by(f64::total_cmp);
    }
    let mut text = format!("| {} |", use_case.name());
    for figures in &*row {
        text +=
            &format!(" {} ({}) |", digits(quantile(figures, 0.5)), digits(quantile(figures, 0.9)));
    }
    let of = |figures: Option<&Vec<f64>>| figures.map_or(f64::NAN, |f| quantile(f, 0.5));
    let ratio = of(row.last()) / of(row.first());
    let reached = ratio <= bar;
    text += &format!(" {ratio:.2} | {bar}{} |\n", if reached { "" } else { " MISSED" });
    (text, reached)
}

/// Of sorted figures.
fn quantile(figures: &[f64], part: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of a list that is there"
    )]
    let place = (figures.len() as f64 * part) as usize;
    figures.get(place).copied().unwrap_or(f64::NAN)
}

fn digits(micros: f64) -> String {
    if micros < 100.0 { format!("{micros:.1}") } else { format!("{micros:.0}") }
}
