//! A bounded queue that is fair between tenants.
//!
//! Each tenant has a first-in, first-out lane; lanes are served by deficit round robin, so a tenant that
//! floods the queue delays itself and nobody else. When the queue is full, a newcomer of a short lane takes
//! the place of the newest item of the longest lane. Items that have waited too long are handed back
//! instead of served. A pure data structure: the time is an argument, and it knows nothing of its items.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No item counts for more than this many units, which bounds the rounds one [`FairQueue::pop`] may take.
const MAX_COST: u32 = 64;

/// What became of an item offered to the queue.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission<T> {
    /// It waits.
    Queued,
    /// It waits, and this item of the longest lane was shed for it.
    Displaced(T),
    /// The queue is full and its tenant has no smaller share than the others: handed back.
    Refused(T),
}

/// A bounded queue with one lane for each tenant.
#[derive(Debug)]
pub struct FairQueue<T> {
    limit: usize,
    max_wait: Duration,
    lanes: HashMap<Arc<str>, Lane<T>>,
    /// The tenants with waiting items, in the order in which they are served.
    ring: VecDeque<Arc<str>>,
    len: usize,
}

#[derive(Debug)]
struct Lane<T> {
    items: VecDeque<Waiting<T>>,
    /// Units this tenant may still spend in its present turn.
    credit: u32,
}

#[derive(Debug)]
struct Waiting<T> {
    item: T,
    cost: u32,
    since: Instant,
}

impl<T> FairQueue<T> {
    /// A queue of at most `limit` items, each of which waits for at most `max_wait`.
    pub fn new(limit: usize, max_wait: Duration) -> Self {
        Self { limit, max_wait, lanes: HashMap::new(), ring: VecDeque::new(), len: 0 }
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the next newcomer displaces somebody or is refused.
    pub fn is_full(&self) -> bool {
        self.len >= self.limit
    }

    /// Offers an item that costs `cost` units of work (1 is an ordinary one).
    pub fn push(&mut self, tenant: &str, item: T, cost: u32, now: Instant) -> Admission<T> {
        let mut displaced = None;
        if self.is_full() {
            match self.make_room_for(tenant) {
                Some(victim) => displaced = Some(victim),
                None => return Admission::Refused(item),
            }
        }
        let waiting = Waiting { item, cost: cost.clamp(1, MAX_COST), since: now };
        match self.lanes.get_mut(tenant) {
            Some(lane) => lane.items.push_back(waiting),
            None => {
                let name: Arc<str> = tenant.into();
                self.ring.push_back(Arc::clone(&name));
                self.lanes.insert(name, Lane { items: VecDeque::from([waiting]), credit: 0 });
            }
        }
        self.len += 1;
        displaced.map_or(Admission::Queued, Admission::Displaced)
    }

    /// The next item by deficit round robin. Call [`Self::expire`] first: this one doesn't look at the time.
    pub fn pop(&mut self) -> Option<T> {
        loop {
            let name = self.ring.front().cloned()?;
            let Some(lane) = self.lanes.get_mut(&name) else {
                self.ring.pop_front();
                continue;
            };
            let Some(cost) = lane.items.front().map(|waiting| waiting.cost) else {
                self.lanes.remove(&name);
                self.ring.pop_front();
                continue;
            };
            lane.credit += 1;
            if lane.credit < cost {
                self.ring.rotate_left(1);
                continue;
            }
            lane.credit -= cost;
            let item = lane.items.pop_front().map(|waiting| waiting.item);
            self.len -= 1;
            // A lane that empties leaves, and its credit with it: nobody saves up for a burst.
            if lane.items.is_empty() {
                self.lanes.remove(&name);
                self.ring.pop_front();
            } else {
                self.ring.rotate_left(1);
            }
            return item;
        }
    }

    /// Takes out every item that has waited for `max_wait` or longer.
    pub fn expire(&mut self, now: Instant) -> Vec<T> {
        let max_wait = self.max_wait;
        let mut expired = Vec::new();
        for lane in self.lanes.values_mut() {
            // Lanes are in order of arrival, so the first one that is still fresh ends the search.
            while lane.items.front().is_some_and(|first| now.duration_since(first.since) >= max_wait) {
                expired.extend(lane.items.pop_front().map(|waiting| waiting.item));
            }
        }
        self.settle(expired.len());
        expired
    }

    /// Forgets the items that `keep` rejects, such as those nobody waits for any more.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let before = self.len;
        let mut after = 0;
        for lane in self.lanes.values_mut() {
            lane.items.retain(|waiting| keep(&waiting.item));
            after += lane.items.len();
        }
        self.settle(before - after);
    }

    /// Books `removed` items out and drops the lanes that became empty.
    fn settle(&mut self, removed: usize) {
        if removed == 0 {
            return;
        }
        self.len -= removed;
        self.lanes.retain(|_, lane| !lane.items.is_empty());
        self.ring.retain(|name| self.lanes.contains_key(name));
    }

    /// Sheds the newest item of the longest lane, if that leaves it at least as long as the newcomer's.
    fn make_room_for(&mut self, tenant: &str) -> Option<T> {
        let own = self.lanes.get(tenant).map_or(0, |lane| lane.items.len());
        // The last one of several equal lanes: it would have been served last anyway.
        let (longest, name) = self
            .ring
            .iter()
            .filter_map(|name| Some((self.lanes.get(name)?.items.len(), name)))
            .max_by_key(|(length, _)| *length)?;
        if longest <= own + 1 {
            return None;
        }
        let name = Arc::clone(name);
        let victim = self.lanes.get_mut(&name)?.items.pop_back()?;
        self.settle(1);
        Some(victim.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(1);

    fn drain(queue: &mut FairQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn tenants_take_turns_and_keep_their_own_order() {
        let now = Instant::now();
        let mut queue = FairQueue::new(10, WAIT);
        for item in ["a1", "a2", "a3", "a4"] {
            queue.push("a", item, 1, now);
        }
        queue.push("b", "b1", 1, now);
        queue.push("c", "c1", 1, now);
        queue.push("c", "c2", 1, now);
        assert_eq!(queue.len(), 7);
        assert_eq!(drain(&mut queue), ["a1", "b1", "c1", "a2", "c2", "a3", "a4"]);
        assert!(queue.is_empty());
        assert!(queue.lanes.is_empty() && queue.ring.is_empty(), "an idle tenant costs no memory");
    }

    #[test]
    fn expensive_items_take_their_share_of_turns() {
        let now = Instant::now();
        let mut queue = FairQueue::new(10, WAIT);
        queue.push("dear", "d1", 3, now);
        queue.push("dear", "d2", 3, now);
        for item in ["c1", "c2", "c3", "c4", "c5"] {
            queue.push("cheap", item, 1, now);
        }
        assert_eq!(drain(&mut queue), ["c1", "c2", "d1", "c3", "c4", "c5", "d2"]);
    }

    #[test]
    fn absurd_cost_is_capped_and_still_served() {
        let now = Instant::now();
        let mut queue = FairQueue::new(2, WAIT);
        queue.push("a", "huge", u32::MAX, now);
        queue.push("b", "free", 0, now);
        assert_eq!(drain(&mut queue), ["free", "huge"]);
    }

    #[test]
    fn full_queue_sheds_the_newest_of_the_longest_lane_for_a_quiet_tenant() {
        let now = Instant::now();
        let mut queue = FairQueue::new(4, WAIT);
        for item in ["a1", "a2", "a3"] {
            queue.push("a", item, 1, now);
        }
        queue.push("b", "b1", 1, now);
        assert!(queue.is_full());
        assert_eq!(queue.push("c", "c1", 1, now), Admission::Displaced("a3"));
        assert_eq!(queue.len(), 4);
        assert_eq!(drain(&mut queue), ["a1", "b1", "c1", "a2"]);
    }

    #[test]
    fn full_queue_refuses_the_tenant_that_fills_it() {
        let now = Instant::now();
        let mut queue = FairQueue::new(3, WAIT);
        for item in ["a1", "a2", "a3"] {
            assert_eq!(queue.push("a", item, 1, now), Admission::Queued);
        }
        assert_eq!(queue.push("a", "a4", 1, now), Admission::Refused("a4"));
    }

    #[test]
    fn full_queue_of_equal_tenants_refuses_instead_of_swapping_forever() {
        let now = Instant::now();
        let mut queue = FairQueue::new(3, WAIT);
        queue.push("a", "a1", 1, now);
        queue.push("a", "a2", 1, now);
        queue.push("b", "b1", 1, now);
        assert_eq!(queue.push("b", "b2", 1, now), Admission::Refused("b2"));
        assert_eq!(queue.push("c", "c1", 1, now), Admission::Displaced("a2"));
        assert_eq!(queue.push("d", "d1", 1, now), Admission::Refused("d1"));
    }

    #[test]
    fn queue_without_room_refuses_everything() {
        let mut queue = FairQueue::new(0, WAIT);
        assert_eq!(queue.push("a", "a1", 1, Instant::now()), Admission::Refused("a1"));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn items_expire_after_the_longest_wait() {
        let start = Instant::now();
        let mut queue = FairQueue::new(10, WAIT);
        queue.push("a", "a1", 1, start);
        queue.push("a", "a2", 1, start + WAIT / 2);
        queue.push("b", "b1", 1, start);
        assert!(queue.expire(start + WAIT - Duration::from_nanos(1)).is_empty());
        let mut expired = queue.expire(start + WAIT);
        expired.sort_unstable();
        assert_eq!(expired, ["a1", "b1"]);
        assert_eq!(queue.len(), 1);
        assert_eq!(drain(&mut queue), ["a2"]);
    }

    #[test]
    fn forgotten_items_free_their_places() {
        let now = Instant::now();
        let mut queue = FairQueue::new(3, WAIT);
        for item in ["a1", "gone", "a2"] {
            queue.push("a", item, 1, now);
        }
        queue.retain(|item| *item != "gone");
        assert_eq!(queue.push("a", "a3", 1, now), Admission::Queued);
        assert_eq!(drain(&mut queue), ["a1", "a2", "a3"]);
    }

    #[test]
    fn flood_of_one_tenant_never_delays_another_by_more_than_one_turn() {
        let now = Instant::now();
        let mut queue = FairQueue::new(100, WAIT);
        for _ in 0..1_000 {
            queue.push("flood", "f", 1, now);
        }
        assert_eq!(queue.push("quiet", "q", 1, now), Admission::Displaced("f"));
        assert!([queue.pop(), queue.pop()].contains(&Some("q")));
    }
}
