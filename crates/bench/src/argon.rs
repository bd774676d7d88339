//! The raw rate of Argon2id (RFC 9106) at the product's parameters: what two processor cores allow at most.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::io;
use std::time::{Duration, Instant};

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const OUTPUT: usize = 32;

/// Hashes per second of `threads` threads, each reusing its memory.
///
/// # Errors
/// When a thread fails or the parameters are refused.
pub fn rate(threads: usize, time: Duration) -> io::Result<f64> {
    let running: Vec<_> = (0..threads).map(|_| std::thread::spawn(move || hash_for(time))).collect();
    let mut total = 0.0;
    for thread in running {
        total += thread.join().map_err(|_| io::Error::other("a hashing thread failed"))??;
    }
    Ok(total)
}

fn hash_for(time: Duration) -> io::Result<f64> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT)).map_err(io::Error::other)?;
    let mut memory = vec![Block::default(); params.block_count()];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = [0u8; OUTPUT];
    let (begun, mut count) = (Instant::now(), 0u64);
    while begun.elapsed() < time {
        argon
            .hash_password_into_with_memory(
                b"Correct-Horse-Battery-7!",
                b"sixteen bytes ok",
                &mut output,
                &mut memory,
            )
            .map_err(io::Error::other)?;
        count += 1;
    }
    std::hint::black_box(output);
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}
