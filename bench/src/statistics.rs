//! Medians and spreads of a few rounds, and percentiles of many samples.

/// What several rounds gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// `None` of no values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
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

/// The smallest sample that at least this share of the samples is not above; 0 of none.
pub(crate) fn percentile(samples: &mut [u64], share: f64) -> u64 {
    samples.sort_unstable();
    let rank = (share * samples.len() as f64).ceil() as usize;
    samples.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(
            Summary::of(&[3.0]),
            Some(Summary {
                median: 3.0,
                min: 3.0,
                max: 3.0
            })
        );
        assert_eq!(
            Summary::of(&[9.0, 1.0, 4.0]),
            Some(Summary {
                median: 4.0,
                min: 1.0,
                max: 9.0
            })
        );
        assert_eq!(
            Summary::of(&[4.0, 1.0, 2.0, 9.0]),
            Some(Summary {
                median: 3.0,
                min: 1.0,
                max: 9.0
            })
        );
    }

    #[test]
    fn percentiles() {
        let mut samples: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(percentile(&mut samples, 0.5), 50);
        assert_eq!(percentile(&mut samples, 0.99), 99);
        assert_eq!(percentile(&mut samples, 1.0), 100);
        assert_eq!(percentile(&mut [], 0.5), 0);
    }
}
