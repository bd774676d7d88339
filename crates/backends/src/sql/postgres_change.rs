//! Writes.
//!
//! Each is tried as the one statement that does it all; when that says that something else is in the way, a
//! transaction finds out what, and makes room where it may: an expired document is absent.

use super::postgres_call::{Failure, Lease, Values};
use super::postgres_statements::{Statements, record_effects};
use super::postgres_values::{Json, ReadText, Text, strings, texts};
use kernel::{Document, Effect, Revision, StorageError, Timestamp};
use tokio_postgres::error::SqlState;

/// How often a writer makes room for its keys before it gives way to others who want them as well.
const CLAIMS: u32 = 8;

/// A transaction that others who read the feed can see before any effect of it has a position.
const BEGIN: &str = "BEGIN; LOCK TABLE effects IN ROW EXCLUSIVE MODE";

/// Effects in the form in which they are bound.
#[derive(Debug)]
pub(super) struct Effects {
    topics: Vec<&'static str>,
    payloads: Vec<String>,
    times: Vec<i64>,
    now: i64,
}

impl Effects {
    /// Writes effects down, recorded now.
    pub(super) fn new(effects: &[Effect], now: Timestamp) -> Self {
        Self {
            topics: effects.iter().map(|effect| effect.topic.as_str()).collect(),
            payloads: effects.iter().map(|effect| effect.payload.to_string()).collect(),
            times: effects.iter().map(|effect| effect.due_at.unix_micros()).collect(),
            now: now.unix_micros(),
        }
    }

    fn payloads(&self) -> Vec<Json<'_>> {
        self.payloads.iter().map(|payload| Json(payload)).collect()
    }
}

/// A document in the form in which it is bound.
struct Bound<'a> {
    id: Text<'a>,
    revision: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
    expires_at: Option<i64>,
    keys: Vec<Text<'a>>,
    tags: Vec<Text<'a>>,
    sort_names: Vec<&'static str>,
    sort_values: Vec<&'a [u8]>,
    body: Json<'a>,
}

impl<'a> Bound<'a> {
    fn new(document: &'a Document) -> Self {
        Self {
            id: Text(&document.id),
            revision: document.revision.to_stored(),
            version: i64::from(document.version),
            created_at: document.created_at.unix_micros(),
            updated_at: document.updated_at.unix_micros(),
            expires_at: document.expires_at.map(Timestamp::unix_micros),
            keys: texts(&document.keys),
            tags: texts(&document.tags),
            sort_names: document.sorts.iter().map(|(name, _)| *name).collect(),
            sort_values: document.sorts.iter().map(|(_, value)| value.as_slice()).collect(),
            body: Json(&document.body),
        }
    }

    /// The values of the first twelve parameters, the partition first, and what follows them.
    async fn run(
        &self,
        lease: &Lease,
        sql: &str,
        partition: &Text<'_>,
        rest: Values<'_>,
    ) -> Result<u64, Failure> {
        let mut values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![
            partition,
            &self.id,
            &self.revision,
            &self.version,
            &self.created_at,
            &self.updated_at,
            &self.expires_at,
            &self.keys,
            &self.tags,
            &self.sort_names,
            &self.sort_values,
            &self.body,
        ];
        values.extend_from_slice(rest);
        lease.execute(sql, &values).await
    }
}

/// What a document's row says about it.
struct Envelope {
    revision: i64,
    expires_at: Option<i64>,
    created_at: i64,
    keys: Vec<String>,
    tags: Vec<String>,
    sort_names: Vec<String>,
    sort_values: Vec<Vec<u8>>,
}

impl Envelope {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now.unix_micros() < at)
    }

    /// Whether its index rows are in the same places as the document's, tags apart.
    fn is_ordered_as(&self, document: &Document) -> bool {
        self.created_at == document.created_at.unix_micros()
            && self.expires_at.is_some() == document.expires_at.is_some()
            && self.sort_names.iter().map(String::as_str).eq(document.sorts.iter().map(|(name, _)| *name))
            && self.sort_values.iter().eq(document.sorts.iter().map(|(_, value)| value))
    }
}

/// One write on one kind of one partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    /// The connection.
    pub(super) lease: &'a Lease,
    /// The kind's statements.
    pub(super) statements: &'a Statements,
    /// The partition.
    pub(super) partition: &'a str,
    /// The caller's clock.
    pub(super) now: Timestamp,
}

impl Change<'_> {
    /// Inserts a document, over an expired one if need be.
    pub(super) async fn insert(&self, document: &Document, effects: &Effects) -> Result<(), Failure> {
        match self.insert_new(document, effects).await {
            Err(Failure::Database(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                self.in_transaction(self.insert_over(document, effects)).await
            }
            other => other,
        }
    }

    /// Inserts a document whose id and keys are free.
    pub(super) async fn insert_new(&self, document: &Document, effects: &Effects) -> Result<(), Failure> {
        let Statements { insert, insert_recording, .. } = self.statements;
        self.write(document, (insert, insert_recording), &[], effects).await.map(|_| ())
    }

    /// Replaces a live document of the expected revision.
    pub(super) async fn replace(
        &self,
        document: &Document,
        expected: Revision,
        effects: &Effects,
    ) -> Result<(), Failure> {
        let Statements { replace, replace_recording, .. } = self.statements;
        let (expected, now) = (expected.to_stored(), self.now.unix_micros());
        if self.write(document, (replace, replace_recording), &[&expected, &now], effects).await? == 1 {
            return Ok(());
        }
        self.in_transaction(self.replace_whole(document, expected, effects)).await
    }

    /// Deletes a live document of the expected revision.
    pub(super) async fn delete(
        &self,
        id: &str,
        expected: Revision,
        effects: &Effects,
    ) -> Result<(), Failure> {
        let Statements { delete, delete_recording, .. } = self.statements;
        let (partition, id) = (Text(self.partition), Text(id));
        let (expected, now) = (expected.to_stored(), self.now.unix_micros());
        let Effects { topics, times, now: recorded, .. } = effects;
        let deleted = if topics.is_empty() {
            self.lease.number(delete, &[&partition, &id, &expected, &now]).await?
        } else {
            let payloads = effects.payloads();
            let values: Values<'_> = &[&partition, &id, &expected, &now, topics, &payloads, times, recorded];
            self.lease.number(delete_recording, values).await?
        };
        if deleted == 1 { Ok(()) } else { Err(StorageError::Conflict.into()) }
    }

    /// The one statement that does it all, answering how many documents it wrote.
    async fn write(
        &self,
        document: &Document,
        (plain, recording): (&str, &str),
        rest: Values<'_>,
        effects: &Effects,
    ) -> Result<u64, Failure> {
        let (bound, partition) = (Bound::new(document), Text(self.partition));
        let Effects { topics, times, now, .. } = effects;
        if topics.is_empty() {
            return bound.run(self.lease, plain, &partition, rest).await;
        }
        let payloads = effects.payloads();
        let mut rest = rest.to_vec();
        let values: Values<'_> = &[topics, &payloads, times, now];
        rest.extend_from_slice(values);
        bound.run(self.lease, recording, &partition, &rest).await
    }

    async fn in_transaction(&self, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
        self.lease.begin(BEGIN).await?;
        let outcome = match work.await {
            Ok(()) => self.lease.commit().await,
            refused => refused,
        };
        if outcome.is_err() {
            self.lease.roll_back().await;
        }
        outcome
    }

    async fn insert_over(&self, document: &Document, effects: &Effects) -> Result<(), Failure> {
        if let Some(old) = self.lock(&document.id).await? {
            if old.is_live(self.now) {
                let repeated = old.revision == document.revision.to_stored();
                return if repeated { Ok(()) } else { Err(StorageError::Exists.into()) };
            }
            self.evict(&[Text(&document.id)]).await?;
        }
        // Without its keys yet: these may be in the way as well.
        let (bound, partition) = (Bound { keys: Vec::new(), ..Bound::new(document) }, Text(self.partition));
        match bound.run(self.lease, &self.statements.insert, &partition, &[]).await {
            Err(Failure::Database(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                return Err(StorageError::Exists.into());
            }
            other => other?,
        };
        self.claim(&document.id, &document.keys).await?;
        self.rewrite(document).await?;
        self.record(effects).await
    }

    async fn replace_whole(
        &self,
        document: &Document,
        expected: i64,
        effects: &Effects,
    ) -> Result<(), Failure> {
        let old = self.lock(&document.id).await?.filter(|old| old.is_live(self.now));
        let Some(old) = old else { return Err(StorageError::Conflict.into()) };
        if old.revision == document.revision.to_stored() {
            return Ok(());
        }
        if old.revision != expected {
            return Err(StorageError::Conflict.into());
        }
        let new_keys: Vec<String> = document.keys.iter().filter(|k| !old.keys.contains(k)).cloned().collect();
        self.claim(&document.id, &new_keys).await?;
        let (partition, id) = (Text(self.partition), Text(&document.id));
        let given_up: Vec<Text<'_>> =
            old.keys.iter().filter(|k| !document.keys.contains(k)).map(|k| Text(k)).collect();
        if !given_up.is_empty() {
            self.lease.execute(&self.statements.release, &[&partition, &id, &given_up]).await?;
        }
        self.rewrite(document).await?;
        self.reindex(document, &old).await?;
        self.record(effects).await
    }

    async fn rewrite(&self, document: &Document) -> Result<(), Failure> {
        let bound = Bound::new(document);
        bound.run(self.lease, &self.statements.rewrite, &Text(self.partition), &[]).await.map(|_| ())
    }

    async fn reindex(&self, document: &Document, old: &Envelope) -> Result<(), Failure> {
        let same = old.is_ordered_as(document);
        let everything = Some(Text("")).filter(|_| !same);
        let stale: Vec<Text<'_>> = old
            .tags
            .iter()
            .filter(|t| !same || !document.tags.contains(t))
            .map(|t| Text(t))
            .chain(everything)
            .collect();
        let missing: Vec<Text<'_>> =
            document.tags.iter().filter(|t| !same || !old.tags.contains(t)).map(|t| Text(t)).collect();
        let (partition, bound) = (Text(self.partition), Bound::new(document));
        if !stale.is_empty() {
            let values: Values<'_> =
                &[&partition, &bound.id, &old.created_at, &stale, &old.sort_names, &old.sort_values];
            self.lease.execute(&self.statements.unindex, values).await?;
        }
        if !missing.is_empty() || !same {
            let expiring = i64::from(document.expires_at.is_some());
            let Bound { id, created_at, sort_names, sort_values, .. } = &bound;
            let values: Values<'_> =
                &[&partition, id, created_at, &expiring, &missing, sort_names, sort_values];
            self.lease.execute(&self.statements.index, values).await?;
        }
        Ok(())
    }

    async fn record(&self, effects: &Effects) -> Result<(), Failure> {
        let Effects { topics, times, now, .. } = effects;
        if topics.is_empty() {
            return Ok(());
        }
        let (partition, payloads) = (Text(self.partition), effects.payloads());
        let values: Values<'_> = &[&partition, topics, &payloads, times, now];
        self.lease.execute(&record_effects(), values).await.map(|_| ())
    }

    async fn lock(&self, id: &str) -> Result<Option<Envelope>, Failure> {
        let rows = self.lease.query(&self.statements.lock, &[&Text(self.partition), &Text(id)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let sort_names: Vec<ReadText> = row.try_get(5)?;
        Ok(Some(Envelope {
            revision: row.try_get(0)?,
            expires_at: row.try_get(1)?,
            created_at: row.try_get(2)?,
            keys: strings(row.try_get(3)?),
            tags: strings(row.try_get(4)?),
            sort_names: strings(sort_names),
            sort_values: row.try_get(6)?,
        }))
    }

    /// Takes keys, from documents that have expired if need be: all of them in their order or none, as whoever waits
    /// for one key while holding a later one may wait for ever.
    async fn claim(&self, id: &str, keys: &[String]) -> Result<(), Failure> {
        if keys.is_empty() {
            return Ok(());
        }
        let (partition, id, now, keys) =
            (Text(self.partition), Text(id), self.now.unix_micros(), texts(keys));
        for _ in 0..CLAIMS {
            let mut expired = Vec::new();
            for row in self.lease.query(&self.statements.owners, &[&partition, &keys, &now]).await? {
                let (ReadText(key), ReadText(owner)) = (row.try_get(0)?, row.try_get(1)?);
                if row.try_get::<_, Option<bool>>(2)? == Some(true) {
                    return Err(StorageError::KeyTaken { key }.into());
                }
                expired.push(owner);
            }
            self.evict(&texts(&expired)).await?;
            self.lease.batch("SAVEPOINT claim").await?;
            let taken = self.lease.execute(&self.statements.claim, &[&partition, &id, &keys]).await?;
            if taken == keys.len() as u64 {
                return Ok(());
            }
            self.lease.batch("ROLLBACK TO SAVEPOINT claim").await?;
        }
        Err(StorageError::Unavailable("other writers want the same keys".to_owned()).into())
    }

    /// Removes documents that have expired, with everything they hold.
    async fn evict(&self, ids: &[Text<'_>]) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let (partition, now) = (Text(self.partition), self.now.unix_micros());
        self.lease.query(&self.statements.evict, &[&partition, &ids, &now]).await.map(|_| ())
    }
}
