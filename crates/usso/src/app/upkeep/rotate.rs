//! `usso master-key rotate`: the same installation under another master key.
//!
//! The order makes every moment safe to be killed at: the new key is on the disk before anything is sealed with it; the
//! database says that a rotation is under way before the first value changes and until the last one has been opened again
//! under the new key, and no server starts meanwhile; the key file is replaced while the key before is still beside it.
//! Running it again goes on where it stopped.

use crate::app::jobs;
use crate::app::master_key::{self, Installation, MasterKeyError};
use crate::app::recorder::scope_of;
use crate::app::upkeep::checksum::{PAGE, for_each_page};
use crate::app::upkeep::key_files::{self, KeyFiles};
use crate::app::upkeep::reseal::{Keys, ResealError};
use crate::config::{Config, MasterKey};
use crate::tenant::audit::Event;
use crate::tenant::audit::chain::AuditHead;
use crate::tenant::one_time::OneTime;
use crate::tenant::tenants::model::Tenant;
use crate::tenant::{Actor, ClientInfo};
use futures_util::future::try_join_all;
use kernel::{Change, Located, Record, Scope, StorageError, Stored, SystemScope, TenantId};
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
    /// The one who watches wants no more.
    #[error("stopped")]
    Stopped,
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
#[derive(Debug, Default)]
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
    let hand = Hand::take(config, given)?;
    let installation = master_key::installation(system).await?.ok_or(RotateError::New)?;
    if let Some(done) = hand.finished(&installation)? {
        return Ok(done);
    }
    let (from, to) = hand.keys(&installation, || master_key::generate(system))?;
    let next_check = seal(&to)?.check_value()?;
    if hand.must_keep(&to) {
        key_files::put(&hand.files.next, &to)?;
    }
    reached(Step::KeyKept)?;
    let begun = begin(system, installation, &next_check).await?;
    reached(Step::Begun)?;
    let keys = Keys { from: seal(&from)?, to: seal(&to)? };
    let mut resealed = 0;
    // Until a pass over everything has nothing left to do: by then every value was opened under the new key.
    while reseal_all(system, &keys, &mut resealed, &mut reached).await? {}
    reached(Step::Verified)?;
    if hand.is_in_file && hand.current.as_ref() != Some(&to) {
        hand.files.advance()?;
    }
    reached(Step::KeyReplaced)?;
    finish(system, &begun, (next_check, &keys.to)).await?;
    reached(Step::Finished)?;
    hand.clean_up(to, resealed)
}

fn seal(key: &MasterKey) -> Result<SealingKey, SealError> {
    SealingKey::from_master(key.expose())
}

fn has_check(key: &MasterKey, check: &str) -> Result<bool, SealError> {
    Ok(seal(key)?.check_value()? == check)
}

/// The keys at hand.
struct Hand {
    files: KeyFiles,
    /// Whether the server reads its key from the data directory.
    is_in_file: bool,
    current: Option<MasterKey>,
    next: Option<MasterKey>,
    former: Option<MasterKey>,
    given: Option<MasterKey>,
}

impl Hand {
    fn take(config: &Config, given: Option<MasterKey>) -> Result<Self, RotateError> {
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
            if has_check(key, check)? {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }

    /// What is left to say or to remove of a rotation that the database has finished.
    fn finished(&self, installation: &Installation) -> Result<Option<Rotated>, RotateError> {
        let check = &installation.master_key_check;
        let is_present = |key: &Option<MasterKey>| match key {
            Some(key) => has_check(key, check),
            None => Ok(false),
        };
        if installation.rotation_to.is_some() {
            return Ok(None);
        }
        if self.is_in_file {
            if self.former.is_none() || !is_present(&self.current)? {
                return Ok(None);
            }
            key_files::remove(&self.files.former)?;
            let is_another_wanted = self.given.is_some() && !is_present(&self.given)?;
            return Ok((!is_another_wanted).then(Rotated::default));
        }
        if is_present(&self.current)? {
            return Ok(None);
        }
        if let Some(next) = self.next.clone().filter(|_| is_present(&self.next).unwrap_or(false)) {
            return Ok(Some(self.placed(next, 0)));
        }
        Ok(is_present(&self.given)?.then(|| Rotated { is_given: true, ..Rotated::default() }))
    }

    /// The key before and the key after.
    fn keys(
        &self,
        installation: &Installation,
        generate: impl FnOnce() -> MasterKey,
    ) -> Result<(MasterKey, MasterKey), RotateError> {
        let check = &installation.master_key_check;
        let Some(next_check) = &installation.rotation_to else {
            let current =
                self.current.clone().ok_or_else(|| MasterKeyError::Lost(self.files.current.clone()))?;
            installation.admits(&seal(&current)?)?;
            let to = self.given.clone().or_else(|| self.next.clone()).unwrap_or_else(generate);
            return if has_check(&to, check)? { Err(RotateError::Same) } else { Ok((current, to)) };
        };
        let other = || RotateError::OtherBegun(self.files.next.clone());
        if let Some(given) = &self.given
            && !has_check(given, next_check)?
        {
            return Err(other());
        }
        let to = self.with_check(next_check)?.ok_or_else(other)?;
        let from = self.with_check(check)?.ok_or(RotateError::NoFormer)?;
        Ok((from, to))
    }

    /// Whether the new key must be written down before anything is sealed with it.
    fn must_keep(&self, to: &MasterKey) -> bool {
        if self.is_in_file { self.current.as_ref() != Some(to) } else { self.given.is_none() }
    }

    fn clean_up(&self, to: MasterKey, resealed: u64) -> Result<Rotated, RotateError> {
        if self.is_in_file {
            key_files::remove(&self.files.former)?;
            return Ok(Rotated { resealed, ..Rotated::default() });
        }
        Ok(match self.given {
            Some(_) => Rotated { resealed, is_given: true, ..Rotated::default() },
            None => self.placed(to, resealed),
        })
    }

    fn placed(&self, key: MasterKey, resealed: u64) -> Rotated {
        Rotated { resealed, to_place: Some((key, self.files.next.clone())), is_given: false }
    }
}

async fn begin(
    system: &SystemScope,
    installation: Stored<Installation>,
    next_check: &str,
) -> Result<Stored<Installation>, StorageError> {
    if installation.rotation_to.is_some() {
        return Ok(installation);
    }
    let begun = Installation { rotation_to: Some(next_check.to_owned()), ..installation.record.clone() };
    system.records::<Installation>().replace(&installation, begun, Vec::new()).await
}

async fn finish(
    system: &SystemScope,
    begun: &Stored<Installation>,
    (next_check, key): (String, &SealingKey),
) -> Result<(), StorageError> {
    let done = Installation { master_key_check: next_check, rotation_to: None, ..begun.record.clone() };
    let event = Event::new("master_key.rotated", Actor::System, Installation::ID, &ClientInfo::local())
        .effect(system);
    system.records::<Installation>().replace(begun, done, vec![event]).await?;
    jobs::drain_effects(system, key).await
}

/// One pass over everything; answers whether there was anything to do.
async fn reseal_all(
    system: &SystemScope,
    keys: &Keys,
    total: &mut u64,
    reached: &mut impl FnMut(Step) -> Result<(), RotateError>,
) -> Result<bool, RotateError> {
    let now = system.now();
    // What has expired needn't be sealed again, and mustn't stay.
    while system.ports().storage.purge_expired(now, PAGE).await? > 0 {}
    let before = *total;
    for kind in [Tenant::spec(), OneTime::spec(), AuditHead::spec()] {
        let each = async |page: Vec<Located>| {
            let done = try_join_all(page.iter().map(|located| reseal(system, keys, located))).await?;
            let count = done.into_iter().filter(|changed| *changed).count() as u64;
            *total += count;
            if count > 0 { reached(Step::Resealed(*total)) } else { Ok(()) }
        };
        for_each_page(system, &kind, now, each).await?;
    }
    Ok(*total > before)
}

async fn reseal(system: &SystemScope, keys: &Keys, located: &Located) -> Result<bool, RotateError> {
    let id = &located.document.id;
    if located.document.kind == Tenant::KIND {
        return change::<Tenant>(system, id, |tenant| keys.tenant(tenant)).await;
    }
    if located.document.kind == AuditHead::KIND {
        let scope = scope_of(system, &located.partition);
        return change::<AuditHead>(&scope, id, |head| keys.audit_head(&located.partition, head)).await;
    }
    match TenantId::parse(&located.partition) {
        Ok(tenant) if located.document.body.contains("\"answer\"") => {
            let scope = system.open(tenant.clone(), ());
            change::<OneTime>(&scope, id, |record| keys.one_time(&tenant, record)).await
        }
        _ => Ok(false),
    }
}

async fn change<R: Record>(
    scope: &Scope,
    id: &str,
    next: impl Fn(&R) -> Result<Option<R>, ResealError>,
) -> Result<bool, RotateError> {
    let mut has_changed = false;
    let records = scope.records::<R>();
    records
        .update::<RotateError>(id, |old| {
            let next = next(&old.record)?;
            has_changed = next.is_some();
            Ok(next.map_or(Change::Keep, |next| Change::Put(next, Vec::new())))
        })
        .await?;
    Ok(has_changed)
}
