//! Carrying out audit events: into the chain of the tenant, or of the platform, whose write they came with.

use crate::tenant::audit::{AuditEvent, checkpoint, recorder, retention};
use crate::tenant::keys::{KeyRing, Succession};
use crate::tenant::tenants::model::Tenant;
use futures_util::stream::{self, StreamExt};
use kernel::{Position, Query, Record, Scope, StorageError, StoredEffect, SystemScope, TagMatch, TenantId};
use protocol::seal::SealingKey;
use std::collections::BTreeMap;

/// The name under which the platform's own records are kept.
pub const PLATFORM: &str = "platform";

/// How many tenants are looked at together.
const PAGE: u32 = 100;

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
    let side_by_side = system.ports().storage.side_by_side();
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
    let mut batches: Vec<Batch> = batches.buffer_unordered(side_by_side).collect().await;
    let linked = batches.iter().enumerate().flat_map(|(place, batch)| {
        let events = batch.linked.as_ref().map(Vec::as_slice).unwrap_or_default();
        events.iter().map(move |event| (place, batch.owner.clone(), batch.scope.clone(), event.clone()))
    });
    let writes: Vec<_> = linked.collect();
    let writes = stream::iter(writes).map(|(place, owner, scope, event)| async move {
        tell(&owner, &event);
        (place, recorder::write(&scope, event).await)
    });
    let written: Vec<_> = writes.buffer_unordered(side_by_side).collect().await;
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

/// Signs a checkpoint of a log: with the tenant's key, the platform's with the default tenant's.
///
/// # Errors
/// When the tenant's keys don't open, or the database is away.
pub async fn sign(system: &SystemScope, master: &SealingKey, owner: &str) -> Result<(), StorageError> {
    let signer = TenantId::parse(owner).unwrap_or_else(|_| TenantId::default_tenant());
    // Who is gone, or not there yet, signs nothing.
    let Some(tenant) = system.records::<Tenant>().get(signer.as_str()).await? else { return Ok(()) };
    if tenant.keys.keys().is_empty() {
        return Ok(());
    }
    let keys = KeyRing::open(&tenant.keys, &signer, master, (&Succession::default(), system.now()));
    let keys = keys.map_err(|error| StorageError::Corrupt(error.to_string()))?;
    checkpoint::make(&scope_of(system, owner), (master, owner), &keys).await
}

/// Removes the events that are older than their tenants keep them.
///
/// # Errors
/// When the database is away; what is not done is done the next time.
pub async fn remove_old(system: &SystemScope, master: &SealingKey) -> Result<(), StorageError> {
    let mut query = Query::all(Tenant::KIND).with_all(vec![TagMatch::Is(Tenant::FORGETS.to_owned())]);
    query.limit = PAGE;
    loop {
        let page = system.records::<Tenant>().page(query.clone()).await?.items;
        for tenant in &page {
            let owner = tenant.id.as_str();
            if let Some(days) = tenant.config.settings().audit_retention_days {
                retention::apply(&scope_of(system, owner), (master, owner), days).await?;
            }
        }
        if page.len() < PAGE as usize {
            return Ok(());
        }
        query.offset += u64::from(PAGE);
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
