//! Giving memory back at rest.
//!
//! The allocator (mimalloc) keeps what was freed for a moment, and what one thread freed of another's memory until that
//! thread allocates again: it tidies up after some ten thousand allocations of each thread. In a process that has come
//! to rest that may be never, and a thousand connections closed an hour ago still hold their 12 KiB each. So when
//! requests cease, each worker thread is led through these allocations, once to find what is free and once more, when
//! the moment has passed, to return it. It costs a thread less than a millisecond, and busy ones nothing.

use crate::http::AppState;
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// How often is looked whether requests have ceased.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// At most so many requests between two looks are rest: health checks go on for ever.
const FEW: u64 = 50;

/// How often memory is tidied in one rest.
const TURNS: u8 = 2;

/// Allocations after which the allocator tidies a thread's memory, and some more.
const ALLOCATIONS: usize = 10_500;

/// Too large for the allocator's short way, which counts nothing.
const BYTES: usize = 2_048;

/// The turn that is due. Of the process, since threads and allocator are.
static TURN: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The turn this thread took last.
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

/// To be called by each worker thread before it sleeps: takes the turn that is due, if it hasn't.
pub fn on_park() {
    let due = TURN.load(Ordering::Relaxed);
    if TAKEN.replace(due) != due {
        tidy();
    }
}

/// Makes the allocator tidy up what this thread has.
fn tidy() {
    for _ in 0..ALLOCATIONS {
        drop(black_box(Vec::<u8>::with_capacity(BYTES)));
    }
}

/// Watches for rest until the channel says to stop.
pub async fn watch(state: AppState, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Starting was work, too.
    let mut activity = Activity { requests: 0, turns: TURNS };
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.changed() => return,
        }
        if activity.is_turn_due(state.requests()) {
            // First what the database keeps for the next request, then the allocator's part in all of it.
            state.registry.system().ports().storage.rest(tidy).await;
            TURN.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How many requests there were, and how often memory is still to be tidied.
#[derive(Debug)]
struct Activity {
    requests: u64,
    turns: u8,
}

impl Activity {
    fn is_turn_due(&mut self, requests: u64) -> bool {
        let is_busy = requests - self.requests > FEW;
        self.requests = requests;
        if is_busy {
            self.turns = TURNS;
            return false;
        }
        let is_due = self.turns > 0;
        self.turns = self.turns.saturating_sub(1);
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_tidied_twice_when_requests_cease_and_not_before() {
        let mut activity = Activity { requests: 0, turns: TURNS };
        assert!(
            activity.is_turn_due(0) && activity.is_turn_due(10) && !activity.is_turn_due(20),
            "after the start"
        );
        assert!(!activity.is_turn_due(1_000) && !activity.is_turn_due(2_000), "busy");
        assert!(activity.is_turn_due(2_050) && activity.is_turn_due(2_060));
        assert!(!activity.is_turn_due(2_070) && !activity.is_turn_due(2_080), "done");
        assert!(!activity.is_turn_due(9_000));
        assert!(activity.is_turn_due(9_000));
        assert!(!activity.is_turn_due(99_000), "work comes first");
        assert!(
            activity.is_turn_due(99_000) && activity.is_turn_due(99_000) && !activity.is_turn_due(99_000)
        );
    }

    #[test]
    fn each_thread_takes_a_turn_once() {
        TURN.fetch_add(1, Ordering::Relaxed);
        let due = TURN.load(Ordering::Relaxed);
        on_park();
        assert_eq!(TAKEN.get(), due);
        assert_ne!(std::thread::spawn(|| TAKEN.get()).join().unwrap(), due, "another thread's is its own");
    }
}
