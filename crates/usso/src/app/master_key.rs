//! The master key: configured, or a file beside the embedded database; and the proof that it is the right one.

use crate::config::{Config, MasterKey};
use kernel::{Record, StorageError, Stored, SystemScope};
use protocol::seal::{SealError, SealingKey};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why there is no usable master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file can't be read or written.
    #[error("master key file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database is sealed, and the file with its key is gone.
    #[error(
        "master key file {0} is missing, but the database is sealed with it; restore the file or give MASTER_KEY"
    )]
    Lost(PathBuf),
    /// The file doesn't hold a key.
    #[error("master key file {0}: expected 32 bytes in base64")]
    Malformed(PathBuf),
    /// The database was sealed with another key.
    #[error("MASTER_KEY is not the key this database was sealed with; give the original one")]
    Mismatch,
    /// A rotation was cut off.
    #[error(
        "the rotation of the master key was cut off; finish it with `usso master-key rotate` (and the \
         --new-key-file it was begun with, if any)"
    )]
    HalfRotated,
    /// A copy was cut off.
    #[error("this database is the unfinished target of `usso storage copy`; run that command again")]
    HalfCopied,
    /// Sealing is broken.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What the platform keeps about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Installation {
    /// `installation`, or `copy` for the mark of a database that is being filled.
    pub id: String,
    /// Tells the right master key from a wrong one, and nothing about it.
    pub master_key_check: String,
    /// The check value of the master key under which secrets are being sealed, until all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_to: Option<String>,
    /// In the mark of a database that is being filled: the revision of the record that this one is a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<i64>,
}

impl Record for Installation {
    const KIND: &'static str = "installation";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }
}

impl Installation {
    /// The id of an installation's own record.
    pub const ID: &'static str = "installation";
    /// The id of the mark.
    pub const COPY: &'static str = "copy";

    /// The mark of a database that is being filled with an installation.
    pub fn copy_of(original: &Stored<Self>) -> Self {
        Self {
            id: Self::COPY.to_owned(),
            copy_of: Some(original.revision.to_stored()),
            ..original.record.clone()
        }
    }

    /// Checks that a key is the one the database was sealed with, and that no rotation is left to finish.
    ///
    /// # Errors
    /// [`MasterKeyError::Mismatch`] or `HalfRotated`.
    pub fn admits(&self, key: &SealingKey) -> Result<(), MasterKeyError> {
        if self.rotation_to.is_some() {
            return Err(MasterKeyError::HalfRotated);
        }
        if self.master_key_check == key.check_value()? { Ok(()) } else { Err(MasterKeyError::Mismatch) }
    }
}

/// What the database says about itself; `None` when it is new.
///
/// # Errors
/// When the database is away; [`MasterKeyError::HalfCopied`] while it is being filled.
pub async fn installation(system: &SystemScope) -> Result<Option<Stored<Installation>>, MasterKeyError> {
    let records = system.records::<Installation>();
    if records.get(Installation::COPY).await?.is_some() {
        return Err(MasterKeyError::HalfCopied);
    }
    Ok(records.get(Installation::ID).await?)
}

/// The key file of a data directory.
pub fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("master.key")
}

/// The key of an installation that exists: the configured one, or the one of the data directory.
///
/// # Errors
/// [`MasterKeyError::Lost`] when there is none.
pub fn existing(config: &Config) -> Result<MasterKey, MasterKeyError> {
    if let Some(key) = &config.security.master_key {
        return Ok(key.clone());
    }
    let path = file(&config.storage.data_dir);
    read(&path)?.ok_or(MasterKeyError::Lost(path))
}

/// Reads the key file of a data directory, or makes it (mode 0600) if the database is new.
///
/// # Errors
/// When the file can't be read, written or understood; [`MasterKeyError::Lost`] when a sealed database lacks it.
pub async fn load_or_create(system: &SystemScope, data_dir: &Path) -> Result<[u8; 32], MasterKeyError> {
    let path = file(data_dir);
    if let Some(key) = read(&path)? {
        return Ok(*key.expose());
    }
    if installation(system).await?.is_some() {
        return Err(MasterKeyError::Lost(path));
    }
    let key = generate(system);
    write_new(&path, &key)?;
    Ok(*key.expose())
}

/// A fresh key.
pub fn generate(system: &SystemScope) -> MasterKey {
    MasterKey::new(system.token::<32>())
}

/// The key as it is written: base64.
pub fn to_text(key: &MasterKey) -> Zeroizing<String> {
    Zeroizing::new(base64::Engine::encode(&base64::prelude::BASE64_STANDARD, key.expose()))
}

/// Reads a key file. `None`: there is none.
///
/// # Errors
/// When it can't be read or doesn't hold a key.
pub fn read(path: &Path) -> Result<Option<MasterKey>, MasterKeyError> {
    let failed = |source| MasterKeyError::File { path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others may read the master key: give the file mode 0600");
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(failed)?;
    let key = MasterKey::from_base64(text.trim());
    key.map(Some).ok_or_else(|| MasterKeyError::Malformed(path.to_owned()))
}

/// Writes a new key file (mode 0600); it is on the disk when this returns.
///
/// # Errors
/// When there is such a file, or it can't be written.
pub fn write_new(path: &Path, key: &MasterKey) -> Result<(), MasterKeyError> {
    // Under another name until it is complete, so that no crash leaves half a key.
    let part = path.with_extension("part");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(to_text(key).as_bytes())?;
        file.write_all(b"\n")?;
        // The key must be there before anything is sealed with it.
        file.sync_all()?;
        let linked = std::fs::hard_link(&part, path);
        std::fs::remove_file(&part)?;
        linked.and_then(|()| sync_directory(path))
    };
    write().map_err(|source| MasterKeyError::File { path: path.to_owned(), source })
}

/// Makes the names in a file's directory durable.
///
/// # Errors
/// What the system says.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Checks that the key is the one the database was sealed with; a new database remembers it.
///
/// # Errors
/// [`MasterKeyError::Mismatch`]; `HalfRotated` and `HalfCopied` when work on the whole database was cut off.
pub async fn check(system: &SystemScope, key: &SealingKey) -> Result<(), MasterKeyError> {
    if let Some(installation) = installation(system).await? {
        return installation.admits(key);
    }
    let master_key_check = key.check_value()?;
    let new =
        Installation { id: Installation::ID.to_owned(), master_key_check, rotation_to: None, copy_of: None };
    system.records::<Installation>().insert(new, Vec::new()).await?;
    Ok(())
}
