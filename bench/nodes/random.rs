//! Chance that repeats itself: a generator with a seed, and rates of topics by Zipf's law.

/// `SplitMix64`: the same seed gives the same numbers on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below another, which is not 0. The bias is below 2⁻³² for everything that is simulated here.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

/// Spreads a difference in any bit over all bits. No two numbers give the same one.
pub(crate) fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The share of all events that each of `count` topics has, the busiest first: the topic of rank r has a share in proportion
/// to 1 / r^exponent. With 0 all topics are alike.
pub(crate) fn zipf(count: usize, exponent: f64) -> Vec<f64> {
    let mut weights: Vec<f64> = (1..=count)
        .map(|rank| (rank as f64).powf(-exponent))
        .collect();
    let sum: f64 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= sum;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_numbers_that_the_generator_is_known_for() {
        let mut random = Random::new(1_234_567);
        let known = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!([random.next(), random.next(), random.next()], known);
    }

    #[test]
    fn numbers_below_another_are_spread_evenly() {
        let mut random = Random::new(1);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7)] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn shares_of_topics_make_up_the_whole() {
        for exponent in [0.0, 0.5, 1.0, 1.5] {
            for count in [1, 2, 1_000, 100_000] {
                let sum: f64 = zipf(count, exponent).iter().sum();
                assert!(
                    (sum - 1.0).abs() < 1e-9,
                    "{count} topics, {exponent}: {sum}"
                );
            }
        }
    }

    #[test]
    fn shares_of_topics_follow_the_law() {
        assert_eq!(zipf(4, 0.0), [0.25; 4]);
        // 1 + 1/2 + 1/3 = 11/6.
        for (weight, expected) in zipf(3, 1.0).iter().zip([6.0, 3.0, 2.0]) {
            assert!((weight - expected / 11.0).abs() < 1e-12);
        }
    }
}
