//! Messages that were handed over and wait to be delivered by this process.
//!
//! Tenants take turns, and none has more than a few deliveries under way: one with a dead provider delays its own messages.

use kernel::{Position, Settlement, StoredEffect, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Seconds a message is put off while it is being delivered: longer than that takes, so that it comes again should this
/// process end.
const HELD: i64 = 60;
/// How many wait here at most; the others stay in the database.
const ROOM: usize = 1_024;
/// Deliveries under way of one tenant.
const PER_TENANT: usize = 2;

/// Messages that wait, and how many are under way.
#[derive(Debug, Default)]
pub struct Post(Mutex<Sorted>);

#[derive(Debug, Default)]
struct Sorted {
    waiting: BTreeMap<String, VecDeque<StoredEffect>>,
    under_way: BTreeMap<String, usize>,
    last: String,
}

impl Post {
    fn sorted(&self) -> MutexGuard<'_, Sorted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes messages over. All are put off; what there is no room for comes again.
    pub fn take(&self, messages: Vec<StoredEffect>, now: Timestamp) -> Vec<(Position, Settlement)> {
        let mut sorted = self.sorted();
        let mut room = ROOM.saturating_sub(sorted.waiting.values().map(VecDeque::len).sum());
        let mut put_off = Vec::with_capacity(messages.len());
        for message in messages {
            put_off.push((message.position, Settlement::RetryAt(now.plus_seconds(HELD))));
            if room > 0 {
                room -= 1;
                sorted.waiting.entry(message.partition.clone()).or_default().push_back(message);
            }
        }
        put_off
    }

    /// The next message to deliver, of the next tenant that may have one more under way.
    pub fn begin(&self) -> Option<StoredEffect> {
        let mut sorted = self.sorted();
        let may = |tenant: &&String| sorted.under_way.get(*tenant).is_none_or(|count| *count < PER_TENANT);
        let after = sorted.waiting.keys().find(|tenant| **tenant > sorted.last && may(tenant));
        let tenant = after.or_else(|| sorted.waiting.keys().find(may))?.clone();
        let messages = sorted.waiting.get_mut(&tenant)?;
        let message = messages.pop_front()?;
        if messages.is_empty() {
            sorted.waiting.remove(&tenant);
        }
        *sorted.under_way.entry(tenant.clone()).or_default() += 1;
        sorted.last = tenant;
        Some(message)
    }

    /// One of a tenant's deliveries has ended.
    pub fn end(&self, tenant: &str) {
        let mut sorted = self.sorted();
        if let Some(count) = sorted.under_way.get_mut(tenant) {
            *count -= 1;
            if *count == 0 {
                sorted.under_way.remove(tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Effect, Topic};
    use serde_json::Value;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn message(position: u64, tenant: &str) -> StoredEffect {
        let effect = Effect { topic: Topic::Message, payload: Value::Null, due_at: NOW };
        StoredEffect { position: Position(position), partition: tenant.to_owned(), effect, attempts: 0 }
    }

    #[test]
    fn tenants_take_turns_and_a_slow_one_waits_for_itself() {
        let post = Post::default();
        let all = [message(1, "a"), message(2, "a"), message(3, "a"), message(4, "b"), message(5, "c")];
        assert_eq!(post.take(all.to_vec(), NOW).len(), 5);
        let begun: Vec<u64> = std::iter::from_fn(|| post.begin()).map(|m| m.position.0).collect();
        assert_eq!(begun, [1, 4, 5, 2], "the third of a waits");
        assert!(post.begin().is_none());
        post.end("a");
        assert_eq!(post.begin().map(|m| m.position.0), Some(3));
    }

    #[test]
    fn what_there_is_no_room_for_is_put_off_all_the_same() {
        let post = Post::default();
        let many: Vec<_> = (0..2_000).map(|n| message(n, "a")).collect();
        assert_eq!(post.take(many, NOW).len(), 2_000);
        let mut held = 0;
        while post.begin().is_some() {
            post.end("a");
            held += 1;
        }
        assert_eq!(held, ROOM);
    }
}
