//! `usso restore`: a backup becomes the embedded database. Everything about it is checked before anything is replaced.
//!
//! Sessions that were ended after the backup live again with it, unless they are all ended on the way.

use crate::app::master_key;
use crate::app::startup;
use crate::app::startup::StartError;
use crate::app::upkeep::backup::embedded_file;
use crate::app::upkeep::backup_file::{self, Header};
use crate::app::upkeep::checksum::for_each_page;
use crate::app::upkeep::exclusive::Exclusive;
use crate::config::{Config, DatabaseUrl};
use crate::tenant::audit::Event;
use crate::tenant::tenants::model::Tenant;
use crate::tenant::{Actor, ClientInfo};
use backends::sql::sqlite_backup::{self as embedded, Exchange};
use kernel::{Change, Clock, Record, StorageError, SystemClock, SystemScope};
use protocol::seal::SealingKey;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the operator wants.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes {
    /// Replace the database there is.
    pub force: bool,
    /// End every session of every tenant.
    pub end_sessions: bool,
}

/// What came of restoring.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says about itself.
    pub header: Header,
    /// Where the database before is kept.
    pub predecessor: Option<PathBuf>,
}

/// Puts the database of a backup in the place of the configured one, which is kept under another name.
///
/// # Errors
/// When a server is running, there is a database and `force` isn't wished for, or the backup isn't whole, genuine and of this
/// master key; nothing was replaced then.
pub async fn restore(config: &Config, file: &Path, wishes: Wishes) -> Result<Restored, StartError> {
    let database = embedded_file(config, "restore")?;
    let key = SealingKey::from_master(master_key::existing(config)?.expose())?;
    startup::make_data_dir(&config.storage.data_dir)?;
    let exchange = Exchange::begin(&database)?;
    if exchange.has_database() && !wishes.force {
        return Err(format!(
            "there is a database {}: with --force it is kept under another name and replaced",
            database.display()
        )
        .into());
    }
    let successor = Successor(exchange.successor());
    successor.remove();
    let header = unpack(file, &key, &successor.0)?;
    embedded::check(&successor.0)?;
    // As a server would open it: versions, a key that fits, nothing left half done.
    let opened = Exclusive::open(&DatabaseUrl::Sqlite(successor.0.clone())).await?;
    let ready = make_ready(opened.system(), &key, wishes).await;
    opened.close().await?;
    ready?;
    let had_database = exchange.has_database();
    let predecessor = predecessor(&database);
    exchange.commit(&predecessor)?;
    Ok(Restored { header, predecessor: had_database.then_some(predecessor) })
}

/// Checks that the key fits, and does what is to be done before anybody is served.
async fn make_ready(system: &SystemScope, key: &SealingKey, wishes: Wishes) -> Result<(), StartError> {
    let installation = master_key::installation(system).await?;
    installation.ok_or(master_key::MasterKeyError::Mismatch)?.admits(key)?;
    if wishes.end_sessions { Ok(end_sessions(system).await?) } else { Ok(()) }
}

/// Ends every session, by what each of them compares itself with.
async fn end_sessions(system: &SystemScope) -> Result<(), StorageError> {
    let (tenants, client) = (system.records::<Tenant>(), ClientInfo::local());
    for_each_page(system, &Tenant::spec(), system.now(), async |page| {
        for located in page {
            let id = located.document.id;
            let event = Event::new("tenant.sessions_ended", Actor::System, &id, &client).effect(system);
            tenants
                .update::<StorageError>(&id, |old| {
                    let next = Tenant { session_epoch: old.session_epoch + 1, ..old.record.clone() };
                    Ok(Change::Put(next, vec![event.clone()]))
                })
                .await?;
        }
        Ok::<_, StorageError>(())
    })
    .await
}

fn unpack(file: &Path, key: &SealingKey, to: &Path) -> Result<Header, StartError> {
    let unreadable = |e: std::io::Error| format!("{} can't be read: {e}", file.display());
    let source = File::open(file).map_err(unreadable)?;
    let bytes = source.metadata().map_err(unreadable)?.len();
    let target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let mut writer = BufWriter::new(&target);
    let header = backup_file::read(&mut BufReader::new(source), bytes, key, &mut writer)?;
    drop(writer);
    target.sync_all()?;
    Ok(header)
}

/// `usso.db.before-restore-20270115T080000Z`
fn predecessor(database: &Path) -> PathBuf {
    let now = SystemClock.now().to_rfc3339();
    let seconds: String = now.chars().take_while(|c| *c != '.').filter(|c| !matches!(c, '-' | ':')).collect();
    let mut name = database.as_os_str().to_owned();
    name.push(format!(".before-restore-{seconds}Z"));
    PathBuf::from(name)
}

/// The unpacked database and what opening it leaves beside it, gone unless it took its place.
struct Successor(PathBuf);

impl Successor {
    fn remove(&self) {
        for ending in ["", "-wal", "-shm", ".lock"] {
            let mut name = self.0.as_os_str().to_owned();
            name.push(ending);
            // Most of them are never made.
            drop(std::fs::remove_file(name));
        }
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        self.remove();
    }
}
