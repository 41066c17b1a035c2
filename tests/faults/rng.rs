//! Randomness that comes out the same for the same seed.

/// SplitMix64: small, and good enough to choose cases.
pub struct Rng(u64);

impl Rng {
    /// The same seed, the same choices.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// The same in another order.
    pub fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
        items
    }

    /// So many of them, in their order.
    pub fn sample<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut places: Vec<usize> = (0..items.len()).collect();
        while places.len() > count {
            places.remove(self.below(places.len()));
        }
        places
            .into_iter()
            .map(|place| items[place].clone())
            .collect()
    }
}

/// The seed of this run: `COLOURSTREAM_SEED`, else always the same.
pub fn seed() -> u64 {
    std::env::var("COLOURSTREAM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(6)
}
