//! A small deterministic generator (splitmix64), so that a seed always gives the same world and the same
//! faults.

/// A stream of numbers that its seed decides.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of `seed`. Streams of different `purpose` are independent of each other.
    pub fn new(seed: u64, purpose: &str) -> Random {
        let mut state = seed ^ 0x5851_f42d_4c95_7f2d;
        for byte in purpose.bytes() {
            state = scramble(state ^ u64::from(byte));
        }
        Random(state)
    }

    /// The next number, any 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scramble(self.0)
    }

    /// A number below `limit`; 0 when `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.number() % limit }
    }

    /// An amount in minor units from `low` to `high`, both included.
    pub fn amount(&mut self, low: i64, high: i64) -> i64 {
        let width = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(i64::try_from(self.below(u64::try_from(width).unwrap_or(0))).unwrap_or(0))
    }

    /// Whether something with a chance of `percent` in a hundred happens.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Text of letters and digits.
    pub fn text(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        (0..length).map(|_| LETTERS[usize::try_from(self.below(62)).unwrap_or(0)]).map(char::from).collect()
    }

    /// An identifier in the shape of a version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.number(), self.number());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}

fn scramble(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_same_seed_gives_the_same_stream_and_purposes_differ() {
        let stream = |seed, purpose| {
            let mut random = Random::new(seed, purpose);
            (random.number(), random.text(8), random.uuid())
        };
        assert_eq!(stream(7, "world"), stream(7, "world"));
        assert_ne!(stream(7, "world"), stream(8, "world"));
        assert_ne!(stream(7, "world"), stream(7, "faults"));
    }

    #[test]
    fn amounts_stay_within_their_bounds() {
        let mut random = Random::new(1, "amounts");
        assert!((0..1000).map(|_| random.amount(-5, 5)).all(|amount| (-5..=5).contains(&amount)));
    }
}
