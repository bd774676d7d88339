//! PostgreSQL, shared by any number of instances.
//!
//! A write is one statement, so one round trip (`postgres_change`); a list is one, too (`postgres_query`). Every call
//! ends in time, on whatever state the server is in (`postgres_call`). Bodies are `jsonb`, so they come back as the
//! same JSON with its keys in another order.

use super::labels::FieldNames;
use super::page::Order;
use super::postgres_call::{Database, Failure, Lease};
use super::postgres_change::{Change, Effects};
use super::postgres_connect::Connector;
use super::postgres_effects::{Horizon, due, forget, settle, since};
use super::postgres_prepare::{add_sort_field, prepare};
use super::postgres_query::Source;
use super::postgres_statements::Statements;
use super::postgres_transfer::{SNAPSHOT_LIMIT, load, snapshot};
use super::postgres_values::Text;
use kernel::storage::DocumentPage;
use kernel::{
    BoxFuture, Document, Effect, Extent, KindSpec, Located, Partition, Place, Position, Query, Revision,
    Settlement, Storage, StorageError, StoredEffect, Timestamp,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout_at};

/// How many documents a clean-up removes in one transaction.
const CLEANUP_STEP: u32 = 64;

/// How long a clean-up goes on before it answers how far it got.
const CLEANUP_LIMIT: Duration = Duration::from_millis(500);

/// How long writers are left alone after a sort attribute couldn't be added.
const ADDING_PAUSE: Duration = Duration::from_secs(1);

/// How long invalidations are kept, in seconds.
const INVALIDATIONS_KEPT: i64 = 600;

/// Removing reads what belongs to a document and removes it: nobody may change that in between.
const BEGIN_CLEANUP: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";

/// How a database is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Connections of this instance, at least one. That many may also be made in a second. One more is made for effects
    /// when all of these are busy.
    pub connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 16 }
    }
}

/// What calls and the tasks they start share.
#[derive(Debug)]
struct Shared {
    database: Database,
    /// The kinds the database has.
    kinds: RwLock<BTreeMap<String, Arc<Statements>>>,
    /// The kinds and sort attributes that are known to have rows.
    fields: RwLock<HashMap<String, HashSet<&'static str>>>,
    names: FieldNames,
    /// Held while a sort attribute is added. After that failed: when it may be tried again.
    adding: Arc<Mutex<Option<Instant>>>,
    horizon: Horizon,
}

/// A PostgreSQL database as a [`Storage`].
#[derive(Debug, Clone)]
pub struct PostgresStorage(Arc<Shared>);

impl PostgresStorage {
    /// Reads the URL; connections are made when they are needed. Beyond what libpq knows nothing is understood in the
    /// URL; of that, `sslmode` and `sslrootcert` mean the same as there, but roots are the system's if none are given.
    ///
    /// # Errors
    /// `Unavailable` when the URL or the file of root certificates can't be read.
    pub fn open(url: &str, options: Options) -> Result<Self, StorageError> {
        let connector = Connector::new(url, options.connections)?;
        Ok(Self(Arc::new(Shared {
            database: Database::new(connector, options.connections)?,
            kinds: RwLock::default(),
            fields: RwLock::default(),
            names: FieldNames::default(),
            adding: Arc::default(),
            horizon: Horizon::default(),
        })))
    }

    fn database(&self) -> &Database {
        &self.0.database
    }

    fn statements(&self, kind: &str) -> Result<Arc<Statements>, StorageError> {
        let kinds = self.0.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let unprepared = || StorageError::Unavailable(format!("the record kind `{kind}` wasn't prepared"));
        kinds.get(kind).cloned().ok_or_else(unprepared)
    }

    /// Makes sure that a document's sort attributes have rows.
    async fn register(
        &self,
        statements: &Arc<Statements>,
        document: &Document,
        deadline: Instant,
    ) -> Result<(), StorageError> {
        let kind = statements.tables.kind.as_str();
        let late = || StorageError::Unavailable("a sort attribute is being added".to_owned());
        for (field, _) in &document.sorts {
            let ask = |lease: Arc<Lease>| async move { self.0.has_rows(&lease, kind, field).await };
            if self.0.knows(kind, field) || self.database().call_until(deadline, ask).await? {
                continue;
            }
            let adding =
                timeout_at(deadline, self.0.adding.clone().lock_owned()).await.map_err(|_| late())?;
            if self.0.knows(kind, field) {
                continue;
            }
            if adding.is_some_and(|again| Instant::now() < again) {
                return Err(late());
            }
            // A kind that has many documents takes longer than a call may; a later call finds it done.
            let added = tokio::spawn(self.0.clone().add_field(adding, statements.clone(), field));
            let added = timeout_at(deadline, added).await.map_err(|_| late())?;
            added.map_err(|_| late())??;
        }
        Ok(())
    }

    /// The order of a list. Which attributes have rows is asked until it is known that they have.
    async fn order(&self, lease: &Lease, query: &Query) -> Result<Order, Failure> {
        let field = query.sort.field;
        if field == "created_at" {
            return Ok(Order::Created);
        }
        let known = self.0.knows(query.kind, field) || self.0.has_rows(lease, query.kind, field).await?;
        Ok(if known { Order::Field(field) } else { Order::Unknown })
    }

    /// Removes in transactions of their own, until there is nothing more or time is up.
    async fn clean_up(&self, what: CleanUp<'_>, limit: u32) -> Result<u32, StorageError> {
        let (start, mut removed) = (Instant::now(), 0u32);
        while removed < limit && (removed == 0 || start.elapsed() < CLEANUP_LIMIT) {
            match self.clean_up_step(what, limit.saturating_sub(removed).min(CLEANUP_STEP)).await {
                Ok(0) => break,
                Ok(count) => removed = removed.saturating_add(count),
                Err(_) if removed > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    async fn clean_up_step(&self, what: CleanUp<'_>, limit: u32) -> Result<u32, StorageError> {
        let kinds: Vec<Arc<Statements>> =
            self.0.kinds.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let limit = i64::from(limit);
        let call = |lease: Arc<Lease>| {
            let kinds = &kinds;
            async move {
                for statements in kinds {
                    lease.begin(BEGIN_CLEANUP).await?;
                    let removed = match what.remove(&lease, statements, limit).await {
                        Ok(removed) => lease.commit().await.map(|()| removed),
                        failed => failed,
                    };
                    if removed.is_err() {
                        lease.roll_back().await;
                    }
                    if removed.as_ref().is_ok_and(|removed| *removed == 0) {
                        continue;
                    }
                    return removed;
                }
                what.forget(&lease, limit).await
            }
        };
        let removed = self.database().call(call).await?;
        Ok(u32::try_from(removed).unwrap_or(u32::MAX))
    }

    /// Writes a document.
    async fn write(
        &self,
        partition: &Partition,
        (document, expected): (&Document, Option<Revision>),
        effects: &[Effect],
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let statements = self.statements(document.kind)?;
        let deadline = self.database().deadline();
        self.register(&statements, document, deadline).await?;
        let (statements, partition, effects) = (&statements, partition.as_str(), &Effects::new(effects, now));
        let write = |lease: Arc<Lease>| async move {
            let change = Change { lease: &lease, statements, partition, now };
            match expected {
                None => change.insert(document, effects).await,
                Some(expected) => change.replace(document, expected, effects).await,
            }
        };
        self.database().call_until(deadline, write).await
    }

    async fn point(
        &self,
        (partition, kind, now): (&Partition, &'static str, Timestamp),
        name: Name<'_>,
    ) -> Result<Option<Document>, StorageError> {
        let (statements, names, partition) = (&self.statements(kind)?, &self.0.names, partition.as_str());
        let read = |lease: Arc<Lease>| async move {
            let source = Source { lease: &lease, statements, kind, names, now };
            match name {
                Name::Id(id) => source.get(partition, id).await,
                Name::Key(key) => source.find(partition, key).await,
            }
        };
        self.database().call(read).await
    }
}

/// By what a document is asked for.
#[derive(Debug, Clone, Copy)]
enum Name<'a> {
    Id(&'a str),
    Key(&'a str),
}

/// What is to be removed.
#[derive(Debug, Clone, Copy)]
enum CleanUp<'a> {
    /// Documents of a partition.
    Partition(&'a str),
    /// What has expired by this time.
    Expired(Timestamp),
}

impl CleanUp<'_> {
    async fn remove(self, lease: &Lease, statements: &Statements, limit: i64) -> Result<u64, Failure> {
        match self {
            Self::Partition(partition) => lease.number(&statements.drop, &[&Text(partition), &limit]).await,
            Self::Expired(now) => lease.number(&statements.purge, &[&now.unix_micros(), &limit]).await,
        }
    }

    async fn forget(self, lease: &Lease, limit: i64) -> Result<u64, Failure> {
        match self {
            Self::Partition(_) => Ok(0),
            Self::Expired(now) => {
                forget(lease, now.plus_seconds(-INVALIDATIONS_KEPT).unix_micros(), limit).await
            }
        }
    }
}

impl Shared {
    fn knows(&self, kind: &str, field: &'static str) -> bool {
        let fields = self.fields.read().unwrap_or_else(PoisonError::into_inner);
        fields.get(kind).is_some_and(|fields| fields.contains(field))
    }

    fn learn(&self, kind: &str, field: &'static str) {
        let mut fields = self.fields.write().unwrap_or_else(PoisonError::into_inner);
        fields.entry(kind.to_owned()).or_default().insert(field);
    }

    /// Asks whether a sort attribute has rows, and learns it if so.
    async fn has_rows(&self, lease: &Lease, kind: &str, field: &'static str) -> Result<bool, Failure> {
        let sql = "SELECT 1 FROM sort_fields WHERE kind = $1 AND field = $2";
        let found = !lease.query(sql, &[&Text(kind), &Text(field)]).await?.is_empty();
        if found {
            self.learn(kind, field);
        }
        Ok(found)
    }

    /// Adds a sort attribute, however long that takes once writers are shut out.
    async fn add_field(
        self: Arc<Self>,
        mut adding: OwnedMutexGuard<Option<Instant>>,
        statements: Arc<Statements>,
        field: &'static str,
    ) -> Result<(), StorageError> {
        let tables = &statements.tables;
        let connection = self.database.connector().patient().await?;
        let added = add_sort_field(&connection, tables, &statements.backfill, field).await;
        *adding = added.is_err().then(|| Instant::now() + ADDING_PAUSE);
        if added.is_ok() {
            self.learn(&tables.kind, field);
        }
        added
    }
}

impl Storage for PostgresStorage {
    fn prepare<'a>(&'a self, kinds: &'a [KindSpec]) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            let connection = self.database().connector().patient().await?;
            for kind in prepare(&connection, kinds).await? {
                let statements = Arc::new(Statements::new(&kind)?);
                self.0.kinds.write().unwrap_or_else(PoisonError::into_inner).insert(kind, statements);
            }
            Ok(())
        })
    }

    fn insert<'a>(
        &'a self,
        partition: &'a Partition,
        document: Document,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move { self.write(partition, (&document, None), &effects, now).await })
    }

    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        id: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Document>, StorageError>> {
        Box::pin(self.point((partition, kind, now), Name::Id(id)))
    }

    fn find<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Document>, StorageError>> {
        Box::pin(self.point((partition, kind, now), Name::Key(key)))
    }

    fn replace<'a>(
        &'a self,
        partition: &'a Partition,
        document: Document,
        expected: Revision,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move { self.write(partition, (&document, Some(expected)), &effects, now).await })
    }

    fn delete<'a>(
        &'a self,
        partition: &'a Partition,
        kind: &'static str,
        id: &'a str,
        expected: Revision,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            let (statements, effects) = (&self.statements(kind)?, &Effects::new(&effects, now));
            let partition = partition.as_str();
            let delete = |lease: Arc<Lease>| async move {
                Change { lease: &lease, statements, partition, now }.delete(id, expected, effects).await
            };
            self.database().call(delete).await
        })
    }

    fn query<'a>(
        &'a self,
        partition: &'a Partition,
        query: Query,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<DocumentPage, StorageError>> {
        Box::pin(async move {
            let (statements, names, query) = (&self.statements(query.kind)?, &self.0.names, &query);
            let read = |lease: Arc<Lease>| async move {
                let order = self.order(&lease, query).await?;
                let source = Source { lease: &lease, statements, kind: query.kind, names, now };
                source.page(partition.as_str(), query, order).await
            };
            self.database().call(read).await
        })
    }

    fn drop_partition<'a>(
        &'a self,
        partition: &'a Partition,
        limit: u32,
    ) -> BoxFuture<'a, Result<u32, StorageError>> {
        Box::pin(self.clean_up(CleanUp::Partition(partition.as_str()), limit))
    }

    fn effects_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEffect>, StorageError>> {
        let read = move |lease: Arc<Lease>| async move { due(&lease, now, limit).await };
        Box::pin(self.database().call_for_effects(read))
    }

    fn effects_settle<'a>(
        &'a self,
        settlements: &'a [(Position, Settlement)],
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        let write = move |lease: Arc<Lease>| async move { settle(&lease, settlements).await };
        Box::pin(self.database().call_for_effects(write))
    }

    fn effects_since(
        &self,
        after: Position,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredEffect>, StorageError>> {
        let read = move |lease: Arc<Lease>| async move {
            let reach = self.0.horizon.advance(&lease).await?;
            since(&lease, after, reach, limit).await
        };
        Box::pin(self.database().call_for_effects(read))
    }

    fn effects_head(&self) -> BoxFuture<'_, Result<Position, StorageError>> {
        let read = move |lease: Arc<Lease>| async move { Ok(self.0.horizon.advance(&lease).await?.complete) };
        Box::pin(self.database().call_for_effects(read))
    }

    fn purge_expired(&self, now: Timestamp, limit: u32) -> BoxFuture<'_, Result<u32, StorageError>> {
        Box::pin(self.clean_up(CleanUp::Expired(now), limit))
    }

    fn scan(
        &self,
        kind: &'static str,
        after: Option<Place>,
        limit: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Located>, StorageError>> {
        Box::pin(async move {
            let (statements, names, after) = (&self.statements(kind)?, &self.0.names, after.as_ref());
            let read = |lease: Arc<Lease>| async move {
                Source { lease: &lease, statements, kind, names, now }.scan(after, limit).await
            };
            self.database().call(read).await
        })
    }

    fn snapshot(&self, extent: Extent, now: Timestamp) -> BoxFuture<'_, Result<Vec<Located>, StorageError>> {
        Box::pin(async move {
            let mut kinds = HashMap::new();
            for kind in extent.kinds.iter().chain(extent.beside.iter().map(|(kind, _)| kind)) {
                kinds.insert(*kind, self.statements(kind)?);
            }
            let (extent, kinds, names) = (&extent, &kinds, &self.0.names);
            let read = |lease: Arc<Lease>| async move { snapshot(&lease, (extent, kinds), names, now).await };
            self.database().call_until(Instant::now() + SNAPSHOT_LIMIT, read).await
        })
    }

    fn load(&self, documents: Vec<Located>) -> BoxFuture<'_, Result<u32, StorageError>> {
        Box::pin(async move {
            let deadline = self.database().deadline();
            let mut loads = Vec::with_capacity(documents.len());
            for located in documents {
                let statements = self.statements(located.document.kind)?;
                self.register(&statements, &located.document, deadline).await?;
                loads.push((statements, located));
            }
            let loads = &loads;
            let write = |lease: Arc<Lease>| async move { load(&lease, loads).await };
            self.database().call_until(deadline, write).await
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        let ask = move |lease: Arc<Lease>| async move { lease.query("SELECT 1", &[]).await.map(|_| ()) };
        Box::pin(self.database().call(ask))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.database().close())
    }
}
