//! Statistics over the samples of several rounds.

use serde::Serialize;

/// Median and extremes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// `None` without samples. With an even number of samples the median is the mean of the middle
    /// two.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, min, max })
    }
}

/// The ratio of each round. A disturbance of a whole round affects both and cancels out. A round
/// without a sample of both is left out.
pub(crate) fn ratios(of: &[Option<f64>], against: &[Option<f64>]) -> Vec<f64> {
    let pairs = of.iter().zip(against);
    pairs.filter_map(|pair| Some((*pair.0)? / (*pair.1)?)).filter(|r| r.is_finite()).collect()
}

/// A count as a number that can be divided.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::{Summary, ratios};

    #[test]
    fn the_median_is_the_middle_or_between_the_middle_two() {
        let summary = Summary::of(&[3.0, 1.0, 2.0]);
        assert_eq!(summary, Some(Summary { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Summary::of(&[4.0, 1.0, 2.0, 3.0]).map(|s| s.median), Some(2.5));
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn a_ratio_compares_samples_of_the_same_round() {
        let of = [Some(2.0), None, Some(9.0), Some(1.0)];
        let against = [Some(1.0), Some(1.0), Some(3.0), Some(0.0)];
        assert_eq!(ratios(&of, &against), [2.0, 3.0]);
    }
}
