//! Effects: what is due, and the feed.
//!
//! A position is taken before its transaction commits, so a reader that goes on after the newest one it sees could
//! pass over one that is committed later. Every writer of effects holds a lock on their table, from before it takes a
//! position until its end. So the reader looks at the counter, then at who holds that lock: once all of those are
//! gone, every position up to the counter's is either committed or never will be. Transactions of other tables and
//! other databases of the cluster don't hold the feed up.

use super::postgres_call::{Failure, Lease, Values};
use super::postgres_values::{ReadJson, ReadText};
use kernel::{Effect, Position, Settlement, StorageError, StoredEffect, Timestamp, Topic};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_postgres::Row;

/// How long a reader of the feed waits for writers, in milliseconds that double: half a second in all.
const WAITS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

const EFFECT: &str = "position, partition, topic, payload, due_at, attempts";

const COUNTER: &str = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM effects_position_seq";

const WRITERS: &str = "
    SELECT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation = 'effects'::regclass AND mode = 'RowExclusiveLock' AND granted AND pid <> pg_backend_pid()";

/// How far the feed goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// Up to here it is known to be complete.
    pub(super) complete: Position,
    /// The newest position anybody took.
    newest: Position,
}

/// Up to where the feed is known to be complete.
#[derive(Debug, Default)]
pub(super) struct Horizon(AtomicU64);

impl Horizon {
    /// Moves on to the newest position if everybody who took one before is done in time. Answers where that is.
    pub(super) async fn advance(&self, lease: &Lease) -> Result<Reach, Failure> {
        let (counter, writers) = (lease.prepare(COUNTER).await?, lease.prepare(WRITERS).await?);
        // In this order: the answers are awaited together, but the server reads the counter first.
        let (newest, busy) = tokio::join!(lease.run(&counter, &[]), lease.run(&writers, &[]));
        let newest: i64 = newest?.first().map_or(Ok(0), |row| row.try_get(0))?;
        let mut busy = names(&busy?)?;
        for wait in WAITS {
            if busy.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let still = names(&lease.run(&writers, &[]).await?)?;
            busy.retain(|writer| still.contains(writer));
        }
        let newest = newest.unsigned_abs();
        if busy.is_empty() {
            self.0.fetch_max(newest, Ordering::Relaxed);
        }
        Ok(Reach { complete: Position(self.0.load(Ordering::Relaxed)), newest: Position(newest) })
    }
}

fn names(rows: &[Row]) -> Result<HashSet<String>, Failure> {
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Effects that are due, invalidations excepted, the one due first first.
pub(super) async fn due(lease: &Lease, now: Timestamp, limit: u32) -> Result<Vec<StoredEffect>, Failure> {
    let sql = format!(
        "SELECT {EFFECT} FROM effects WHERE topic <> 'invalidation' AND due_at <= $1
         ORDER BY due_at, position LIMIT $2"
    );
    decode(lease.query(&sql, &[&now.unix_micros(), &i64::from(limit)]).await?)
}

/// Invalidations after a position, oldest first, as far as the feed is complete. If that gives none although there may
/// be newer ones, the caller isn't to believe that it read to the end.
pub(super) async fn since(
    lease: &Lease,
    after: Position,
    reach: Reach,
    limit: u32,
) -> Result<Vec<StoredEffect>, Failure> {
    let sql = format!(
        "SELECT {EFFECT} FROM effects WHERE topic = 'invalidation' AND position > $1 AND position <= $2
         ORDER BY position LIMIT $3"
    );
    let place = |position: Position| i64::try_from(position.0).unwrap_or(i64::MAX);
    let values: Values<'_> = &[&place(after), &place(reach.complete), &i64::from(limit)];
    let effects = decode(lease.query(&sql, values).await?)?;
    if effects.is_empty() && reach.complete < reach.newest {
        return Err(StorageError::Unavailable("the feed is held up by a long transaction".to_owned()).into());
    }
    Ok(effects)
}

/// Settles effects: what is done is done, whatever else is said about it.
pub(super) async fn settle(lease: &Lease, settlements: &[(Position, Settlement)]) -> Result<(), Failure> {
    let (mut done, mut failed, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for (position, settlement) in settlements {
        let Ok(position) = i64::try_from(position.0) else { continue };
        match settlement {
            Settlement::Done => done.push(position),
            Settlement::RetryAt(time) => {
                failed.push(position);
                times.push(time.unix_micros());
            }
        }
    }
    if !failed.is_empty() {
        let sql = "UPDATE effects SET due_at = x.due_at, attempts = attempts + 1
                   FROM unnest($1::bigint[], $2::bigint[]) AS x(position, due_at)
                   WHERE effects.position = x.position AND topic <> 'invalidation'";
        lease.execute(sql, &[&failed, &times]).await?;
    }
    if !done.is_empty() {
        let sql = "DELETE FROM effects WHERE position = ANY($1) AND topic <> 'invalidation'";
        lease.execute(sql, &[&done]).await?;
    }
    Ok(())
}

/// Removes invalidations recorded at a time or before. Answers how many.
pub(super) async fn forget(lease: &Lease, recorded: i64, limit: i64) -> Result<u64, Failure> {
    let sql = "DELETE FROM effects WHERE position = ANY(ARRAY(SELECT position FROM effects
               WHERE topic = 'invalidation' AND recorded_at <= $1 ORDER BY recorded_at LIMIT $2))";
    lease.execute(sql, &[&recorded, &limit]).await
}

fn decode(rows: Vec<Row>) -> Result<Vec<StoredEffect>, Failure> {
    rows.iter().map(effect).collect()
}

fn effect(row: &Row) -> Result<StoredEffect, Failure> {
    let position: i64 = row.try_get(0)?;
    let unreadable = |why: String| StorageError::Corrupt(format!("effect {position}: {why}"));
    let ReadText(partition) = row.try_get(1)?;
    let topic: &str = row.try_get(2)?;
    let ReadJson(payload) = row.try_get(3)?;
    let attempts: i64 = row.try_get(5)?;
    Ok(StoredEffect {
        position: Position(position.unsigned_abs()),
        partition,
        effect: Effect {
            topic: Topic::from_stored(topic).ok_or_else(|| unreadable(format!("topic `{topic}`")))?,
            payload: serde_json::from_str(&payload).map_err(|e| unreadable(e.to_string()))?,
            due_at: Timestamp::from_unix_micros(row.try_get(4)?),
        },
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
    })
}
