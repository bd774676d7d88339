//! Background work of an instance: carrying out effects, and removing what has expired.

use crate::http::AppState;
use crate::tenant::audit::AuditEvent;
use futures_util::future::join_all;
use kernel::{Settlement, StorageError, StoredEffect, TenantId, Topic};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

const DRAIN_EVERY: Duration = Duration::from_millis(500);
const PURGE_EVERY: Duration = Duration::from_secs(60);
const BATCH: u32 = 256;
/// Seconds before a failed effect is tried again.
const RETRY_AFTER: i64 = 30;

/// Starts the jobs; they end, each after the step under way, when the channel says so.
pub fn start(state: AppState, stop: watch::Receiver<bool>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    jobs.spawn(repeat(state.clone(), stop.clone(), DRAIN_EVERY, |state| async move { drain(&state).await }));
    jobs.spawn(repeat(state, stop, PURGE_EVERY, |state| async move { purge(&state).await }));
    jobs
}

async fn repeat<F>(state: AppState, mut stop: watch::Receiver<bool>, every: Duration, step: fn(AppState) -> F)
where
    F: Future<Output = Result<(), StorageError>>,
{
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.changed() => return,
        }
        if let Err(error) = step(state.clone()).await {
            tracing::warn!(%error, "a background job failed and will be tried again");
        }
    }
}

/// Carries out every effect that is due.
///
/// # Errors
/// When the database is away; what is not settled is given out again.
pub async fn drain(state: &AppState) -> Result<(), StorageError> {
    let system = state.registry.system();
    loop {
        let due = system.effects_due(BATCH).await?;
        let is_last = due.len() < BATCH as usize;
        // Side by side, so that their writes share commits.
        let outcomes = join_all(due.into_iter().map(|effect| async {
            let position = effect.position;
            (position, carry_out(state, effect).await)
        }));
        let mut settled = Vec::new();
        for (position, outcome) in outcomes.await {
            let settlement = match outcome {
                Ok(()) => Settlement::Done,
                Err(StorageError::Unavailable(e)) => return Err(StorageError::Unavailable(e)),
                Err(error) => {
                    tracing::error!(%error, position = position.0, "an effect failed");
                    Settlement::RetryAt(system.now().plus_seconds(RETRY_AFTER))
                }
            };
            settled.push((position, settlement));
        }
        system.effects_settle(&settled).await?;
        if is_last {
            return Ok(());
        }
    }
}

async fn carry_out(state: &AppState, stored: StoredEffect) -> Result<(), StorageError> {
    match stored.effect.topic {
        Topic::Audit => record_event(state, stored).await,
        // Nothing makes these yet; keeping them for a version that knows them loses none.
        Topic::Message | Topic::Webhook | Topic::Invalidation => {
            Err(StorageError::Corrupt(format!("no worker for {}", stored.effect.topic.as_str())))
        }
    }
}

async fn record_event(state: &AppState, stored: StoredEffect) -> Result<(), StorageError> {
    let event = AuditEvent::from_effect(stored.position, stored.effect.payload)
        .ok_or_else(|| StorageError::Corrupt("an audit event can't be read".to_owned()))?;
    tracing::info!(
        tenant = %stored.partition, event = %event.event, actor = %event.actor, target_id = %event.target,
        result = %event.result, ip = %event.ip, request_id = %event.request_id, "audit"
    );
    let system = state.registry.system();
    let written = match TenantId::parse(&stored.partition) {
        Ok(id) => system.open(id, ()).records::<AuditEvent>().insert(event, Vec::new()).await,
        Err(_) => system.records::<AuditEvent>().insert(event, Vec::new()).await,
    };
    match written {
        // Written before, and the settlement was lost: the event's id is the effect's position.
        Ok(_) | Err(StorageError::Exists) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Removes expired records.
///
/// # Errors
/// When the database is away.
pub async fn purge(state: &AppState) -> Result<(), StorageError> {
    let system = state.registry.system();
    let storage = &system.ports().storage;
    while storage.purge_expired(system.now(), BATCH).await? >= BATCH {}
    Ok(())
}
