use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

/// One answer, or that none came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// When it was due, since the load began.
    pub due: Duration,
    /// From then to the last byte of its answer.
    pub took: Duration,
    /// Its status, or [`Sample::FAILED`].
    pub status: u16,
    /// Whether it said when to come back.
    pub retry_after: bool,
}

impl Sample {
    /// No answer: refused by the system, cut, or not HTTP.
    pub const FAILED: u16 = 0;

    pub(super) const fn failed(due: Duration, took: Duration) -> Self {
        Self { due, took, status: Self::FAILED, retry_after: false }
    }

    /// When it was answered, since the load began.
    pub fn answered(&self) -> Duration {
        self.due + self.took
    }
}

/// Answers, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// These.
    pub const fn new(samples: Vec<Sample>) -> Self {
        Self(samples)
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    /// Those that are so.
    #[must_use]
    pub fn those(&self, are_so: impl Fn(&Sample) -> bool) -> Self {
        Self(self.iter().copied().filter(|sample| are_so(sample)).collect())
    }

    /// Those with this status.
    #[must_use]
    pub fn with_status(&self, status: u16) -> Self {
        self.those(|sample| sample.status == status)
    }

    /// Those answered from one moment to another, since the load began.
    #[must_use]
    pub fn answered_within(&self, from: Duration, to: Duration) -> Self {
        self.those(|sample| (from..to).contains(&sample.answered()))
    }

    /// How many.
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The statuses that there are.
    pub fn statuses(&self) -> BTreeSet<u16> {
        self.iter().map(|sample| sample.status).collect()
    }

    /// Times in microseconds, to three digits, up to an hour.
    ///
    /// # Errors
    /// None that a time of less than an hour could cause.
    pub fn histogram(&self) -> Result<Histogram<u64>> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3)?;
        for sample in &self.0 {
            histogram.saturating_record(u64::try_from(sample.took.as_micros())?);
        }
        Ok(histogram)
    }

    /// The time within which this share of them was answered; zero, if there are none.
    ///
    /// # Errors
    /// As [`Samples::histogram`].
    pub fn quantile(&self, share: f64) -> Result<Duration> {
        Ok(Duration::from_micros(self.histogram()?.value_at_quantile(share)))
    }
}
