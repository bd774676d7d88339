//! `usso backup`: the embedded database, as it is at one moment, in one file.

use crate::app::master_key::{self, Installation, MasterKeyError};
use crate::app::startup::StartError;
use crate::app::upkeep::backup_file::{self, Header};
use crate::config::{Config, DatabaseUrl};
use backends::sql::sqlite_backup::{self as embedded};
use kernel::{Clock, Record, SystemClock};
use protocol::seal::SealingKey;
use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file of the embedded database; with another one the refusal says what to use.
///
/// # Errors
/// When another database is configured.
pub fn embedded_file(config: &Config, command: &str) -> Result<PathBuf, StartError> {
    match config.storage.database() {
        DatabaseUrl::Sqlite(path) => Ok(path),
        DatabaseUrl::Postgres(_) => Err(format!(
            "`usso {command}` is for the embedded database; with PostgreSQL use pg_dump and pg_restore, or its \
             continuous archiving"
        )
        .into()),
    }
}

/// Writes a backup to a new file (mode 0600), while a server may be running. Blocks. Answers what the file says about
/// itself.
///
/// # Errors
/// When there is a file of that name, the database can't be read or is broken, or the master key isn't its own.
pub fn backup(config: &Config, file: &Path) -> Result<Header, StartError> {
    let database = embedded_file(config, "backup")?;
    if file.exists() {
        return Err(format!("{} exists already: choose another name", file.display()).into());
    }
    let key = SealingKey::from_master(master_key::existing(config)?.expose())?;
    let (snapshot, part) = (Scratch::beside(file, ".snapshot"), Scratch::beside(file, ".part"));
    let created_at = SystemClock.now();
    embedded::snapshot(&database, &snapshot.0)?;
    embedded::check(&snapshot.0)?;
    admits(&snapshot.0, &key)?;
    let mut source = File::open(&snapshot.0)?;
    let header = Header {
        created_at,
        usso: env!("CARGO_PKG_VERSION").to_owned(),
        master_key_id: key.key_id().to_owned(),
        database_bytes: source.metadata()?.len(),
    };
    let target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part.0)?;
    let mut writer = BufWriter::new(&target);
    backup_file::write(&header, &mut source, &key, &mut writer)?;
    drop(writer);
    target.sync_all()?;
    // A link, not a renaming: what has appeared under the name meanwhile stays.
    std::fs::hard_link(&part.0, file)?;
    master_key::sync_directory(file)?;
    Ok(header)
}

/// Checks that a snapshot is a complete installation under this key.
fn admits(snapshot: &Path, key: &SealingKey) -> Result<(), StartError> {
    if embedded::body(snapshot, Installation::KIND, Installation::COPY)?.is_some() {
        return Err(MasterKeyError::HalfCopied.into());
    }
    let body = embedded::body(snapshot, Installation::KIND, Installation::ID)?;
    let body = body.ok_or("the database holds no installation yet")?;
    let installation: Installation = serde_json::from_str(&body)?;
    Ok(installation.admits(key)?)
}

/// A file that is gone when its maker is done, however that ends.
struct Scratch(PathBuf);

impl Scratch {
    fn beside(file: &Path, ending: &str) -> Self {
        let mut name = file.as_os_str().to_owned();
        name.push(format!("{ending}-{}", std::process::id()));
        Self(PathBuf::from(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been made.
        drop(std::fs::remove_file(&self.0));
    }
}
