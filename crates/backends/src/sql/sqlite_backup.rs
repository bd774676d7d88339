//! Snapshots of the embedded database: taken while it is in use, checked, and put in a database's place.
//!
//! The functions block; call them where that is allowed.

use super::schema::KindTables;
use super::sqlite_open::{
    Lock, Role, beside, connect, failed, lock, owner_only, sync_directory, unavailable,
};
use kernel::StorageError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How many problems of a broken database are named.
const PROBLEMS: usize = 3;

/// Copies the database, as it is at one moment, into the new file `to` (mode 0600). Other processes go on reading and
/// writing meanwhile.
///
/// # Errors
/// `Unavailable` when the database can't be read or the file not be written; it may then be there in part.
pub fn snapshot(database: &Path, to: &Path) -> Result<(), StorageError> {
    if !database.exists() {
        return Err(StorageError::Unavailable(format!("there is no database {}", database.display())));
    }
    let file = owner_only().create_new(true).open(to).map_err(|e| failed(to, e))?;
    let source = connect(database, Role::Reader)?;
    let mut target = plain(to)?;
    // Nobody knows the file yet, and it is put on the disk below: a journal would only cost time.
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(unavailable)?;
    // All pages in one step: one read transaction, so that no writer can make it begin anew.
    let step = Backup::new(&source, &mut target).and_then(|backup| backup.step(-1)).map_err(unavailable)?;
    if step != StepResult::Done {
        return Err(StorageError::Unavailable("the database is busy; try again".to_owned()));
    }
    // The source says "WAL" of itself; a snapshot is one file.
    target.execute_batch("PRAGMA journal_mode = DELETE").map_err(unavailable)?;
    target.close().map_err(|(_, e)| unavailable(e))?;
    file.sync_all().map_err(|e| failed(to, e))
}

/// Reads all of a database and checks that its tables and indexes agree.
///
/// # Errors
/// `Corrupt` with the first problems.
pub fn check(database: &Path) -> Result<(), StorageError> {
    let broken = |e: rusqlite::Error| StorageError::Corrupt(e.to_string());
    let connection = plain(database)?;
    let mut statement = connection.prepare("PRAGMA integrity_check(3)").map_err(broken)?;
    let found: Result<Vec<String>, _> =
        statement.query_map([], |row| row.get(0)).map_err(broken)?.take(PROBLEMS).collect();
    match found.map_err(broken)?.as_slice() {
        [fine] if fine == "ok" => Ok(()),
        problems => Err(StorageError::Corrupt(problems.join("; "))),
    }
}

/// The body of the first record of a kind with an id, read without opening the database as a storage.
///
/// # Errors
/// `Unavailable` when it can't be read, or isn't one of ours.
pub fn body(database: &Path, kind: &str, id: &str) -> Result<Option<String>, StorageError> {
    let tables = KindTables::new(kind)?;
    let connection = plain(database)?;
    let sql = format!("SELECT body FROM {} WHERE id = ?1 LIMIT 1", tables.main);
    connection.query_row(&sql, [id], |row| row.get(0)).optional().map_err(unavailable)
}

fn plain(database: &Path) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(database, flags).map_err(unavailable)
}

/// Puts another database in the place of one. From the beginning to the end nobody else has it.
#[derive(Debug)]
pub struct Exchange {
    database: PathBuf,
    _lock: Lock,
}

impl Exchange {
    /// Locks the database, which needn't exist.
    ///
    /// # Errors
    /// `Locked` when a process has it.
    pub fn begin(database: &Path) -> Result<Self, StorageError> {
        Ok(Self { database: database.to_owned(), _lock: lock(database)? })
    }

    /// Whether there is a database to replace.
    pub fn has_database(&self) -> bool {
        self.database.exists()
    }

    /// The file beside the database into which its successor is to be written.
    pub fn successor(&self) -> PathBuf {
        beside(&self.database, ".restoring")
    }

    /// Renames the successor to the database, which is kept as `predecessor`. Killed at any moment, either the one
    /// or the other is there under the database's name.
    ///
    /// # Errors
    /// `Unavailable` when the file system refuses; the old database is then still in its place.
    pub fn commit(self, predecessor: &Path) -> Result<(), StorageError> {
        let (database, successor) = (&self.database, self.successor());
        if self.has_database() {
            // So that the one file holds everything. A broken one is kept as it is, its log beside it.
            fold(database)?;
        }
        // A log that stayed would be taken for the successor's.
        let log = beside(database, "-wal");
        unless_missing(&log, std::fs::rename(&log, beside(predecessor, "-wal")))?;
        let index = beside(database, "-shm");
        unless_missing(&index, std::fs::remove_file(&index))?;
        if self.has_database() {
            keep(database, predecessor).map_err(|e| failed(predecessor, e))?;
        }
        std::fs::File::open(&successor)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&successor, database))
            .and_then(|()| sync_directory(database))
            .map_err(|e| failed(database, e))
    }
}

/// Copies a database's log into it. A database that is broken anyway keeps its log.
fn fold(database: &Path) -> Result<(), StorageError> {
    let Ok(connection) = connect(database, Role::Writer) else { return Ok(()) };
    // SQLite answers "busy" in a row, not as an error.
    let is_busy: rusqlite::Result<bool> =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    match is_busy {
        Ok(true) => Err(StorageError::Locked(format!("another program reads {}", database.display()))),
        _ => Ok(()),
    }
}

/// Gives the file a second name; on file systems without links, copies it.
fn keep(database: &Path, predecessor: &Path) -> std::io::Result<()> {
    match std::fs::hard_link(database, predecessor) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => {
            std::fs::copy(database, predecessor)?;
            std::fs::File::open(predecessor)?.sync_all()
        }
        done => done,
    }
}

fn unless_missing(path: &Path, done: std::io::Result<()>) -> Result<(), StorageError> {
    match done {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(failed(path, e)),
        _ => Ok(()),
    }
}
