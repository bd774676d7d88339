//! The storage a server under test runs on.

use backends::redis::{Options as RedisOptions, RedisEphemeral};
use backends::sql::postgres::{Options as PostgresOptions, PostgresStorage};
use backends::sql::sqlite::{Options, SqliteStorage};
use kernel::memory::{DocumentStorage, MemoryEphemeral, MemoryStorage};
use kernel::{Ephemeral, Storage};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;
use usso::app::startup;

/// The storages there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageKind {
    /// In memory.
    Memory,
    /// In memory, with single-document operations only.
    Document,
    /// The embedded database, in a directory of its own.
    Sqlite,
    /// A database of its own in a PostgreSQL server, and a namespace of its own in a Redis server.
    Postgres,
}

impl StorageKind {
    /// What `USSO_TEST_STORAGE` says; memory if it says nothing.
    #[expect(clippy::disallowed_methods, reason = "an option of the test run, not of the server")]
    pub fn from_environment() -> Self {
        match std::env::var("USSO_TEST_STORAGE").as_deref() {
            Err(_) | Ok("" | "memory") => Self::Memory,
            Ok("document") => Self::Document,
            Ok("sqlite") => Self::Sqlite,
            Ok("postgres") => Self::Postgres,
            Ok(other) => {
                panic!("USSO_TEST_STORAGE is {other}, but must be memory, document, sqlite or postgres")
            }
        }
    }
}

/// An open storage and what goes with it; a directory it made goes when it does.
pub struct Database {
    storage: Arc<dyn Storage>,
    ephemeral: Arc<dyn Ephemeral>,
    directory: Option<PathBuf>,
    /// Of its own in the Redis server.
    namespace: Option<String>,
}

impl Database {
    /// Opens an empty storage.
    pub async fn open(kind: StorageKind) -> Self {
        let alone = |storage: Arc<dyn Storage>, directory| {
            let ephemeral = Arc::new(MemoryEphemeral::new());
            Self { storage, ephemeral, directory, namespace: None }
        };
        match kind {
            StorageKind::Memory => alone(Arc::new(MemoryStorage::new()), None),
            StorageKind::Document => alone(Arc::new(DocumentStorage::new()), None),
            StorageKind::Sqlite => {
                let directory = new_directory();
                let options = Options { point_readers: 1, list_readers: 1, ..Options::default() };
                let storage =
                    SqliteStorage::open(&directory.join("usso.db"), options).expect("the database opens");
                alone(Arc::new(storage), Some(directory))
            }
            StorageKind::Postgres => Self::on_servers().await,
        }
    }

    async fn on_servers() -> Self {
        let postgres = testbed::postgres::shared().expect("a PostgreSQL server");
        let model = MODEL.get_or_init(prepared).await;
        let url = postgres.copy_of(model).expect("a database with all tables");
        let storage = PostgresStorage::open(&url, PostgresOptions::default()).expect("a usable URL");
        let redis = testbed::redis::shared().expect("a Redis server");
        let namespace = url.rsplit('/').next().unwrap_or_default().to_owned();
        let options = RedisOptions { namespace: namespace.clone(), ..RedisOptions::default() };
        let ephemeral = RedisEphemeral::open(&redis.url(), options).await.expect("a usable URL");
        let (storage, ephemeral) = (Arc::new(storage), Arc::new(ephemeral));
        Self { storage, ephemeral, directory: None, namespace: Some(namespace) }
    }

    /// The short-lived state.
    pub fn ephemeral(&self) -> Arc<dyn Ephemeral> {
        self.ephemeral.clone()
    }

    /// Loses whatever is in Redis, as if that were flushed.
    pub fn flush(&self) {
        const SCRIPT: &str = "for _, key in ipairs(redis.call('KEYS', '*' .. ARGV[1] .. '*')) do \
                              redis.call('DEL', key) end return 'OK'";
        if let Some(namespace) = &self.namespace {
            let redis = testbed::redis::shared().expect("a Redis server");
            redis.command(&["EVAL", SCRIPT, "0", namespace]).expect("a flush");
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

/// The database that those of all tests are copies of.
static MODEL: OnceCell<String> = OnceCell::const_new();

/// Makes a database with all tables: making them takes longer than copying them.
async fn prepared() -> String {
    let postgres = testbed::postgres::shared().expect("a PostgreSQL server");
    let url = postgres.fresh_database().expect("an empty database");
    let storage = PostgresStorage::open(&url, PostgresOptions::default()).expect("a usable URL");
    storage.prepare(&startup::kinds()).await.expect("tables");
    let name = url.rsplit('/').next().unwrap_or_default().to_owned();
    postgres.seal(&name).expect("a model");
    name
}

fn new_directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("usso-it-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory for the database");
    directory
}
