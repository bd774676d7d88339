//! Reads: small pools of connections, each behind a lock.
//!
//! A point read takes a few microseconds, less than handing it to another thread, so it runs where it is called;
//! lists have connections of their own, so a long list never makes a point read wait. A read begun after a write
//! was acknowledged sees it: every read is a new read transaction.

use super::labels::FieldNames;
use super::page::{Bound, Order, Plan, plan};
use super::schema::SQLITE;
use super::sqlite_labels::{decode_list, decode_sorts};
use super::sqlite_open::unavailable;
use super::sqlite_statements::Statements;
use kernel::query::COUNT_BOUND;
use kernel::storage::DocumentPage;
use kernel::{
    Count, Document, Effect, Position, Query, Revision, StorageError, StoredEffect, TagMatch, Timestamp,
    Topic,
};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

/// How far rows of a tag are counted to find the rarest.
const RARITY_BOUND: u32 = 1000;

/// Connections that read; emptied by closing.
#[derive(Debug)]
pub(super) struct Pool {
    connections: Vec<Mutex<Option<Connection>>>,
    next: AtomicUsize,
}

impl Pool {
    /// A pool of these connections.
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        let connections = connections.into_iter().map(|c| Mutex::new(Some(c))).collect();
        Self { connections, next: AtomicUsize::new(0) }
    }

    /// Runs a read on a connection that is free, or on the next one to become so.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let start = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len().max(1);
        let (before, from) = self.connections.split_at_checked(start).unwrap_or((&[], &[]));
        for slot in from.iter().chain(before) {
            match slot.try_lock() {
                Ok(connection) => return run(connection.as_ref(), read),
                Err(TryLockError::Poisoned(poisoned)) => return run(poisoned.into_inner().as_ref(), read),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let Some(slot) = self.connections.get(start) else { return Err(closed()) };
        run(slot.lock().unwrap_or_else(PoisonError::into_inner).as_ref(), read)
    }

    /// Waits for reads under way and gives back what was kept for the next.
    pub(super) fn rest(&self) {
        for slot in &self.connections {
            slot.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(rest);
        }
    }

    /// Waits for reads under way and closes; later reads answer `Unavailable`.
    pub(super) fn close(&self) {
        for slot in &self.connections {
            slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

/// Gives back a connection's pages and statements.
pub(super) fn rest(connection: &Connection) {
    connection.flush_prepared_statement_cache();
    if let Err(error) = connection.release_memory() {
        tracing::debug!(%error, "the database keeps its memory");
    }
}

fn run<T>(
    connection: Option<&Connection>,
    read: impl FnOnce(&Connection) -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    read(connection.ok_or_else(closed)?)
}

/// What everything answers once the storage is closed.
pub(super) fn closed() -> StorageError {
    StorageError::Unavailable("the database is closed".to_owned())
}

/// Where a document is read from.
pub(super) struct Source<'a> {
    /// The kind's statements.
    pub(super) statements: &'a Statements,
    /// The kind's name, as documents carry it.
    pub(super) kind: &'static str,
    /// Names of sort attributes, as documents carry them.
    pub(super) names: &'a FieldNames,
    /// The partition.
    pub(super) partition: &'a str,
    /// The caller's clock.
    pub(super) now: Timestamp,
}

impl Source<'_> {
    /// A live document by id.
    pub(super) fn get(&self, connection: &Connection, id: &str) -> Result<Option<Document>, StorageError> {
        self.document(connection, &self.statements.get, id)
    }

    /// A live document by key.
    pub(super) fn find(&self, connection: &Connection, key: &str) -> Result<Option<Document>, StorageError> {
        self.document(connection, &self.statements.find, key)
    }

    /// A page of live documents, all from one snapshot.
    pub(super) fn query(&self, connection: &Connection, query: Query) -> Result<DocumentPage, StorageError> {
        let snapshot = connection.unchecked_transaction().map_err(unavailable)?;
        let query = self.rarest_first(connection, query).map_err(unavailable)?;
        let order = self.order(connection, &query).map_err(unavailable)?;
        let now = self.has_expiring(connection).map_err(unavailable)?.then_some(self.now);
        let plan = plan(&SQLITE, &self.statements.tables, self.partition, &query, order, now);
        let ids = page_ids(connection, &plan, &query).map_err(unavailable)?;
        let (total, total_exact) = total(connection, &plan, &query, ids.len()).map_err(unavailable)?;
        let mut documents = Vec::with_capacity(ids.len());
        for id in ids {
            documents.extend(self.get(connection, &id)?);
        }
        snapshot.finish().map_err(unavailable)?;
        Ok(DocumentPage { documents, total, total_exact })
    }

    fn document(
        &self,
        connection: &Connection,
        sql: &str,
        name: &str,
    ) -> Result<Option<Document>, StorageError> {
        let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
        let values = params![self.partition, name, self.now.unix_micros()];
        let mut rows = statement.query(values).map_err(unavailable)?;
        rows.next().map_err(unavailable)?.map(|row| self.decode(row)).transpose()
    }

    /// Reads a document out of a row that begins with it.
    pub(super) fn decode(&self, row: &Row<'_>) -> Result<Document, StorageError> {
        let list = |index| decode_list(row.get_ref(index).map_err(unavailable)?.as_str().map_err(not_text)?);
        let sorts = decode_sorts(row.get_ref(8).map_err(unavailable)?.as_str().map_err(not_text)?)?;
        let time = |index| row.get(index).map(Timestamp::from_unix_micros).map_err(unavailable);
        let expires: Option<i64> = row.get(5).map_err(unavailable)?;
        Ok(Document {
            kind: self.kind,
            id: row.get(0).map_err(unavailable)?,
            revision: Revision::from_stored(row.get(1).map_err(unavailable)?),
            version: row.get(2).map_err(unavailable)?,
            keys: list(6)?,
            tags: list(7)?,
            sorts: sorts.into_iter().map(|(name, value)| (self.names.intern(&name), value)).collect(),
            created_at: time(3)?,
            updated_at: time(4)?,
            expires_at: expires.map(Timestamp::from_unix_micros),
            body: row.get(9).map_err(unavailable)?,
        })
    }

    /// Whether any document of the kind expires: in lists of one whose documents don't, no row has to be looked at.
    fn has_expiring(&self, connection: &Connection) -> rusqlite::Result<bool> {
        connection.prepare_cached(&self.statements.has_expiring)?.exists([])
    }

    fn order(&self, connection: &Connection, query: &Query) -> rusqlite::Result<Order> {
        let field = query.sort.field;
        if field == "created_at" {
            return Ok(Order::Created);
        }
        let mut known =
            connection.prepare_cached("SELECT 1 FROM sort_fields WHERE kind = ?1 AND field = ?2")?;
        let known = known.exists([self.kind, field])?;
        Ok(if known { Order::Field(field) } else { Order::Unknown })
    }

    /// Puts the rarest exact tag of each alternative first: its rows are walked, the others are looked up.
    fn rarest_first(&self, connection: &Connection, mut query: Query) -> rusqlite::Result<Query> {
        let table = &self.statements.tables.tags;
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {table} WHERE partition = ?1 AND tag = ?2 LIMIT {RARITY_BOUND})"
        );
        let exact = |tag: &TagMatch| matches!(tag, TagMatch::Is(_));
        for tags in query.any_of.iter_mut().filter(|tags| tags.iter().filter(|t| exact(t)).count() > 1) {
            let mut counted = Vec::with_capacity(tags.len());
            for tag in tags.drain(..) {
                let rows: u32 = match &tag {
                    TagMatch::Is(text) => connection
                        .prepare_cached(&sql)?
                        .query_row([self.partition, text], |row| row.get(0))?,
                    TagMatch::StartsWith(_) => u32::MAX,
                };
                counted.push((rows, tag));
            }
            counted.sort_by_key(|(rows, _)| *rows);
            tags.extend(counted.into_iter().map(|(_, tag)| tag));
        }
        Ok(query)
    }
}

fn not_text(error: rusqlite::types::FromSqlError) -> StorageError {
    StorageError::Corrupt(error.to_string())
}

fn page_ids(connection: &Connection, plan: &Plan, query: &Query) -> rusqlite::Result<Vec<String>> {
    if query.limit == 0 {
        return Ok(Vec::new());
    }
    let sql = plan.ids();
    let (limit, offset) = (i64::from(query.limit), i64::try_from(query.offset).unwrap_or(i64::MAX));
    let mut values = values(plan);
    values.push(&limit);
    values.push(&offset);
    let read = |row: &Row<'_>| row.get(1);
    if plan.common {
        return connection.prepare_cached(&sql)?.query_map(&*values, read)?.collect();
    }
    connection.prepare(&sql)?.query_map(&*values, read)?.collect()
}

fn total(connection: &Connection, plan: &Plan, query: &Query, page: usize) -> rusqlite::Result<(u64, bool)> {
    let page = page as u64;
    if page < u64::from(query.limit) && (page > 0 || query.offset == 0) {
        // The page holds the last match.
        return Ok(bounded(query.offset.saturating_add(page), query.count));
    }
    let bound = (query.count == Count::Bounded).then_some(COUNT_BOUND + 1);
    let sql = plan.count(bound);
    let counted: i64 = if plan.common {
        connection.prepare_cached(&sql)?.query_row(&*values(plan), |row| row.get(0))?
    } else {
        connection.query_row(&sql, &*values(plan), |row| row.get(0))?
    };
    Ok(bounded(counted.unsigned_abs(), query.count))
}

fn bounded(total: u64, count: Count) -> (u64, bool) {
    if count == Count::Bounded && total > COUNT_BOUND { (COUNT_BOUND, false) } else { (total, true) }
}

fn values(plan: &Plan) -> Vec<&dyn ToSql> {
    plan.bound.iter().map(value).collect()
}

fn value(bound: &Bound) -> &dyn ToSql {
    match bound {
        Bound::Integer(number) => number,
        Bound::Text(text) => text,
    }
}

const EFFECT: &str = "position, partition, topic, payload, due_at, attempts";

/// Effects that are due, invalidations excepted, the one due first first.
pub(super) fn effects_due(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<StoredEffect>, StorageError> {
    let sql = format!(
        "SELECT {EFFECT} FROM effects WHERE topic <> 'invalidation' AND due_at <= ?1
         ORDER BY due_at, position LIMIT ?2"
    );
    effects(connection, &sql, [now.unix_micros(), i64::from(limit)])
}

/// Invalidations after a position, oldest first.
pub(super) fn effects_since(
    connection: &Connection,
    after: Position,
    limit: u32,
) -> Result<Vec<StoredEffect>, StorageError> {
    let sql = format!(
        "SELECT {EFFECT} FROM effects WHERE topic = 'invalidation' AND position > ?1 ORDER BY position LIMIT ?2"
    );
    let after = i64::try_from(after.0).unwrap_or(i64::MAX);
    effects(connection, &sql, [after, i64::from(limit)])
}

/// The newest position ever given to an effect.
pub(super) fn effects_head(connection: &Connection) -> Result<Position, StorageError> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'effects'";
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    let head: Option<i64> = statement.query_row([], |row| row.get(0)).optional().map_err(unavailable)?;
    Ok(Position(head.unwrap_or(0).unsigned_abs()))
}

fn effects(connection: &Connection, sql: &str, values: [i64; 2]) -> Result<Vec<StoredEffect>, StorageError> {
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    let mut rows = statement.query(values).map_err(unavailable)?;
    let mut effects = Vec::new();
    while let Some(row) = rows.next().map_err(unavailable)? {
        effects.push(effect(row)?);
    }
    Ok(effects)
}

fn effect(row: &Row<'_>) -> Result<StoredEffect, StorageError> {
    let position: i64 = row.get(0).map_err(unavailable)?;
    let topic: String = row.get(2).map_err(unavailable)?;
    let payload: String = row.get(3).map_err(unavailable)?;
    let unreadable = |why: String| StorageError::Corrupt(format!("effect {position}: {why}"));
    Ok(StoredEffect {
        position: Position(position.unsigned_abs()),
        partition: row.get(1).map_err(unavailable)?,
        effect: Effect {
            topic: Topic::from_stored(&topic).ok_or_else(|| unreadable(format!("topic `{topic}`")))?,
            payload: serde_json::from_str(&payload).map_err(|e| unreadable(e.to_string()))?,
            due_at: Timestamp::from_unix_micros(row.get(4).map_err(unavailable)?),
        },
        attempts: row.get(5).map_err(unavailable)?,
    })
}
