//! `[hashing]`: the cost of a password hash and the pool that computes them.

use crate::config::setting::{Invalid, section};
use std::time::Duration;

section! {
    /// The cost of a password hash (Argon2id) and the pool that computes them.
    Hashing hashing {
        /// Threads that hash.
        threads: u32 = default_threads(), shown "the processors, at most 2", example "2";
        /// Memory of one hash, in KiB.
        memory_kib: u32 = 19_456;
        /// Passes over the memory.
        iterations: u32 = 2;
        /// Lanes of one hash.
        parallelism: u32 = 1;
        /// Requests that may wait for a thread; more are answered 503.
        queue_limit: u32 = 100;
        /// How long a request may wait for a thread, in milliseconds, before it is answered 503.
        queue_wait_ms: u32 = 1000;
        /// After how many idle seconds a thread gives its memory back.
        idle_release_seconds: u32 = 5;
    }
}

fn default_threads() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if processors >= 2 { 2 } else { 1 }
}

impl Hashing {
    /// Checks the cost against the accepted minimum for Argon2id and against what a machine can bear.
    ///
    /// # Errors
    /// [`Invalid`] for a value outside its range.
    pub fn validate(&self) -> Result<(), Invalid> {
        let ranges = [
            (self.threads, 1..=256, "hashing.threads"),
            (self.memory_kib, 19_456..=4_194_304, "hashing.memory_kib"),
            (self.iterations, 2..=64, "hashing.iterations"),
            (self.parallelism, 1..=16, "hashing.parallelism"),
            (self.queue_limit, 1..=100_000, "hashing.queue_limit"),
            (self.queue_wait_ms, 1..=60_000, "hashing.queue_wait_ms"),
            (self.idle_release_seconds, 0..=86_400, "hashing.idle_release_seconds"),
        ];
        ranges.into_iter().try_for_each(|(value, range, key)| {
            let reason = format!("must be from {} to {}", range.start(), range.end());
            Invalid::unless(range.contains(&value), key, &reason)
        })
    }

    /// How long a request may wait for a thread.
    pub fn queue_wait(&self) -> Duration {
        Duration::from_millis(self.queue_wait_ms.into())
    }

    /// After how long an idle thread gives its memory back.
    pub fn idle_release(&self) -> Duration {
        Duration::from_secs(self.idle_release_seconds.into())
    }
}
