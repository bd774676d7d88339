//! Writing events into the chains.
//!
//! The head goes first, by one compare-and-swap, and carries the new events; then they are written side by side. A process
//! that dies in between has lost nothing: the effects are not settled, and whoever meets the head again writes what is
//! missing as it stands there. Two workers can't fork a chain, because the compare-and-swap decides; and an event that comes
//! twice is found by its id.

use super::chain::{AuditHead, Chain};
use super::{AuditEvent, checkpoint};
use kernel::{Count, Query, Scope, StorageError, Stored};
use protocol::seal::SealingKey;

/// Writes an event; one that is there already is left alone.
///
/// # Errors
/// When the database is away.
pub async fn write(scope: &Scope, event: AuditEvent) -> Result<(), StorageError> {
    match scope.records::<AuditEvent>().insert(event, Vec::new()).await {
        // Written before, and the settlement was lost.
        Ok(_) | Err(StorageError::Exists) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Writes what a head carries and isn't written yet.
///
/// # Errors
/// When the database is away.
pub async fn write_last(scope: &Scope, head: &AuditHead) -> Result<(), StorageError> {
    for event in &head.last {
        if scope.records::<AuditEvent>().get(&event.id).await?.is_none() {
            write(scope, event.clone()).await?;
        }
    }
    Ok(())
}

/// Puts new events at the end of an owner's chain; answers them as they are to be written, without those that were before.
///
/// # Errors
/// `Conflict` when another worker was faster; `Corrupt` when the chain's key doesn't open; when the database is away.
pub async fn link(
    scope: &Scope,
    (master, owner): (&SealingKey, &str),
    fresh: Vec<AuditEvent>,
) -> Result<Vec<AuditEvent>, StorageError> {
    let broken = |e: protocol::seal::SealError| StorageError::Corrupt(format!("audit chain of {owner}: {e}"));
    let head = match scope.records::<AuditHead>().get(AuditHead::ID).await? {
        Some(head) => head,
        None => begin(scope, master, owner).await?,
    };
    let chain = Chain::open(master, owner, &head.key).map_err(broken)?;
    write_last(scope, &head).await?;
    let (mut sequence, mut mac, mut last) = (head.sequence, head.mac.clone(), Vec::new());
    for event in fresh {
        if scope.records::<AuditEvent>().get(&event.id).await?.is_some() {
            continue;
        }
        sequence += 1;
        let event = chain.link(event, sequence, &mac);
        mac = event.link.as_ref().map(|link| link.mac.clone()).unwrap_or_default();
        last.push(event);
    }
    if last.is_empty() {
        return Ok(last);
    }
    let mut next = AuditHead { sequence, mac, last: last.clone(), ..head.record.clone() };
    next.seal = chain.seal_head(&next);
    let due = checkpoint::due_at(&head, sequence, scope.now()).map(checkpoint::due);
    scope.records::<AuditHead>().replace(&head, next, due.into_iter().collect()).await?;
    Ok(last)
}

/// Begins a chain. What was written before there were chains stays before it, and its number is kept.
async fn begin(scope: &Scope, master: &SealingKey, owner: &str) -> Result<Stored<AuditHead>, StorageError> {
    let broken = |e: protocol::seal::SealError| StorageError::Corrupt(format!("audit chain of {owner}: {e}"));
    let query = Query { limit: 1, count: Count::Exact, ..Query::all("audit_event") };
    let unchained = scope.records::<AuditEvent>().page(query).await?.total;
    let key = Chain::new_key(master, owner, &scope.token::<32>()).map_err(broken)?;
    let chain = Chain::open(master, owner, &key).map_err(broken)?;
    let (id, mac, seal) = (AuditHead::ID.to_owned(), String::new(), String::new());
    let (sequence, removed, removed_mac, swept, checkpoint) = (0, 0, String::new(), 0, 0);
    let last = Vec::new();
    let mut head =
        AuditHead { id, key, unchained, sequence, mac, removed, removed_mac, swept, checkpoint, seal, last };
    head.seal = chain.seal_head(&head);
    match scope.records::<AuditHead>().insert(head, Vec::new()).await {
        Ok(head) => Ok(head),
        // Another worker was faster; whichever head stands decides.
        Err(StorageError::Exists) => {
            scope.records::<AuditHead>().get(AuditHead::ID).await?.ok_or(StorageError::Conflict)
        }
        Err(e) => Err(e),
    }
}
