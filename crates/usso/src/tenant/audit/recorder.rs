//! Writing events into the chains.
//!
//! The head goes first, by one compare-and-swap, and carries the new events; then they are written side by side. A process
//! that dies in between has lost nothing: the effects are not settled, and whoever meets the head again writes what is
//! missing as it stands there. Two workers can't fork a chain, because the compare-and-swap decides; and an event that comes
//! twice is found by its id.

use super::AuditEvent;
use super::chain::{AuditHead, Chain};
use futures_util::stream::{self, StreamExt};
use kernel::{Count, Query, Scope, StorageError, Stored, StoredEffect, SystemScope, TenantId};
use protocol::seal::SealingKey;
use std::collections::BTreeMap;

/// How many writes are under way at once, so that they share commits but leave connections to the requests.
const SIDE_BY_SIDE: usize = 8;

/// What became of one event.
pub type Outcome = (kernel::Position, Result<(), StorageError>);

/// The scope of a partition by its stored name.
pub fn scope_of(system: &SystemScope, partition: &str) -> Scope {
    match TenantId::parse(partition) {
        Ok(id) => (*system.open(id, ())).clone(),
        Err(_) => (**system).clone(),
    }
}

/// Writes the events of effects, each owner's in the order of their positions.
pub async fn record(system: &SystemScope, master: &SealingKey, due: Vec<StoredEffect>) -> Vec<Outcome> {
    let mut by_owner: BTreeMap<String, Vec<StoredEffect>> = BTreeMap::new();
    for effect in due {
        by_owner.entry(effect.partition.clone()).or_default().push(effect);
    }
    let linked = stream::iter(by_owner).map(|(owner, mut effects)| async move {
        effects.sort_by_key(|effect| effect.position);
        let scope = scope_of(system, &owner);
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut fresh = Vec::new();
        let mut positions = Vec::new();
        for effect in effects {
            match AuditEvent::from_effect(effect.position, effect.effect.payload) {
                Some(event) => {
                    positions.push(effect.position);
                    fresh.push(event);
                }
                None => {
                    let error = StorageError::Corrupt("an audit event can't be read".to_owned());
                    outcomes.push((effect.position, Err(error)));
                }
            }
        }
        let written = if fresh.is_empty() { Ok(Vec::new()) } else { link(&scope, master, &owner, fresh).await };
        (owner, scope, outcomes, positions, written)
    });
    let linked: Vec<_> = linked.buffer_unordered(SIDE_BY_SIDE).collect().await;
    let (mut outcomes, mut places, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    for (owner, scope, done, positions, written) in linked {
        outcomes.extend(done);
        match written {
            Ok(events) => {
                let place = places.len();
                writes.extend(events.into_iter().map(|event| (place, owner.clone(), scope.clone(), event)));
                places.push((positions, None));
            }
            Err(error) => places.push((positions, Some(error))),
        }
    }
    let writes = stream::iter(writes).map(|(place, owner, scope, event)| async move {
        tell(&owner, &event);
        (place, write(&scope, event).await)
    });
    let written: Vec<_> = writes.buffer_unordered(SIDE_BY_SIDE).collect().await;
    for (place, result) in written {
        if let (Err(error), Some((_, failed))) = (result, places.get_mut(place)) {
            *failed = Some(error);
        }
    }
    for (positions, failed) in places {
        // What isn't all written comes again, all of it, and what was written is found by its id.
        outcomes.extend(positions.into_iter().map(|position| match &failed {
            None => (position, Ok(())),
            Some(error) => (position, Err(again(error))),
        }));
    }
    outcomes
}

/// The same error for every event of a batch.
fn again(error: &StorageError) -> StorageError {
    match error {
        StorageError::Unavailable(text) => StorageError::Unavailable(text.clone()),
        // Another worker had the same events: the next look tells.
        StorageError::Conflict => StorageError::Unavailable("the audit chain is contended".to_owned()),
        other => StorageError::Corrupt(other.to_string()),
    }
}

/// To the log as well: what left the machine is a witness.
fn tell(owner: &str, event: &AuditEvent) {
    let (sequence, mac) =
        event.link.as_ref().map_or((0, ""), |link| (link.sequence, link.mac.as_str()));
    tracing::info!(
        tenant = %owner, event = %event.event, actor = %event.actor, target_id = %event.target,
        result = %event.result, ip = %event.ip, request_id = %event.request_id, sequence, mac, "audit"
    );
}

async fn write(scope: &Scope, event: AuditEvent) -> Result<(), StorageError> {
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

/// Puts new events at the end of a chain; answers them as they are to be written.
async fn link(
    scope: &Scope,
    master: &SealingKey,
    owner: &str,
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
    scope.records::<AuditHead>().replace(&head, next, Vec::new()).await?;
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
    let mut head = AuditHead { id, key, unchained, sequence: 0, mac, seal, last: Vec::new() };
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
