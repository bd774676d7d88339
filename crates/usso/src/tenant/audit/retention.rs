//! Removing what is older than the tenant wants its log to be (`audit.retention_days`).
//!
//! The log is removed up to a checkpoint, which stands for what was there. The head says so first, by one
//! compare-and-swap with the event that tells of it; the events go afterwards, and whoever meets a head whose events are
//! not all gone goes on.

use super::chain::{AuditHead, Chain, key};
use super::checkpoint::{self, Checkpoint};
use super::{AuditEvent, Event};
use crate::tenant::{Actor, ClientInfo};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use kernel::{Query, Scope, Sort, StorageError, Stored};
use protocol::seal::SealingKey;

const DAY: i64 = 86_400;
/// How many events are removed side by side.
const SIDE_BY_SIDE: usize = 8;
/// How many events are removed between two looks at whether others want the turn.
const PAGE: u32 = 200;

/// Removes the events of an owner that are older than so many days, as far as a checkpoint stands for them.
///
/// # Errors
/// When the database is away, or the chain's key doesn't open; running it again goes on.
pub async fn apply(
    scope: &Scope,
    (master, owner): (&SealingKey, &str),
    days: i64,
) -> Result<(), StorageError> {
    sweep(scope).await?;
    let Some(head) = scope.records::<AuditHead>().get(AuditHead::ID).await? else { return Ok(()) };
    let before = scope.now().plus_seconds(-days * DAY);
    let old = checkpoint::all(scope).await?.into_iter().filter(|made| made.at <= before);
    // What the head doesn't know of yet isn't one to rely on.
    let mut old = old.filter(|made| made.sequence > head.removed && made.sequence <= head.checkpoint);
    let Some(last) = old.next_back() else { return Ok(()) };
    let chain = Chain::open(master, owner, &head.key).map_err(|e| StorageError::Corrupt(e.to_string()))?;
    super::recorder::write_last(scope, &head).await?;
    let (removed, removed_mac) = (last.sequence, last.mac.clone());
    let mut next = AuditHead { removed, removed_mac, unchained: 0, ..head.record.clone() };
    // Or they would be written again.
    next.last.retain(|event| event.link.as_ref().is_some_and(|link| link.sequence > removed));
    next.seal = chain.seal_head(&next);
    let client = ClientInfo::local();
    let event = Event::new("audit.removed", Actor::System, owner, &client).with("up_to", removed);
    match scope.records::<AuditHead>().replace(&head, next, vec![event.effect(scope)]).await {
        // Events came meanwhile: the next time.
        Err(StorageError::Conflict) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => sweep(scope).await,
    }
}

/// Removes what the head says is removed and is still there.
///
/// # Errors
/// When the database is away.
pub async fn sweep(scope: &Scope) -> Result<(), StorageError> {
    let Some(head) = scope.records::<AuditHead>().get(AuditHead::ID).await? else { return Ok(()) };
    if head.swept >= head.removed {
        return Ok(());
    }
    let gone = stream::iter(head.swept + 1..=head.removed).map(|number| async move {
        match scope.records::<AuditEvent>().find(&key(number)).await? {
            Some(event) => remove(scope, &event).await,
            None => Ok(()),
        }
    });
    gone.buffer_unordered(SIDE_BY_SIDE).try_collect::<()>().await?;
    if head.swept == 0 {
        remove_unchained(scope).await?;
    }
    for made in checkpoint::all(scope).await?.iter().filter(|made| made.sequence < head.removed) {
        scope.records::<Checkpoint>().delete(made, Vec::new()).await?;
    }
    let heads = scope.records::<AuditHead>();
    let swept = heads.update::<StorageError>(AuditHead::ID, |found| {
        Ok(kernel::Change::Put(AuditHead { swept: head.removed, ..found.record.clone() }, Vec::new()))
    });
    swept.await.map(drop)
}

/// Events of before the chain are older than all that is in it.
async fn remove_unchained(scope: &Scope) -> Result<(), StorageError> {
    let sort = Sort { field: "created_at", descending: false };
    let query = Query { limit: PAGE, sort, ..Query::all("audit_event") };
    loop {
        let page = scope.records::<AuditEvent>().page(query.clone()).await?.items;
        let old: Vec<_> = page.iter().take_while(|event| event.link.is_none()).collect();
        for event in &old {
            remove(scope, event).await?;
        }
        if old.len() < PAGE as usize {
            return Ok(());
        }
    }
}

async fn remove(scope: &Scope, event: &Stored<AuditEvent>) -> Result<(), StorageError> {
    match scope.records::<AuditEvent>().delete(event, Vec::new()).await {
        // Erased or removed by another meanwhile: the next time.
        Err(StorageError::Conflict) => {
            Err(StorageError::Unavailable("the audit log is contended".to_owned()))
        }
        done => done,
    }
}
