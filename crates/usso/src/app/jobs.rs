//! Background work of an instance: carrying out effects, and removing what has expired.

use crate::app::lease::{self, LeaseError};
use crate::app::post;
use crate::app::recorder;
use crate::app::rest;
use crate::app::startup::Instance;
use crate::http::AppState;
use crate::identity::agents::usage as agents;
use crate::identity::api_keys::service::write_usage;
use crate::identity::users::removal;
use crate::integration::logout::notices;
use crate::tenant::audit::tally;
use crate::tenant::messaging::post::Post;
use crate::tenant::tenants::deletion;
use crate::tenant::tenants::model::Tenant;
use crate::tenant::usage;
use kernel::{
    Effect, Position, Settlement, StorageError, StoredEffect, SystemScope, TenantId, Timestamp, Topic,
};
use protocol::seal::SealingKey;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// What one instance does for all.
pub const TURN: &str = "jobs";

const DRAIN_EVERY: Duration = Duration::from_millis(500);
const DELIVER_EVERY: Duration = Duration::from_millis(200);
/// How often the feed of invalidations is read.
const READ_EVERY: Duration = Duration::from_secs(1);
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// How often it is written how API keys and tenants were used.
const COUNT_EVERY: Duration = Duration::from_secs(10);
const BATCH: u32 = 256;
/// Seconds before a failed effect is tried again.
const RETRY_AFTER: i64 = 30;

/// Starts the jobs; they end, each after the step under way, when the channel says so. An instance whose place was
/// taken stops itself through it.
pub fn start(instance: &Arc<Instance>, stop: &watch::Sender<bool>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    let stopped = || stop.subscribe();
    jobs.spawn(repeat(instance.clone(), stopped(), DRAIN_EVERY, |instance| async move {
        if has_turn(&instance).await? { drain(&instance.state).await } else { Ok(()) }
    }));
    jobs.spawn(repeat(instance.clone(), stopped(), PURGE_EVERY, |instance| async move {
        if has_turn(&instance).await? { purge(&instance.state).await } else { Ok(()) }
    }));
    jobs.spawn(repeat(instance.clone(), stopped(), DELIVER_EVERY, |instance| async move {
        post::work(&instance.state).await
    }));
    jobs.spawn(count(instance.clone(), stopped()));
    jobs.spawn(rest::watch(instance.state.clone(), stopped()));
    if instance.shared.is_some() {
        jobs.spawn(repeat(instance.clone(), stopped(), READ_EVERY, |instance| async move {
            match &instance.shared {
                Some(shared) => shared.reader.read(&instance.state).await,
                None => Ok(()),
            }
        }));
        jobs.spawn(renew(instance.clone(), stop.clone()));
    }
    jobs
}

/// Writes how API keys and tenants were used, a last time when the instance stops.
async fn count(instance: Arc<Instance>, stop: watch::Receiver<bool>) {
    let step = |instance: Arc<Instance>| async move { write_counts(&instance.state).await };
    repeat(instance.clone(), stop, COUNT_EVERY, step).await;
    if let Err(error) = write_counts(&instance.state).await {
        tracing::warn!(%error, "the last uses of API keys and tenants were not counted");
    }
}

/// Whether this instance does what one of them does for all.
async fn has_turn(instance: &Instance) -> Result<bool, StorageError> {
    match &instance.shared {
        Some(shared) => lease::has_turn(instance.state.registry.system(), TURN, shared.lease.id()).await,
        None => Ok(true),
    }
}

async fn renew(instance: Arc<Instance>, stop: watch::Sender<bool>) {
    let renewal = |instance: Arc<Instance>| async move {
        match &instance.shared {
            Some(shared) => shared.lease.renew(instance.state.registry.system()).await,
            None => Ok(()),
        }
    };
    let mut stopped = stop.subscribe();
    let mut ticks = tokio::time::interval(lease::RENEW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        match renewal(instance.clone()).await {
            Ok(()) => {}
            Err(LeaseError::Storage(error)) => tracing::warn!(%error, "the lease could not be renewed"),
            Err(LeaseError::NotAlone) => {
                tracing::error!("{}; stopping", LeaseError::NotAlone);
                let _ = stop.send(true);
                return;
            }
        }
    }
}

async fn repeat<F>(
    instance: Arc<Instance>,
    mut stop: watch::Receiver<bool>,
    every: Duration,
    step: fn(Arc<Instance>) -> F,
) where
    F: Future<Output = Result<(), StorageError>>,
{
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.changed() => return,
        }
        if let Err(error) = step(instance.clone()).await {
            tracing::warn!(%error, "a background job failed and will be tried again");
        }
    }
}

/// Carries out every effect that is due.
///
/// # Errors
/// When the database is away; what is not settled is given out again.
pub async fn drain(state: &AppState) -> Result<(), StorageError> {
    drain_to(state.registry.system(), state.registry.seal(), Some(&state.post)).await
}

/// Carries out every effect that is due, without an instance but with its master key.
///
/// # Errors
/// When the database is away; what is not settled is given out again.
pub async fn drain_effects(system: &SystemScope, master: &SealingKey) -> Result<(), StorageError> {
    drain_to(system, master, None).await
}

async fn drain_to(
    system: &SystemScope,
    master: &SealingKey,
    post: Option<&Post>,
) -> Result<(), StorageError> {
    loop {
        let due = system.effects_due(BATCH).await?;
        // Finding out whom to tell makes more to do.
        let is_first_half = |stored: &StoredEffect| {
            stored.effect.topic == Topic::Logout && !notices::is_addressed(&stored.effect)
        };
        let is_last = due.len() < BATCH as usize && !due.iter().any(is_first_half);
        carry_out((system, master, post), due).await?;
        if is_last {
            return Ok(());
        }
    }
}

/// As [`drain_effects`], those included that are for later: counts are told and checkpoints signed before their time.
/// For an installation that is about to be left.
///
/// # Errors
/// When the database is away.
pub async fn finish_effects(system: &SystemScope, master: &SealingKey) -> Result<(), StorageError> {
    let ever = Timestamp::from_unix_micros(i64::MAX);
    // Carrying one out may make another. What fails stays where it is.
    while carry_out((system, master, None), system.ports().storage.effects_due(ever, BATCH).await?).await? > 0
    {
    }
    Ok(())
}

/// Carries out these effects; answers how many were.
async fn carry_out(
    (system, master, post): (&SystemScope, &SealingKey, Option<&Post>),
    due: Vec<StoredEffect>,
) -> Result<usize, StorageError> {
    let (events, others): (Vec<_>, Vec<_>) =
        due.into_iter().partition(|stored| stored.effect.topic == Topic::Audit);
    let mut outcomes = recorder::record(system, master, events).await;
    let (messages, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|stored| is_for_the_post(&stored.effect));
    let taken = post
        .map_or_else(|| put_off(&messages, system.now()), |post| post.take(messages.clone(), system.now()));
    for stored in others {
        let scope = recorder::scope_of(system, &stored.partition);
        let outcome = match stored.effect.topic {
            Topic::Tally => tally::tell(&scope, &stored.effect.payload).await,
            Topic::Checkpoint => recorder::sign(system, master, &stored.partition).await,
            Topic::Logout => notices::address(&scope, &stored.effect.payload).await,
            // Nothing makes these yet; keeping them for a version that knows them loses none.
            topic => Err(StorageError::Corrupt(format!("no worker for {}", topic.as_str()))),
        };
        outcomes.push((stored.position, outcome));
    }
    let (mut settled, mut away) = (taken, None);
    for (position, outcome) in outcomes {
        let settlement = match outcome {
            Ok(()) => Settlement::Done,
            Err(error @ StorageError::Unavailable(_)) => {
                away = Some(error);
                continue;
            }
            Err(error) => {
                tracing::error!(%error, position = position.0, "an effect failed");
                Settlement::RetryAt(system.now().plus_seconds(RETRY_AFTER))
            }
        };
        settled.push((position, settlement));
    }
    system.effects_settle(&settled).await?;
    let done = settled.iter().filter(|(_, settlement)| *settlement == Settlement::Done).count();
    away.map_or(Ok(done), Err)
}

/// Whether somebody outside is waited for.
fn is_for_the_post(effect: &Effect) -> bool {
    effect.topic == Topic::Message || notices::is_addressed(effect)
}

/// Where nothing is delivered, messages wait.
fn put_off(messages: &[StoredEffect], now: Timestamp) -> Vec<(Position, Settlement)> {
    let later = Settlement::RetryAt(now.plus_seconds(RETRY_AFTER));
    messages.iter().map(|message| (message.position, later)).collect()
}

/// Writes how API keys and tenants were used since the last time.
///
/// # Errors
/// When the database is away; what is not written is kept for the next time.
pub async fn write_counts(state: &AppState) -> Result<(), StorageError> {
    let mut failed = None;
    for ((tenant, id), usage) in state.identity.api_keys().take_counts() {
        let scope = state.registry.system().open(tenant.clone(), ());
        if let Err(error) = write_usage(&scope, &usage).await {
            state.identity.api_keys().count_back((tenant, id), &usage);
            failed = Some(error);
        }
    }
    let used = state.identity.agents_used();
    for ((tenant, id), at) in used.take() {
        let scope = state.registry.system().open(tenant.clone(), ());
        if let Err(error) = agents::write(&scope, &id, at).await {
            used.note(&tenant, &id, at);
            failed = Some(error);
        }
    }
    let registry = &state.registry;
    for (id, requests) in registry.requests().take() {
        if let Err(error) = write_requests(registry.system(), &id, requests).await {
            registry.requests().of(&id).fetch_add(requests, Ordering::Relaxed);
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn write_requests(system: &SystemScope, id: &TenantId, requests: u64) -> Result<(), StorageError> {
    // A tenant that is gone leaves nothing behind.
    match system.records::<Tenant>().get(id.as_str()).await? {
        Some(_) => usage::write(&system.open(id.clone(), ()), requests).await,
        None => Ok(()),
    }
}

/// Removes expired records, users and tenants that were deleted long enough ago, and events older than their tenant keeps
/// them.
///
/// # Errors
/// When the database is away.
pub async fn purge(state: &AppState) -> Result<(), StorageError> {
    let system = state.registry.system();
    let storage = &system.ports().storage;
    while storage.purge_expired(system.now(), BATCH).await? >= BATCH {}
    // An event carried out later would be written into a tenant that is gone.
    drain(state).await?;
    removal::erase_due(&state.registry, &state.identity).await?;
    deletion::bury(&state.registry).await?;
    recorder::remove_old(system, state.registry.seal()).await
}
