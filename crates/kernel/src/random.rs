//! Randomness as a port.

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng, TryRngCore};
use std::sync::Mutex;

/// Where random bytes come from.
pub trait Random: Send + Sync + 'static {
    /// Fills the buffer with unpredictable bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        // Without randomness there is no security: ending the process is the only safe answer.
        if rand::rngs::OsRng.try_fill_bytes(buffer).is_err() {
            std::process::abort();
        }
    }
}

/// A seeded generator: the same bytes in every run of a test.
#[derive(Debug)]
pub struct TestRandom(Mutex<StdRng>);

impl TestRandom {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Random for TestRandom {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill_bytes(buffer);
    }
}
