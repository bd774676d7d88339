//! Opening the database file: the lock that gives it to one process, the connections and what is asked of them,
//! and the migrations of the schema.

use super::schema::{KIND_ROW_PREFIX, SCHEMA_ROW, SCHEMA_VERSION, SQLITE, create_versions, migrations};
use kernel::StorageError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// How many pages (of 4 KiB) the log holds before it is copied into the database.
const CHECKPOINT_PAGES: u32 = 1000;

/// The database, held by this process.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// How a connection is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Writes; every commit is on the disk before it is answered.
    Writer,
    /// Only reads.
    Reader,
}

/// Anything the driver reports, as the port puts it.
pub(super) fn unavailable(error: rusqlite::Error) -> StorageError {
    StorageError::Unavailable(error.to_string())
}

/// What the file system reports, as the port puts it.
pub(super) fn failed(what: &Path, error: std::io::Error) -> StorageError {
    StorageError::Unavailable(format!("{}: {error}", what.display()))
}

/// The file of this name beside the database: `usso.db` and `-wal` give `usso.db-wal`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Takes the lock file beside the database and creates the database, readable by its owner only.
pub(super) fn take(path: &Path) -> Result<Lock, StorageError> {
    let lock = lock(path)?;
    if !path.exists() {
        let file = owner_only().open(path).map_err(|e| failed(path, e))?;
        file.sync_all().map_err(|e| failed(path, e))?;
        sync_directory(path).map_err(|e| failed(path, e))?;
    }
    Ok(lock)
}

/// Takes the lock file beside the database.
pub(super) fn lock(path: &Path) -> Result<Lock, StorageError> {
    let lock_path = beside(path, ".lock");
    let lock = owner_only().open(&lock_path).map_err(|e| failed(&lock_path, e))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StorageError::Locked(format!(
                "the database {} is in use by another process: stop it, or choose another data directory",
                path.display()
            )));
        }
        Err(TryLockError::Error(e)) => return Err(failed(&lock_path, e)),
    }
    Ok(Lock(lock))
}

pub(super) fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes the new file's name durable, too. Only Unix lets a directory be opened for that.
pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Opens a connection. WAL lets readers go on while the writer commits; `FULL` puts the log on the disk with
/// every commit; the caches are small because the operating system has one. Nothing is mapped: each connection's
/// mapping would count as memory of the process, for a microsecond a read.
pub(super) fn connect(path: &Path, role: Role) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unavailable)?;
    let pragmas = match role {
        Role::Writer => format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -2048;
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}; PRAGMA journal_size_limit = 16777216;"
        ),
        Role::Reader => "PRAGMA query_only = ON; PRAGMA cache_size = -512; PRAGMA mmap_size = 0;".to_owned(),
    };
    let common = "PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON;
                  PRAGMA trusted_schema = OFF;";
    connection.execute_batch(common).map_err(unavailable)?;
    connection.execute_batch(&pragmas).map_err(unavailable)?;
    // Otherwise SQLite, built with STAT4, plans a statement anew whenever a value is bound that might change the plan,
    // which costs more than the point read itself. Plans here are chosen by the text of the statement.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(unavailable)?;
    connection.set_prepared_statement_cache_capacity(if role == Role::Writer { 256 } else { 96 });
    Ok(connection)
}

/// Keeps the database file from becoming larger than this.
pub(super) fn limit(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = bytes / page.unsigned_abs().max(1);
    connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}

/// Brings the schema to this binary's version, and answers the kinds the database has.
pub(super) fn migrate(connection: &mut Connection) -> Result<Vec<String>, StorageError> {
    connection.execute_batch(&create_versions(&SQLITE)).map_err(unavailable)?;
    let found = version(connection, SCHEMA_ROW).map_err(unavailable)?.unwrap_or(0);
    if found > SCHEMA_VERSION {
        return Err(StorageError::NewerSchema { what: SCHEMA_ROW.to_owned(), found, known: SCHEMA_VERSION });
    }
    for (step, reached) in migrations(&SQLITE).iter().zip(1..).filter(|(_, reached)| *reached > found) {
        run_step(connection, step, reached).map_err(unavailable)?;
    }
    kinds(connection).map_err(unavailable)
}

fn run_step(connection: &mut Connection, step: &str, reached: u32) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(step)?;
    set_version(&transaction, SCHEMA_ROW, reached)?;
    transaction.commit()
}

/// The recorded version of the schema or a kind.
pub(super) fn version(connection: &Connection, name: &str) -> rusqlite::Result<Option<u32>> {
    let mut statement = connection.prepare_cached("SELECT version FROM schema_versions WHERE name = ?1")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

/// Records a version.
pub(super) fn set_version(connection: &Connection, name: &str, version: u32) -> rusqlite::Result<()> {
    let sql = "INSERT INTO schema_versions (name, version) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET version = excluded.version";
    connection.execute(sql, (name, version)).map(|_| ())
}

fn kinds(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql =
        "SELECT substr(name, length(?1) + 1) FROM schema_versions WHERE substr(name, 1, length(?1)) = ?1";
    let mut statement = connection.prepare(sql)?;
    statement.query_map([KIND_ROW_PREFIX], |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("usso-open-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        directory.join("usso.db")
    }

    fn pragma(connection: &Connection, name: &str) -> String {
        let text = |value: rusqlite::types::Value| match value {
            rusqlite::types::Value::Integer(n) => n.to_string(),
            rusqlite::types::Value::Text(t) => t,
            other => format!("{other:?}"),
        };
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).map(text).unwrap()
    }

    #[test]
    fn commits_are_durable_and_readers_read_only() {
        let path = scratch("pragmas");
        let _lock = take(&path).unwrap();
        let mut writer = connect(&path, Role::Writer).unwrap();
        migrate(&mut writer).unwrap();
        assert_eq!(pragma(&writer, "journal_mode"), "wal");
        assert_eq!(pragma(&writer, "synchronous"), "2", "FULL");
        assert_eq!(pragma(&writer, "busy_timeout"), "5000");
        assert_eq!(pragma(&writer, "temp_store"), "2", "MEMORY");
        let reader = connect(&path, Role::Reader).unwrap();
        assert_eq!(pragma(&reader, "journal_mode"), "wal");
        assert_eq!(pragma(&reader, "query_only"), "1");
        assert!(reader.execute_batch("DELETE FROM effects").is_err());
    }

    #[test]
    fn migrations_run_once() {
        let path = scratch("migrations");
        let _lock = take(&path).unwrap();
        let mut writer = connect(&path, Role::Writer).unwrap();
        migrate(&mut writer).unwrap();
        migrate(&mut writer).unwrap();
        assert_eq!(version(&writer, SCHEMA_ROW).unwrap(), Some(SCHEMA_VERSION));
    }
}
