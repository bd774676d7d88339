//! Checkpoints: from time to time the tenant's published key signs where the chain has come to.
//!
//! The chain itself is under a secret key. A checkpoint is a witness for those who have nothing but the key set: whoever
//! keeps one sees from any later export whether the log was cut, or is another one. And it stands for the events before
//! it once they are removed because they are old.

use super::chain::{AuditHead, Chain};
use crate::tenant::keys::{KeyRing, KeyUse};
use kernel::{Change, Effect, Query, Record, Scope, Sort, StorageError, Stored, Timestamp, Topic};
use protocol::jose::{Jwk, Untrusted, VerifyingKey};
use protocol::seal::SealingKey;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// After so many events there is a checkpoint …
pub const EVERY: u64 = 1_000;
/// … and so many seconds after the first event since the last one.
pub const AT_LEAST_EVERY: i64 = 3_600;

/// The `typ` of a checkpoint.
pub const TYPE: &str = "audit-checkpoint+jwt";

/// How many checkpoints are read at once.
const PAGE: u32 = 100;

/// A checkpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// `checkpoint_` and the number of the event.
    pub id: String,
    /// The event.
    pub sequence: u64,
    /// Its digest.
    pub mac: String,
    /// The event of the checkpoint before; 0 for the first.
    pub previous: u64,
    /// When it was signed.
    pub at: Timestamp,
    /// The signed statement: a JWS of [`Statement`].
    pub token: String,
    /// The key that signed it, which is kept longer than it is published.
    pub key: Jwk,
    /// The digest of the above under the chain's key: who can write here can't make one with a key of their own.
    pub seal: String,
}

impl Record for Checkpoint {
    const KIND: &'static str = "audit_checkpoint";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }
}

/// What a checkpoint states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Whose log: a tenant's id, or the platform's name.
    pub log: String,
    /// The number of an event.
    pub sequence: u64,
    /// Its digest.
    pub mac: String,
    /// When this was stated; seconds since 1970.
    pub iat: i64,
}

impl Statement {
    /// Reads a signed statement.
    pub fn read(token: &str, key: &VerifyingKey) -> Option<Self> {
        let verified = Untrusted::parse(token).ok()?.verify(key).ok()?;
        (verified.header().typ.as_deref() == Some(TYPE)).then(|| verified.claims().ok()).flatten()
    }
}

/// The id of the checkpoint of an event.
pub fn id(sequence: u64) -> String {
    format!("checkpoint_{sequence:020}")
}

/// The effect that has a checkpoint made.
pub fn due(at: Timestamp) -> Effect {
    Effect { topic: Topic::Checkpoint, payload: json!({}), due_at: at }
}

/// When the next checkpoint is to be made, if that is decided by the chain's growing from one number to another.
pub fn due_at(head: &AuditHead, next: u64, now: Timestamp) -> Option<Timestamp> {
    let (before, after) = (head.sequence - head.checkpoint, next - head.checkpoint);
    if before < EVERY && after >= EVERY {
        Some(now)
    } else {
        (before == 0 && after > 0).then(|| now.plus_seconds(AT_LEAST_EVERY))
    }
}

/// Makes a checkpoint of an owner's last event, unless there is one.
///
/// # Errors
/// `Corrupt` when the chain's key doesn't open or nothing can be signed; when the database is away.
pub async fn make(
    scope: &Scope,
    (master, owner): (&SealingKey, &str),
    keys: &KeyRing,
) -> Result<(), StorageError> {
    let Some(head) = scope.records::<AuditHead>().get(AuditHead::ID).await? else { return Ok(()) };
    if head.sequence == head.checkpoint {
        return Ok(());
    }
    let broken = |e: &dyn std::fmt::Display| StorageError::Corrupt(format!("audit chain of {owner}: {e}"));
    let chain = Chain::open(master, owner, &head.key).map_err(|e| broken(&e))?;
    let (sequence, mac, now) = (head.sequence, head.mac.clone(), scope.now());
    let statement = Statement { log: owner.to_owned(), sequence, mac: mac.clone(), iat: now.unix_seconds() };
    let (token, key) = keys.sign_as(TYPE, KeyUse::Access, &statement, now).map_err(|e| broken(&e))?;
    let previous = head.checkpoint;
    let seal = String::new();
    let mut made = Checkpoint { id: id(sequence), sequence, mac, previous, at: now, token, key, seal };
    made.seal = chain.seal_checkpoint(&made);
    match scope.records::<Checkpoint>().insert(made, Vec::new()).await {
        // Made before, by somebody who didn't come to write it down.
        Ok(_) | Err(StorageError::Exists) => {}
        Err(error) => return Err(error),
    }
    let heads = scope.records::<AuditHead>();
    let written = heads.update::<StorageError>(AuditHead::ID, |head| {
        if head.checkpoint >= sequence {
            return Ok(Change::Keep);
        }
        let mut next = AuditHead { checkpoint: sequence, ..head.record.clone() };
        next.seal = chain.seal_head(&next);
        // Events that came meanwhile saw the checkpoint before, and had none scheduled.
        let is_ahead = head.sequence > sequence;
        let effects = is_ahead.then(|| due(now.plus_seconds(AT_LEAST_EVERY)));
        Ok(Change::Put(next, effects.into_iter().collect()))
    });
    written.await.map(drop)
}

/// All checkpoints of a log, oldest first.
///
/// # Errors
/// When the database is away, or one can't be read.
pub async fn all(scope: &Scope) -> Result<Vec<Stored<Checkpoint>>, StorageError> {
    let sort = Sort { field: "created_at", descending: false };
    let mut query = Query { limit: PAGE, sort, ..Query::all(Checkpoint::KIND) };
    let mut found = Vec::new();
    loop {
        let page = scope.records::<Checkpoint>().page(query.clone()).await?.items;
        let is_last = page.len() < PAGE as usize;
        found.extend(page);
        if is_last {
            found.sort_by_key(|checkpoint| checkpoint.sequence);
            return Ok(found);
        }
        query.offset += u64::from(PAGE);
    }
}
