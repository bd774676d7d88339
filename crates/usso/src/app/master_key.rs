//! The master key: configured, or a file beside the embedded database; and the proof that it is the right one.

use kernel::{Record, StorageError, Stored, SystemScope};
use protocol::seal::{SealError, SealingKey};
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

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
    /// Always `installation`.
    pub id: String,
    /// Tells the right master key from a wrong one, and nothing about it.
    pub master_key_check: String,
}

impl Record for Installation {
    const KIND: &'static str = "installation";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }
}

impl Installation {
    const ID: &'static str = "installation";
}

/// Reads the key file of a data directory, or makes it (mode 0600) if the database is new.
///
/// # Errors
/// When the file can't be read, written or understood; [`MasterKeyError::Lost`] when a sealed database lacks it.
pub async fn load_or_create(system: &SystemScope, data_dir: &Path) -> Result<[u8; 32], MasterKeyError> {
    let path = data_dir.join("master.key");
    let is_sealed = system.records::<Installation>().get(Installation::ID).await?.is_some();
    if is_sealed && !path.exists() {
        return Err(MasterKeyError::Lost(path));
    }
    load_or_create_file(path, system.random())
}

fn load_or_create_file(path: PathBuf, random: &dyn kernel::Random) -> Result<[u8; 32], MasterKeyError> {
    let failed = |source| MasterKeyError::File { path: path.clone(), source };
    match OpenOptions::new().read(true).open(&path) {
        Ok(mut file) => {
            if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
                tracing::warn!(path = %path.display(), "others may read the master key: give the file mode 0600");
            }
            let mut text = zeroize::Zeroizing::new(String::new());
            file.read_to_string(&mut text).map_err(failed)?;
            let key = crate::config::MasterKey::from_base64(text.trim());
            key.map(|k| *k.expose()).ok_or(MasterKeyError::Malformed(path))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let mut key = [0u8; 32];
            random.fill(&mut key);
            let text =
                zeroize::Zeroizing::new(base64::Engine::encode(&base64::prelude::BASE64_STANDARD, key));
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
            file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
            // The key must be there before anything is sealed with it.
            file.sync_all().map_err(failed)?;
            Ok(key)
        }
        Err(e) => Err(failed(e)),
    }
}

/// Checks that the key is the one the database was sealed with; a new database remembers it.
///
/// # Errors
/// [`MasterKeyError::Mismatch`].
pub async fn check(system: &SystemScope, key: &SealingKey) -> Result<(), MasterKeyError> {
    let records = system.records::<Installation>();
    let wanted = key.check_value()?;
    let stored: Option<Stored<Installation>> = records.get(Installation::ID).await?;
    match stored {
        Some(installation) if installation.master_key_check == wanted => Ok(()),
        Some(_) => Err(MasterKeyError::Mismatch),
        None => {
            let installation = Installation { id: Installation::ID.to_owned(), master_key_check: wanted };
            records.insert(installation, Vec::new()).await?;
            Ok(())
        }
    }
}
