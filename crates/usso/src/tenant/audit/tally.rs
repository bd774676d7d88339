//! Floods of failures: one event at once, and one for the rest of the minute that tells how many there were.
//!
//! Failures are equal when event, account and client are: whoever repeats one writes two events a minute at the most. The
//! count is a durable record; the second failure of a minute commits an effect that is due when the minute is over, and
//! the one write that removes the record commits the event with its count. So nothing is lost, and nothing told twice.
//!
//! Equal failures that come while one is being written wait and are written together: a flood costs few writes.

use super::ClientInfo;
use crate::tenant::TenantScope;
use crate::tenant::one_time::OneTime;
use kernel::{Change, Effect, Scope, StorageError, Timestamp, Topic};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How long failures are counted together, in seconds.
const WINDOW: i64 = 60;
/// Requests that began within the minute may still be under way so many seconds after it.
const SLACK: i64 = 5;
/// How long a count waits for a worker, in seconds.
const PATIENCE: i64 = 30 * 86_400;
/// How many different things are counted each by itself.
const MAX_NAMES: usize = 16;
const ATTEMPTS: u32 = 16;

/// Failures that wait to be written with others.
#[derive(Debug, Default)]
pub struct Tallies {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

#[derive(Debug, Default)]
struct Slot {
    waiting: AtomicU64,
    turn: tokio::sync::Mutex<()>,
}

impl Tallies {
    fn slot(&self, name: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(name.to_owned()).or_default().clone()
    }

    /// Forgets a slot nobody else has.
    fn leave(&self, name: &str, slot: Arc<Slot>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        drop(slot);
        if slots.get(name).is_some_and(|slot| Arc::strong_count(slot) == 1) {
            slots.remove(name);
        }
    }
}

/// Writes the event of a failure, or counts it with those of this minute. `event`: an effect of [`super::Event`].
///
/// # Errors
/// When the database is away.
pub async fn note(tenant: &TenantScope, event: &Effect) -> Result<(), StorageError> {
    let (id, end) = window(&event.payload, tenant.now());
    let tallies = &tenant.profile().tallies;
    let name = format!("{}|{id}|{}", tenant.id(), permission(&event.payload).unwrap_or_default());
    let slot = tallies.slot(&name);
    slot.waiting.fetch_add(1, Ordering::SeqCst);
    let turn = slot.turn.lock().await;
    let count = slot.waiting.swap(0, Ordering::SeqCst);
    // Zero: who had the turn before has written this one, too.
    let written = if count == 0 { Ok(()) } else { write(tenant, event, (&id, end), count).await };
    if written.is_err() {
        slot.waiting.fetch_add(count.saturating_sub(1), Ordering::SeqCst);
    }
    drop(turn);
    tallies.leave(&name, slot);
    written
}

async fn write(
    scope: &Scope,
    event: &Effect,
    (id, end): (&str, Timestamp),
    count: u64,
) -> Result<(), StorageError> {
    let records = scope.records::<OneTime>();
    for _ in 0..ATTEMPTS {
        let first = OneTime { id: id.to_owned(), data: json!({}), expires_at: end.plus_seconds(WINDOW) };
        let rest = match records.insert(first, vec![event.clone()]).await {
            Ok(_) => count.saturating_sub(1),
            Err(StorageError::Exists) => count,
            Err(error) => return Err(error),
        };
        if rest == 0 {
            return Ok(());
        }
        let counted = records.update::<StorageError>(id, |old| {
            let is_second = old.data.get("count").is_none();
            let next = OneTime {
                data: counted(&old.data, &event.payload, rest),
                expires_at: end.plus_seconds(PATIENCE),
                ..old.record.clone()
            };
            let due_at = end.plus_seconds(SLACK);
            let payload = json!({ "id": id, "event": event.payload });
            let effect = Effect { topic: Topic::Tally, payload, due_at };
            Ok(Change::Put(next, if is_second { vec![effect] } else { Vec::new() }))
        });
        // None: the count was told in between.
        if counted.await?.is_some() {
            return Ok(());
        }
    }
    Err(StorageError::Contended)
}

/// Writes the event that tells how many failures were counted. `payload`: of the effect.
///
/// # Errors
/// When the database is away.
pub async fn tell(scope: &Scope, payload: &Value) -> Result<(), StorageError> {
    let malformed = || StorageError::Corrupt("a tally can't be read".to_owned());
    let id = payload.get("id").and_then(Value::as_str).ok_or_else(malformed)?;
    let mut event = payload.get("event").cloned().ok_or_else(malformed)?;
    let records = scope.records::<OneTime>();
    for _ in 0..ATTEMPTS {
        // None: told before, and the settlement was lost.
        let Some(tally) = records.get(id).await? else { return Ok(()) };
        let fields = event.as_object_mut().ok_or_else(malformed)?;
        fields.insert("at".to_owned(), json!(tally.updated_at));
        fields.insert("data".to_owned(), tally.data.clone());
        let effect = Effect { topic: Topic::Audit, payload: event.clone(), due_at: scope.now() };
        match records.delete(&tally, vec![effect]).await {
            // Another one was counted.
            Err(StorageError::Conflict) => {}
            done => return done,
        }
    }
    Err(StorageError::Contended)
}

/// The id of the count an event belongs to, and the end of its minute.
fn window(event: &Value, now: Timestamp) -> (String, Timestamp) {
    let text = |name| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let account = match text("actor") {
        "anonymous" => text("target"),
        actor => actor,
    };
    let client = text("ip").parse().map_or_else(|_| String::new(), ClientInfo::network_of);
    let start = now.unix_seconds().div_euclid(WINDOW) * WINDOW;
    let parts = [text("event"), account, &client, &start.to_string()];
    (OneTime::id_for("tally", &parts), Timestamp::from_unix_seconds(start + WINDOW))
}

fn permission(event: &Value) -> Option<&str> {
    event.pointer("/data/permission").and_then(Value::as_str)
}

/// How many there are, and how many of each permission.
fn counted(old: &Value, event: &Value, more: u64) -> Value {
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or(0);
    let mut next = json!({ "count": number(old.get("count")) + more });
    let mut of: Map<String, Value> = old.get("of").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(name) = permission(event) {
        let name = if of.len() < MAX_NAMES || of.contains_key(name) { name } else { "others" };
        of.insert(name.to_owned(), (number(of.get(name)) + more).into());
    }
    if let (false, Some(fields)) = (of.is_empty(), next.as_object_mut()) {
        fields.insert("of".to_owned(), of.into());
    }
    next
}
