//! Of rounds in which sides took turns.

use std::fmt::{self, Display};

/// Figures of all rounds: the median of them, the least and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Spread {
    /// The figure in the middle; the higher of two.
    pub median: f64,
    /// The least figure.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Spread {
    /// Of no figures, three that are not numbers.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        let last = figures.len().saturating_sub(1);
        Self { median: at(figures.len() / 2), least: at(0), most: at(last) }
    }
}

/// The median of some figures.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(figures).median
}

impl Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(0);
        let Self { median, least, most } = self;
        write!(f, "{median:.digits$} ({least:.digits$} to {most:.digits$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_of_sorted_figures() {
        let spread = Spread::of([3.0, -1.0, 2.0]);
        assert_eq!((spread.least, spread.median, spread.most), (-1.0, 2.0, 3.0));
        assert_eq!(format!("{spread:.1}"), "2.0 (-1.0 to 3.0)");
        assert!(Spread::of([]).median.is_nan());
    }
}
