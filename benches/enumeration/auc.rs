//! How well a threshold on one figure tells two samples apart.

/// The area under the ROC curve: the chance that a value of the first sample is above one of the second,
/// ties counted as a half. 0.5 is a coin; 0 and 1 are certainty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Auc {
    pub(crate) area: f64,
    /// Its standard error by DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988), which asks for no
    /// distribution of the values.
    pub(crate) error: f64,
}

/// Of the normal distribution, 95% lie within this many standard deviations.
const WITHIN_95: f64 = 1.959_964;

impl Auc {
    /// By ranks (Sun and Xu, IEEE Signal Processing Letters 21, 2014), so that n log n steps do. Of samples of
    /// fewer than two values nothing is known.
    pub(crate) fn of(first: &[f64], second: &[f64]) -> Self {
        let pooled = ranks(&[first, second].concat());
        let (of_first, of_second) = pooled.split_at(first.len());
        // For each value the share of the other sample that it beats.
        let beats = |pooled: &[f64], own: &[f64], others: usize| -> Vec<f64> {
            let own = ranks(own);
            pooled.iter().zip(own).map(|(all, own)| (all - own) / count(others)).collect()
        };
        let first_beats = beats(of_first, first, second.len());
        let second_beats = beats(of_second, second, first.len());
        Self { area: mean(&first_beats), error: error(&[first_beats, second_beats]) }
    }

    /// How far it is from a coin.
    pub(crate) fn distance(self) -> f64 {
        (self.area - 0.5).abs()
    }

    /// Where the distance lies with a confidence of 95%.
    pub(crate) fn interval(self) -> (f64, f64) {
        let margin = WITHIN_95 * self.error;
        ((self.distance() - margin).max(0.0), (self.distance() + margin).min(0.5))
    }
}

/// How far from a coin an [`Auc`] of samples of `n` may be before it counts, where `comparisons` are made.
///
/// From 10,000 on it is 0.02, almost five standard deviations of an AUC of two samples that do not differ. Below,
/// chance is granted as many as keep a false alarm in any of the comparisons under one in a thousand: by
/// Bonferroni, and by P(|Z| > z) <= exp(-z²/2) for the tail of the normal distribution.
pub(crate) fn bar(n: usize, comparisons: usize) -> f64 {
    if n >= 10_000 {
        return BAR;
    }
    let z = (2.0 * (count(comparisons) / 0.001).ln()).sqrt();
    BAR + z * deviation(n)
}

const BAR: f64 = 0.02;

/// Of the AUC of two samples of `n` that do not differ (Mann and Whitney, 1947).
fn deviation(n: usize) -> f64 {
    let n = count(n);
    ((2.0 * n + 1.0) / (12.0 * n * n)).sqrt()
}

/// The rank of each value, from 1; of equal ones the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| values[*a].total_cmp(&values[*b]).is_eq()) {
        let rank = count(before) + f64::midpoint(count(equal.len()), 1.0);
        equal.iter().for_each(|index| ranks[*index] = rank);
        before += equal.len();
    }
    ranks
}

fn error(parts: &[Vec<f64>]) -> f64 {
    parts.iter().map(|part| variance(part) / count(part.len())).sum::<f64>().sqrt()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len())
}

fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    squares / (count(values.len()) - 1.0)
}

#[expect(clippy::cast_precision_loss, reason = "a number of samples is far below 2^52")]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(found: f64, known: f64) {
        assert!((found - known).abs() < 1e-6, "{found} is not {known}");
    }

    #[test]
    fn samples_that_do_not_overlap_are_told_apart_for_certain() {
        let (low, high) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
        assert_near(Auc::of(&high, &low).area, 1.0);
        assert_near(Auc::of(&low, &high).area, 0.0);
        assert_near(Auc::of(&low, &high).distance(), 0.5);
    }

    #[test]
    fn equal_values_are_a_coin() {
        let auc = Auc::of(&[7.0; 5], &[7.0; 4]);
        assert_near(auc.area, 0.5);
        assert_near(auc.error, 0.0);
    }

    /// Computed apart from this code, in Python, by comparing each value with each.
    #[test]
    fn ties_count_half_and_the_error_is_delongs() {
        let auc = Auc::of(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0], &[2.0, 7.0, 1.0, 8.0, 2.0]);
        assert_near(auc.area, 0.485_714);
        assert_near(auc.error, 0.188_712);
        let (least, most) = auc.interval();
        assert_near(least, 0.0);
        assert_near(most, 0.384_155);
    }

    #[test]
    fn swapping_the_samples_turns_the_area_about_and_leaves_the_error() {
        let (some, others) = ([1.0, 4.0, 4.0, 9.0], [2.0, 4.0, 3.0]);
        let (there, back) = (Auc::of(&some, &others), Auc::of(&others, &some));
        assert_near(there.area + back.area, 1.0);
        assert_near(there.error, back.error);
    }

    #[test]
    fn a_small_sample_is_granted_its_chance_and_a_great_one_is_not() {
        // sqrt(1001 / 3,000,000) = 0.018267, and sqrt(2 ln 100,000) = 4.798526.
        assert_near(bar(500, 100), 0.02 + 0.087_652);
        assert!(bar(500, 200) > bar(500, 100) && bar(1_000, 100) < bar(500, 100));
        assert_near(bar(10_000, 100), 0.02);
    }
}
