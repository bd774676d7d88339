//! `usso storage copy`: a whole installation from one database to another.
//!
//! The target is marked before its first document and unmarked after its last one has been compared, and a server
//! refuses to start on what is marked; so there is no moment at which half an installation serves. What was cut off is
//! run again: documents that are there are left alone.

use crate::app::jobs;
use crate::app::lease;
use crate::app::master_key::{self, Installation, MasterKeyError};
use crate::app::startup;
use crate::app::upkeep::checksum::{PAGE, Tally, for_each_page, tally};
use kernel::{KindSpec, Located, Record, StorageError, Stored, SystemScope, Timestamp, Topic};
use protocol::seal::SealingKey;

/// How many effects are looked at.
const PENDING: u32 = 1_000;

/// Why an installation isn't copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is nothing to copy.
    #[error("the source holds no installation")]
    NoSource,
    /// Work on the source was cut off.
    #[error("the source is not complete: {0}")]
    Unfinished(MasterKeyError),
    /// Events of the source can't be carried out.
    #[error(
        "the source has events that are not carried out yet and would be lost; start the server on it until its log \
         no longer says that an effect failed, stop it, and try again"
    )]
    Pending,
    /// Somebody else's data.
    #[error("the target is not empty, nor a part of this copy; choose an empty database")]
    NotEmpty,
    /// The target holds what the source doesn't.
    #[error("the target holds another {kind} under an id or key of the source's; choose an empty database")]
    Clash {
        /// The kind of record.
        kind: &'static str,
    },
    /// A database failed.
    #[error("the {side}: {error}")]
    Storage {
        /// `source` or `target`.
        side: &'static str,
        /// What it says.
        error: StorageError,
    },
}

fn source(error: StorageError) -> CopyError {
    CopyError::Storage { side: "source", error }
}

fn target(error: StorageError) -> CopyError {
    CopyError::Storage { side: "target", error }
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Counting the source; how much there is isn't known yet.
    Counting,
    /// Writing into the target.
    Copying,
    /// Comparing the target with the source.
    Comparing,
}

/// A kind in both databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The kind.
    pub kind: &'static str,
    /// In the source.
    pub source: Tally,
    /// In the target.
    pub target: Tally,
}

impl Compared {
    /// Whether both hold the same.
    pub fn is_same(&self) -> bool {
        self.source == self.target
    }
}

/// What came of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Every kind.
    pub kinds: Vec<Compared>,
    /// How many documents were written this time.
    pub written: u64,
}

impl Outcome {
    /// Whether the target holds what the source holds.
    pub fn is_same(&self) -> bool {
        self.kinds.iter().all(Compared::is_same)
    }
}

/// Copies an installation, or goes on with a copy. With its master key what is still to be carried
/// out is. Both databases are prepared and nobody else uses them. A target that
/// was completed before is only compared.
///
/// # Errors
/// [`CopyError`]; nothing but this copy's own documents was written then.
pub async fn copy(
    (from, key): (&SystemScope, Option<&SealingKey>),
    to: &SystemScope,
    mut progress: impl FnMut(Phase, u64, u64),
) -> Result<Outcome, CopyError> {
    let original = ready(from, key).await?;
    let now = from.now();
    let kinds = moved();
    let mut sums = Vec::new();
    let mut seen = 0;
    for kind in &kinds {
        let count = |read| {
            seen += read as u64;
            progress(Phase::Counting, seen, 0);
        };
        sums.push(tally(from, kind, now, count).await.map_err(source)?);
    }
    let total = sums.iter().map(|sum| sum.count).sum();
    let marker = mark(to, &original, now).await?;
    let mut written = 0;
    if marker.is_some() {
        written = fill(from, to, now, |done| progress(Phase::Copying, done, total)).await?;
    }
    let mut done = 0;
    let mut compared = Vec::new();
    for (kind, sum) in kinds.iter().zip(sums) {
        let count = |read| {
            done += read as u64;
            progress(Phase::Comparing, done, total);
        };
        let target = tally(to, kind, now, count).await.map_err(target)?;
        compared.push(Compared { kind: kind.kind, source: sum, target });
    }
    if let Some(marker) = marker.filter(|_| compared.iter().all(Compared::is_same)) {
        let installation =
            from.ports().storage.scan(Installation::KIND, None, PAGE, now).await.map_err(source)?;
        written += u64::from(load(to, Installation::KIND, installation).await?);
        to.records::<Installation>().delete(&marker, Vec::new()).await.map_err(target)?;
    }
    let spec = Installation::spec();
    let (source, target) = (tally(from, &spec, now, |_| ()).await, tally(to, &spec, now, |_| ()).await);
    let (source, target) = (source.map_err(self::source)?, target.map_err(self::target)?);
    compared.insert(0, Compared { kind: Installation::KIND, source, target });
    Ok(Outcome { kinds: compared, written })
}

/// The kinds that are copied document by document. Leases are about the database they are in, and the installation's
/// own record comes last.
fn moved() -> Vec<KindSpec> {
    let stays = [lease::Instance::KIND, lease::Turn::KIND, Installation::KIND];
    startup::kinds().into_iter().filter(|spec| !stays.contains(&spec.kind)).collect()
}

/// The source's own record, once all its events are carried out.
async fn ready(from: &SystemScope, key: Option<&SealingKey>) -> Result<Stored<Installation>, CopyError> {
    let original = match master_key::installation(from).await {
        Ok(found) => found.ok_or(CopyError::NoSource)?,
        Err(MasterKeyError::Storage(error)) => return Err(source(error)),
        Err(error) => return Err(CopyError::Unfinished(error)),
    };
    if original.rotation_to.is_some() {
        return Err(CopyError::Unfinished(MasterKeyError::HalfRotated));
    }
    if let Some(key) = key.filter(|key| original.admits(key).is_ok()) {
        jobs::finish_effects(from, key).await.map_err(source)?;
    }
    let ever = Timestamp::from_unix_micros(i64::MAX);
    let mut pending = from.ports().storage.effects_due(ever, PENDING).await.map_err(source)?;
    // Without the key no checkpoint can be signed; the next one stands for it.
    pending.retain(|stored| stored.effect.topic != Topic::Checkpoint);
    if pending.is_empty() { Ok(original) } else { Err(CopyError::Pending) }
}

/// Marks the target as this copy's. `None`: the copy was completed before.
async fn mark(
    to: &SystemScope,
    original: &Stored<Installation>,
    now: Timestamp,
) -> Result<Option<Stored<Installation>>, CopyError> {
    let records = to.records::<Installation>();
    let marker = Installation::copy_of(original);
    let found = records.get(Installation::ID).await.map_err(target)?;
    let is_ours = found.as_ref().is_none_or(|found| found.revision == original.revision);
    match records.get(&marker.id).await.map_err(target)? {
        Some(mark) if mark.record == marker && is_ours => Ok(Some(mark)),
        None if found.is_some() && is_ours => Ok(None),
        None if found.is_none() && is_empty(to, now).await? => {
            records.insert(marker, Vec::new()).await.map(Some).map_err(target)
        }
        _ => Err(CopyError::NotEmpty),
    }
}

async fn is_empty(to: &SystemScope, now: Timestamp) -> Result<bool, CopyError> {
    for kind in moved() {
        if !to.ports().storage.scan(kind.kind, None, 1, now).await.map_err(target)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes everything that isn't there yet.
async fn fill(
    from: &SystemScope,
    to: &SystemScope,
    now: Timestamp,
    mut progress: impl FnMut(u64),
) -> Result<u64, CopyError> {
    let (mut done, mut written) = (0, 0);
    for kind in moved() {
        let each = async |page: Vec<Located>| {
            done += page.len() as u64;
            written += u64::from(load(to, kind.kind, page).await?);
            progress(done);
            Ok::<_, CopyError>(())
        };
        for_each_page(from, &kind, now, each).await?;
    }
    Ok(written)
}

async fn load(to: &SystemScope, kind: &'static str, page: Vec<Located>) -> Result<u32, CopyError> {
    to.ports().storage.load(page).await.map_err(|error| match error {
        StorageError::Exists | StorageError::KeyTaken { .. } => CopyError::Clash { kind },
        other => target(other),
    })
}

/// In a scan of pages only the source is read.
impl From<StorageError> for CopyError {
    fn from(error: StorageError) -> Self {
        source(error)
    }
}
