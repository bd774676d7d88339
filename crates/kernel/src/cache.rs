//! A bounded cache that can't be poisoned by a race between a slow read and an invalidation.
//!
//! Before reading the store a caller takes a [`Stamp`]; what it read is only kept if nothing was invalidated in
//! that shard meanwhile. Without this, a value read before a revocation could be stored after it and live on.

use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 32;

/// Proof of when a read began.
#[derive(Debug, Clone, Copy)]
pub struct Stamp(u64);

struct Shard<K, V> {
    entries: HashMap<K, V, RandomState>,
    invalidations: u64,
}

/// A sharded map of at most `capacity` values, emptied shard by shard when full.
pub struct Cache<K, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    hasher: RandomState,
    per_shard: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// A cache of about this many values.
    pub fn new(capacity: usize) -> Self {
        let shard = || Mutex::new(Shard { entries: HashMap::default(), invalidations: 0 });
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            hasher: RandomState::default(),
            per_shard: capacity.div_ceil(SHARDS).max(1),
        }
    }

    /// The value, if it is here.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.shard(key).entries.get(key).cloned()
    }

    /// To be taken before the value is read from the store.
    pub fn stamp<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Stamp
    where
        K: std::borrow::Borrow<Q>,
    {
        Stamp(self.shard(key).invalidations)
    }

    /// Keeps a value that was read after `stamp` was taken, unless something was invalidated since.
    pub fn insert(&self, key: K, value: V, stamp: Stamp) {
        let mut shard = self.shard(&key);
        if shard.invalidations != stamp.0 {
            return;
        }
        self.place(&mut shard, key, value);
    }

    /// Keeps a value newer than any that was read before, unless something was invalidated since `stamp`; reads under
    /// way are not kept.
    pub fn supersede(&self, key: K, value: V, stamp: Stamp) {
        let mut shard = self.shard(&key);
        if shard.invalidations == stamp.0 {
            shard.invalidations += 1;
            self.place(&mut shard, key, value);
        }
    }

    fn place(&self, shard: &mut Shard<K, V>, key: K, value: V) {
        if shard.entries.len() >= self.per_shard && !shard.entries.contains_key(&key) {
            // Any victim will do: a hot value is back after one read.
            let victim = shard.entries.keys().next().cloned();
            victim.and_then(|k| shard.entries.remove(&k));
        }
        shard.entries.insert(key, value);
    }

    /// Forgets a value, and every read of it that is under way.
    pub fn invalidate<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
    {
        let mut shard = self.shard(key);
        shard.invalidations += 1;
        shard.entries.remove(key);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.invalidations += 1;
            shard.entries = HashMap::default();
        }
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> MutexGuard<'_, Shard<K, V>> {
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        #[expect(clippy::indexing_slicing, reason = "index is below SHARDS, the length of the vector")]
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_read_before_an_invalidation_is_not_kept() {
        let cache: Cache<String, u32> = Cache::new(100);
        let stamp = cache.stamp("a");
        cache.invalidate("a");
        cache.insert("a".into(), 1, stamp);
        assert_eq!(cache.get("a"), None);
        let stamp = cache.stamp("a");
        cache.insert("a".into(), 2, stamp);
        assert_eq!(cache.get("a"), Some(2));
    }

    #[test]
    fn a_read_that_began_before_a_newer_value_was_kept_is_not_kept() {
        let cache: Cache<String, u32> = Cache::new(100);
        let (slow_read, write) = (cache.stamp("a"), cache.stamp("a"));
        cache.supersede("a".into(), 2, write);
        cache.insert("a".into(), 1, slow_read);
        assert_eq!(cache.get("a"), Some(2));
        let late = cache.stamp("a");
        cache.invalidate("a");
        cache.supersede("a".into(), 3, late);
        assert_eq!(cache.get("a"), None);
    }

    #[test]
    fn the_cache_stays_bounded() {
        let cache: Cache<u32, u32> = Cache::new(64);
        for n in 0..10_000 {
            let stamp = cache.stamp(&n);
            cache.insert(n, n, stamp);
        }
        let held = (0..10_000).filter(|n| cache.get(n).is_some()).count();
        assert!(held <= 64, "{held} values held");
        cache.clear();
        assert!((0..10_000).all(|n| cache.get(&n).is_none()));
    }
}
