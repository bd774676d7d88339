//! Carrying out audit events: into the chain of the tenant, or of the platform, whose write they came with.

use crate::tenant::audit::{AuditEvent, recorder};
use futures_util::stream::{self, StreamExt};
use kernel::{Position, Scope, StorageError, StoredEffect, SystemScope, TenantId};
use protocol::seal::SealingKey;
use std::collections::BTreeMap;

/// How many writes are under way at once, so that they share commits but leave connections to the requests.
const SIDE_BY_SIDE: usize = 8;

/// What became of one event.
pub type Outcome = (Position, Result<(), StorageError>);

/// The scope of a partition by its stored name.
pub fn scope_of(system: &SystemScope, partition: &str) -> Scope {
    match TenantId::parse(partition) {
        Ok(id) => (*system.open(id, ())).clone(),
        Err(_) => (**system).clone(),
    }
}

/// What one owner's events became.
struct Batch {
    owner: String,
    scope: Scope,
    positions: Vec<Position>,
    linked: Result<Vec<AuditEvent>, StorageError>,
}

/// Writes the events of effects, each owner's in the order of their positions.
pub async fn record(system: &SystemScope, master: &SealingKey, due: Vec<StoredEffect>) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut by_owner: BTreeMap<String, Vec<(Position, AuditEvent)>> = BTreeMap::new();
    for StoredEffect { position, partition, effect, .. } in due {
        match AuditEvent::from_effect(position, effect.payload) {
            Some(event) => by_owner.entry(partition).or_default().push((position, event)),
            None => {
                let error = StorageError::Corrupt("an audit event can't be read".to_owned());
                outcomes.push((position, Err(error)));
            }
        }
    }
    let batches = stream::iter(by_owner).map(|(owner, mut events)| async move {
        events.sort_by_key(|(position, _)| *position);
        let (positions, events): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        let scope = scope_of(system, &owner);
        let linked = recorder::link(&scope, (master, &owner), events).await;
        Batch { owner, scope, positions, linked }
    });
    let mut batches: Vec<Batch> = batches.buffer_unordered(SIDE_BY_SIDE).collect().await;
    let linked = batches.iter().enumerate().flat_map(|(place, batch)| {
        let events = batch.linked.as_ref().map(Vec::as_slice).unwrap_or_default();
        events.iter().map(move |event| (place, batch.owner.clone(), batch.scope.clone(), event.clone()))
    });
    let writes: Vec<_> = linked.collect();
    let writes = stream::iter(writes).map(|(place, owner, scope, event)| async move {
        tell(&owner, &event);
        (place, recorder::write(&scope, event).await)
    });
    let written: Vec<_> = writes.buffer_unordered(SIDE_BY_SIDE).collect().await;
    for (place, result) in written {
        if let (Err(error), Some(batch)) = (result, batches.get_mut(place)) {
            batch.linked = Err(error);
        }
    }
    for Batch { positions, linked, .. } in batches {
        // What isn't all written comes again, all of it, and what was written is found by its id.
        let outcome = || linked.as_ref().map(drop).map_err(again);
        outcomes.extend(positions.into_iter().map(|position| (position, outcome())));
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
    let (sequence, mac) = event.link.as_ref().map_or((0, ""), |link| (link.sequence, link.mac.as_str()));
    tracing::info!(
        tenant = %owner, event = %event.event, actor = %event.actor, target_id = %event.target,
        result = %event.result, ip = %event.ip, request_id = %event.request_id, sequence, mac, "audit"
    );
}
