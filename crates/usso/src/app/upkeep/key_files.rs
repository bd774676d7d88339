//! The key files of a data directory while the master key is being rotated.

use crate::app::master_key::{self, MasterKeyError};
use crate::config::MasterKey;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The files.
#[derive(Debug, Clone)]
pub struct KeyFiles {
    /// The key the server reads.
    pub current: PathBuf,
    /// The key to come: from before anything is sealed with it until it is `current`.
    pub next: PathBuf,
    /// The key before: from before `current` is replaced until nothing needs it.
    pub former: PathBuf,
}

impl KeyFiles {
    /// The files of a data directory.
    pub fn of(data_dir: &Path) -> Self {
        let current = master_key::file(data_dir);
        Self { next: current.with_extension("key.new"), former: current.with_extension("key.old"), current }
    }

    /// Puts the next key in the place of the current one, which is kept as the former. Killed at any moment, the
    /// server's file holds the one or the other.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn advance(&self) -> Result<(), MasterKeyError> {
        let kept = match std::fs::hard_link(&self.current, &self.former) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        };
        kept.and_then(|()| std::fs::rename(&self.next, &self.current))
            .and_then(|()| master_key::sync_directory(&self.current))
            .map_err(|source| MasterKeyError::File { path: self.current.clone(), source })
    }
}

/// Removes a key file that nothing needs any more.
///
/// # Errors
/// When the file system refuses.
pub fn remove(path: &Path) -> Result<(), MasterKeyError> {
    let removed = match std::fs::remove_file(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other.and_then(|()| master_key::sync_directory(path)),
    };
    removed.map_err(|source: io::Error| MasterKeyError::File { path: path.to_owned(), source })
}

/// Makes sure that a key is in its file, in the place of any other.
///
/// # Errors
/// When the file system refuses.
pub fn put(path: &Path, key: &MasterKey) -> Result<(), MasterKeyError> {
    if master_key::read(path)?.as_ref() == Some(key) {
        return Ok(());
    }
    remove(path)?;
    master_key::write_new(path, key)
}
