//! The ephemeral port of a single instance.
//!
//! Every write first sweeps a few entries that have expired, oldest first. A write adds one entry at most, so
//! what is dead never outgrows what is alive, and no write ever pays for a big clean-up.

use crate::ephemeral::{EphemeralError, Listener};
use crate::{BoxFuture, Ephemeral, Partition, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many expired entries a write removes at most.
const SWEEP: usize = 4;

/// Short-lived values in memory; gone with the process.
#[derive(Default)]
pub struct MemoryEphemeral {
    entries: Mutex<Entries>,
    listeners: Mutex<HashMap<String, Vec<Listener>>>,
}

struct Entry {
    value: Vec<u8>,
    expires: Expiry,
}

/// When an entry expires; the number tells entries of the same instant apart.
type Expiry = (Timestamp, u64);

#[derive(Default)]
struct Entries {
    values: HashMap<Arc<str>, Entry>,
    by_expiry: BTreeMap<Expiry, Arc<str>>,
    written: u64,
}

impl Entries {
    fn live(&mut self, name: &str, now: Timestamp) -> Option<&mut Entry> {
        self.values.get_mut(name).filter(|e| now < e.expires.0)
    }

    fn put(&mut self, name: String, value: Vec<u8>, ttl: Duration, now: Timestamp) {
        self.sweep(now);
        self.remove(&name);
        self.written += 1;
        let micros = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
        let at = Timestamp::from_unix_micros(now.unix_micros().saturating_add(micros));
        let (name, expires): (Arc<str>, Expiry) = (name.into(), (at, self.written));
        self.by_expiry.insert(expires, name.clone());
        self.values.insert(name, Entry { value, expires });
    }

    fn remove(&mut self, name: &str) -> Option<Vec<u8>> {
        let entry = self.values.remove(name)?;
        self.by_expiry.remove(&entry.expires);
        Some(entry.value)
    }

    fn sweep(&mut self, now: Timestamp) {
        for _ in 0..SWEEP {
            let Some(oldest) = self.by_expiry.first_entry().filter(|e| e.key().0 <= now) else { return };
            let name = oldest.remove();
            self.values.remove(&name);
        }
    }
}

/// No partition's name has a bar in it, so two partitions can't spell the same name.
fn name(partition: &Partition, key: &str) -> String {
    format!("{}|{key}", partition.as_str())
}

impl MemoryEphemeral {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ephemeral for MemoryEphemeral {
    fn put<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), EphemeralError>> {
        Box::pin(async move {
            self.lock().put(name(partition, key), value, ttl, now);
            Ok(())
        })
    }

    fn put_if_absent<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, EphemeralError>> {
        Box::pin(async move {
            let (name, mut entries) = (name(partition, key), self.lock());
            let absent = entries.live(&name, now).is_none();
            if absent {
                entries.put(name, value, ttl, now);
            }
            Ok(absent)
        })
    }

    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, EphemeralError>> {
        Box::pin(async move { Ok(self.lock().live(&name(partition, key), now).map(|e| e.value.clone())) })
    }

    fn take<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, EphemeralError>> {
        Box::pin(async move {
            let (name, mut entries) = (name(partition, key), self.lock());
            let live = entries.live(&name, now).is_some();
            Ok(entries.remove(&name).filter(|_| live))
        })
    }

    fn increment<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, EphemeralError>> {
        Box::pin(async move {
            let (name, mut entries) = (name(partition, key), self.lock());
            let Some(entry) = entries.live(&name, now) else {
                entries.put(name, b"1".to_vec(), ttl, now);
                return Ok(1);
            };
            let count = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse::<u64>().ok());
            let count =
                count.ok_or_else(|| EphemeralError("the value isn't a count".into()))?.saturating_add(1);
            entry.value = count.to_string().into_bytes();
            Ok(count)
        })
    }

    fn publish<'a>(
        &'a self,
        channel: &'a str,
        message: &'a [u8],
    ) -> BoxFuture<'a, Result<(), EphemeralError>> {
        Box::pin(async move {
            // Called outside the lock: a listener may publish or subscribe itself.
            let listeners =
                self.listeners.lock().unwrap_or_else(PoisonError::into_inner).get(channel).cloned();
            listeners.iter().flatten().for_each(|listener| listener(message));
            Ok(())
        })
    }

    fn subscribe<'a>(
        &'a self,
        channel: &'a str,
        listener: Listener,
    ) -> BoxFuture<'a, Result<(), EphemeralError>> {
        Box::pin(async move {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.entry(channel.to_owned()).or_default().push(listener.clone());
            drop(listeners);
            listener(b"");
            Ok(())
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), EphemeralError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expired_entries_are_swept_a_few_at_each_write() {
        let mut entries = Entries::default();
        let minute = Duration::from_secs(60);
        for second in 0..10_000 {
            entries.put(format!("t|{second}"), Vec::new(), minute, Timestamp::from_unix_seconds(second));
        }
        assert!(entries.values.len() <= 61, "{} entries held, 60 are alive", entries.values.len());
        assert_eq!(entries.values.len(), entries.by_expiry.len(), "the two maps agree");
    }

    #[test]
    fn a_burst_is_swept_within_a_quarter_as_many_writes() {
        let mut entries = Entries::default();
        for n in 0..1_000 {
            entries.put(
                format!("t|{n}"),
                Vec::new(),
                Duration::from_secs(1),
                Timestamp::from_unix_seconds(0),
            );
        }
        for _ in 0..250 {
            entries.put("t|same".into(), Vec::new(), Duration::from_secs(9), Timestamp::from_unix_seconds(5));
        }
        assert_eq!(entries.values.len(), 1, "only the live entry is held");
        assert_eq!(entries.by_expiry.len(), 1, "an overwritten entry leaves no trace");
    }
}
