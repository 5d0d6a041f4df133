//! Chance from a seed: the same seed gives the same traffic (SplitMix64; Steele, Lea and Flood 2014).

/// A row of numbers.
#[derive(Clone)]
pub(super) struct Chance(u64);

impl Chance {
    /// That of a seed, for one of several uses.
    pub fn of(seed: u64, of: u64) -> Self {
        let mut chance = Self(seed ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        chance.next();
        chance
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below a bound, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound.max(1));
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// From 0 to before a bound, as milliseconds are counted.
    pub fn ms(&mut self, bound: i64) -> i64 {
        i64::try_from(self.below(u64::try_from(bound).unwrap_or(1))).unwrap_or(0)
    }

    /// Whether something happens of which so many of a thousand do.
    pub fn per_mille(&mut self, of: u64) -> bool {
        self.below(1000) < of
    }

    /// One of a list, which is not empty.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.below(of.len() as u64)).unwrap_or(0);
        of.get(at)
    }
}

/// Of several the one in whose share of the whole a number falls: weights added up.
pub(super) struct Shares(Vec<u64>);

impl Shares {
    pub fn of(weights: impl IntoIterator<Item = u64>) -> Self {
        let mut sum = 0;
        Self(
            weights
                .into_iter()
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        )
    }

    /// Zipf's law: the n-th is 1/n as often as the first.
    pub fn zipf(count: usize) -> Self {
        Self::of((1..=count as u64).map(|rank| 1_000_000_000 / rank))
    }

    pub fn total(&self) -> u64 {
        self.0.last().copied().unwrap_or(0)
    }

    pub fn draw(&self, chance: &mut Chance) -> usize {
        let at = chance.below(self.total());
        self.0.partition_point(|sum| *sum <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_again_and_shares_are_kept() {
        let draw = |seed| {
            let (mut chance, shares) = (Chance::of(seed, 1), Shares::of([1, 0, 3]));
            (0..4000).map(|_| shares.draw(&mut chance)).collect::<Vec<usize>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let of = |which| draw(7).iter().filter(|one| **one == which).count();
        assert_eq!(of(1), 0);
        assert!((900..1100).contains(&of(0)), "{}", of(0));
    }
}
