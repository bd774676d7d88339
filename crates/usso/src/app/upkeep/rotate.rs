//! `usso master-key rotate`: the same installation under another master key.
//!
//! The order makes every moment safe to be killed at: the new key is on the disk before anything is sealed with it; the
//! database says that a rotation is under way before the first value changes and until the last one has been opened again
//! under the new key, and no server starts meanwhile; the key file is replaced while the key before is still beside it.
//! Running it again goes on where it stopped.

use crate::app::master_key::{self, Installation, MasterKeyError};
use crate::app::upkeep::checksum::for_each_page;
use crate::app::upkeep::key_files::{self, KeyFiles};
use crate::app::upkeep::reseal::{Keys, ResealError};
use crate::config::{Config, MasterKey};
use crate::tenant::audit::Event;
use crate::tenant::one_time::OneTime;
use crate::tenant::tenants::model::Tenant;
use crate::tenant::{Actor, ClientInfo};
use futures_util::future::try_join_all;
use kernel::{Change, Located, Record, StorageError, Stored, SystemScope, TenantId};
use protocol::seal::{SealError, SealingKey};
use std::path::PathBuf;

/// Why the master key isn't rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Nothing was ever sealed.
    #[error("the database is new: there is nothing sealed yet")]
    New,
    /// There is no difference.
    #[error("the new master key is the present one")]
    Same,
    /// A rotation to another key was begun.
    #[error(
        "a rotation to another key was begun and must be finished first: give that key with --new-key-file, or put \
         the file {0} back"
    )]
    OtherBegun(PathBuf),
    /// The key before is gone in the middle.
    #[error("a rotation was begun, and the key before it is not at hand: give it as MASTER_KEY")]
    NoFormer,
    /// What to do was told to stop, by the one who watches.
    #[error("{0}")]
    Watcher(String),
    /// About the key.
    #[error(transparent)]
    Key(#[from] MasterKeyError),
    /// About what is sealed.
    #[error(transparent)]
    Reseal(#[from] ResealError),
    /// Sealing is broken.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// How far a rotation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The new key is on the disk.
    KeyKept,
    /// The database knows that a rotation is under way.
    Begun,
    /// So many records were sealed again, since this run began.
    Resealed(u64),
    /// Everything opens under the new key.
    Verified,
    /// The key file holds the new key.
    KeyReplaced,
    /// The database knows the new key only.
    Finished,
}

/// What came of a rotation.
pub struct Rotated {
    /// How many records were sealed again.
    pub resealed: u64,
    /// The generated key and the file that keeps it, when the operator must put it where `MASTER_KEY` comes from. The file
    /// is to be removed once they have been told.
    pub to_place: Option<(MasterKey, PathBuf)>,
    /// Whether a key was given that the operator must put there.
    pub is_given: bool,
}

/// Seals everything under another key: the given one, or one that is generated. Nobody else uses the database. `reached`
/// is told after each step.
///
/// # Errors
/// [`RotateError`]; running it again goes on.
pub async fn rotate(
    system: &SystemScope,
    config: &Config,
    given: Option<MasterKey>,
    mut reached: impl FnMut(Step) -> Result<(), RotateError>,
) -> Result<Rotated, RotateError> {
    let rotation = Rotation::prepare(system, config, given)?;
    let installation = master_key::installation(system).await?.ok_or(RotateError::New)?;
    if let Some(done) = rotation.is_done(&installation)? {
        return Ok(done);
    }
    let (from, to) = rotation.keys(&installation, system)?;
    let next_check = seal(&to)?.check_value()?;
    if rotation.must_keep(&to) {
        key_files::put(&rotation.files.next, &to)?;
    }
    reached(Step::KeyKept)?;
    let begun = begin(system, installation, &next_check).await?;
    reached(Step::Begun)?;
    let keys = Keys { from: seal(&from)?, to: seal(&to)? };
    let resealed = reseal_all(system, &keys, |count| reached(Step::Resealed(count))).await?;
    // Once more: now everything must be sealed under the new key, and open.
    reseal_all(system, &keys, |_| Err(RotateError::Storage(StorageError::Conflict))).await?;
    reached(Step::Verified)?;
    if rotation.is_in_file && master_key::read(&rotation.files.current)?.as_ref() != Some(&to) {
        rotation.files.advance()?;
    }
    reached(Step::KeyReplaced)?;
    finish(system, &begun, next_check).await?;
    reached(Step::Finished)?;
    rotation.clean_up(to, resealed)
}

fn seal(key: &MasterKey) -> Result<SealingKey, SealError> {
    SealingKey::from_master(key.expose())
}

/// The keys at hand.
struct Rotation {
    files: KeyFiles,
    /// Whether the server reads its key from the data directory.
    is_in_file: bool,
    current: Option<MasterKey>,
    next: Option<MasterKey>,
    former: Option<MasterKey>,
    given: Option<MasterKey>,
}

impl Rotation {
    fn prepare(system: &SystemScope, config: &Config, given: Option<MasterKey>) -> Result<Self, RotateError> {
        let _ = system;
        let files = KeyFiles::of(&config.storage.data_dir);
        let is_in_file = config.security.master_key.is_none();
        let current = match &config.security.master_key {
            Some(key) => Some(key.clone()),
            None => master_key::read(&files.current)?,
        };
        let (next, former) = (master_key::read(&files.next)?, master_key::read(&files.former)?);
        Ok(Self { files, is_in_file, current, next, former, given })
    }

    fn with_check(&self, check: &str) -> Result<Option<MasterKey>, SealError> {
        for key in [&self.given, &self.current, &self.next, &self.former].into_iter().flatten() {
            if seal(key)?.check_value()? == check {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }
}
