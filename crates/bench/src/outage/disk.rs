//! Watches the disk: a commit can't be quicker than it, and on a shared machine it stalls now and then. What is refused
//! during a stall is counted, and not held against the product.

use super::clients::Seen;
use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Two syncs that take this long in a row, and the commit that waits for both is late.
const SLOW: Duration = Duration::from_millis(400);
const PAUSE: Duration = Duration::from_millis(50);

/// A time during which one page took too long to reach the disk.
#[derive(Debug, Clone, Copy)]
pub struct Stall {
    /// When the write began.
    pub from: Instant,
    /// When it was synced.
    pub until: Instant,
}

impl Stall {
    /// Whether an exchange met it.
    pub fn touches(&self, seen: &Seen) -> bool {
        seen.answered() >= self.from && seen.sent <= self.until
    }
}

/// A thread that writes a page and syncs it, again and again.
pub struct Disk {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Stall>>>,
}

impl Disk {
    /// Starts it, on a file in this directory.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn watch(directory: &Path) -> Result<Self> {
        let file = File::create(directory.join("disk"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut stalls = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let from = Instant::now();
                file.write_all_at(&[0; 8192], 0)?;
                file.sync_data()?;
                let until = Instant::now();
                if until - from >= SLOW {
                    stalls.push(Stall { from, until });
                }
                std::thread::park_timeout(PAUSE);
            }
            Ok(stalls)
        });
        Ok(Self { stop, thread })
    }

    /// Ends it; answers when the disk stalled.
    ///
    /// # Errors
    /// When a write failed.
    pub fn stop(self) -> Result<Vec<Stall>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Error::other("the thread that watches the disk failed"))?
    }
}
