//! The storage a server under test runs on.

use backends::sql::sqlite::{Options, SqliteStorage};
use kernel::Storage;
use kernel::memory::{DocumentStorage, MemoryStorage};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The storages there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageKind {
    /// In memory.
    Memory,
    /// In memory, with single-document operations only.
    Document,
    /// The embedded database, in a directory of its own.
    Sqlite,
}

impl StorageKind {
    /// What `USSO_TEST_STORAGE` says; memory if it says nothing.
    #[expect(clippy::disallowed_methods, reason = "an option of the test run, not of the server")]
    pub fn from_environment() -> Self {
        match std::env::var("USSO_TEST_STORAGE").as_deref() {
            Err(_) | Ok("" | "memory") => Self::Memory,
            Ok("document") => Self::Document,
            Ok("sqlite") => Self::Sqlite,
            Ok(other) => panic!("USSO_TEST_STORAGE is {other}, but must be memory, document or sqlite"),
        }
    }
}

/// An open storage; a directory it made goes with it.
pub struct Database {
    storage: Arc<dyn Storage>,
    directory: Option<PathBuf>,
}

impl Database {
    /// Opens an empty storage.
    pub fn open(kind: StorageKind) -> Self {
        match kind {
            StorageKind::Memory => Self { storage: Arc::new(MemoryStorage::new()), directory: None },
            StorageKind::Document => Self { storage: Arc::new(DocumentStorage::new()), directory: None },
            StorageKind::Sqlite => {
                let directory = new_directory();
                let options = Options { point_readers: 1, list_readers: 1, ..Options::default() };
                let storage =
                    SqliteStorage::open(&directory.join("usso.db"), options).expect("the database opens");
                Self { storage: Arc::new(storage), directory: Some(directory) }
            }
        }
    }

    /// The storage.
    pub fn storage(&self) -> Arc<dyn Storage> {
        self.storage.clone()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            drop(std::fs::remove_dir_all(directory));
        }
    }
}

fn new_directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("usso-it-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory for the database");
    directory
}
