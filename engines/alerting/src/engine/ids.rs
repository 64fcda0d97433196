//! Where names come from: the engine has no randomness of its own.

use uuid::Uuid;

/// Gives names to silences and notifications. Each must be new.
pub trait IdSource: Send {
    /// The next name.
    fn next_id(&mut self) -> Uuid;
}

/// Random names, for the real thing.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next_id(&mut self) -> Uuid {
        Uuid::new_v4()
    }
}

/// Names from a seed, the same every time: for tests and simulations.
#[derive(Clone, Copy, Debug)]
pub struct SeededIds(u64);

impl SeededIds {
    /// Names that follow from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64: one step of a well-mixed sequence.
    const fn step(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl IdSource for SeededIds {
    fn next_id(&mut self) -> Uuid {
        let (high, low) = (self.step(), self.step());
        uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
            .into_uuid()
    }
}
