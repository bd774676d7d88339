//! The ledger: what the server has acknowledged, one line each, appended to a file as the answers come.

use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// An acknowledged write.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry<'a> {
    /// An account was made.
    Registered {
        /// Its id.
        user: &'a str,
    },
    /// A session was opened.
    Opened {
        /// Its id.
        session: &'a str,
    },
    /// A session's generation advanced.
    Refreshed {
        /// Its id.
        session: &'a str,
        /// The generation answered.
        generation: u64,
    },
    /// A session was ended, by logout or deletion.
    Ended {
        /// Its id.
        session: &'a str,
    },
    /// A user was told that they may not.
    Denied {
        /// Their id.
        user: &'a str,
    },
    /// The tenant's number was set.
    Patched {
        /// To this.
        number: u64,
    },
}

/// The file.
#[derive(Debug)]
pub struct Ledger(Mutex<(BufWriter<File>, u64)>);

impl Ledger {
    /// Begins an empty one.
    ///
    /// # Errors
    /// As the file system says.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self(Mutex::new((BufWriter::new(File::create(path)?), 0))))
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// As the file system says.
    pub fn append(&self, entry: &Entry<'_>) -> Result<()> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, count) = &mut *guard;
        serde_json::to_writer(&mut *file, entry)?;
        *count += 1;
        file.write_all(b"\n")
    }

    /// Writes what is buffered, and says how many entries there are.
    ///
    /// # Errors
    /// As the file system says.
    pub fn flush(&self) -> Result<u64> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        guard.0.flush()?;
        Ok(guard.1)
    }
}
