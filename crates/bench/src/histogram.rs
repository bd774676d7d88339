//! Latencies in fixed buckets: exact below 128 µs, then 64 buckets per power of two, so a quantile is off by less
//! than 1.6 %.

use std::time::Duration;

const EXACT: u64 = 128;
const SUB_BITS: u32 = 6;
const BUCKETS: usize = EXACT as usize + 57 * (1 << SUB_BITS);

/// A latency histogram in microseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Counts one latency.
    pub fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency below which this fraction lies, as the upper edge of its bucket; zero when empty.
    pub fn quantile(&self, fraction: f64) -> Duration {
        let wanted = (self.total as f64 * fraction).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros(upper_edge(index));
            }
        }
        Duration::ZERO
    }
}

fn bucket(micros: u64) -> usize {
    if micros < EXACT {
        return micros as usize;
    }
    let exponent = 63 - micros.leading_zeros();
    let sub = (micros >> (exponent - SUB_BITS)) - (1 << SUB_BITS);
    EXACT as usize + ((exponent as usize - 7) << SUB_BITS) + sub as usize
}

fn upper_edge(index: usize) -> u64 {
    let index = index as u64;
    if index < EXACT {
        return index;
    }
    let exponent = ((index - EXACT) >> SUB_BITS) as u32 + 7;
    let sub = (index - EXACT) & ((1 << SUB_BITS) - 1);
    (((1 << SUB_BITS) + sub + 1) << (exponent - SUB_BITS)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_below_the_edge_of_its_bucket() {
        for micros in [0, 1, 127, 128, 129, 1000, 65_535, 65_536, 1_000_000, 60_000_000] {
            let edge = upper_edge(bucket(micros));
            assert!(edge >= micros && edge as f64 <= micros as f64 * 1.016 + 1.0, "{micros} {edge}");
        }
    }

    #[test]
    fn quantiles_of_a_uniform_sample() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|n| histogram.record(Duration::from_micros(n * 10)));
        let p99 = histogram.quantile(0.99).as_micros();
        assert!((9_900..=10_060).contains(&p99), "{p99}");
        assert_eq!(Histogram::default().quantile(0.5), Duration::ZERO);
    }
}
