//! Reads of documents.

use super::labels::FieldNames;
use super::page::{Bound, Order, plan};
use super::postgres_call::{Failure, Lease, Values};
use super::postgres_statements::Statements;
use super::postgres_values::{ReadJson, ReadText, Text, strings};
use super::schema::POSTGRES;
use kernel::query::COUNT_BOUND;
use kernel::storage::DocumentPage;
use kernel::{Count, Document, Located, Place, Query, Revision, StorageError, TagMatch, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// How far rows of a tag are counted to find the rarest.
const RARITY_BOUND: u32 = 1000;

/// Beyond this no list is: sums with a limit still fit.
const OFFSET_BOUND: i64 = i64::MAX / 2;

/// The column after those of a document.
const NEXT_COLUMN: usize = 11;

/// Where a document is read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    /// The connection.
    pub(super) lease: &'a Lease,
    /// The kind's statements.
    pub(super) statements: &'a Statements,
    /// The kind's name, as documents carry it.
    pub(super) kind: &'static str,
    /// Names of sort attributes, as documents carry them.
    pub(super) names: &'a FieldNames,
    /// The caller's clock.
    pub(super) now: Timestamp,
}

impl Source<'_> {
    /// A live document by id.
    pub(super) async fn get(&self, partition: &str, id: &str) -> Result<Option<Document>, Failure> {
        self.document(&self.statements.get, partition, id).await
    }

    /// A live document by key.
    pub(super) async fn find(&self, partition: &str, key: &str) -> Result<Option<Document>, Failure> {
        self.document(&self.statements.find, partition, key).await
    }

    async fn document(&self, sql: &str, partition: &str, name: &str) -> Result<Option<Document>, Failure> {
        let now = self.now.unix_micros();
        let rows = self.lease.query(sql, &[&Text(partition), &Text(name), &now]).await?;
        rows.first().map(|row| self.decode(row)).transpose()
    }

    /// Live documents of every partition after a place.
    pub(super) async fn scan(&self, after: Option<&Place>, limit: u32) -> Result<Vec<Located>, Failure> {
        // No partition's name is empty, so every place comes after this one.
        let (partition, id) = after.map_or(("", ""), |place| (place.partition.as_str(), place.id.as_str()));
        let values: Values<'_> = &[&Text(partition), &Text(id), &self.now.unix_micros(), &i64::from(limit)];
        let rows = self.lease.query(&self.statements.scan, values).await?;
        let located = |row: &Row| {
            let ReadText(partition) = row.try_get(NEXT_COLUMN)?;
            Ok(Located { partition, document: self.decode(row)? })
        };
        rows.iter().map(located).collect()
    }

    /// A page of live documents and how many match, all from one snapshot.
    pub(super) async fn page(
        &self,
        partition: &str,
        query: &Query,
        order: Order,
    ) -> Result<DocumentPage, Failure> {
        let query = self.rarest_first(partition, query.clone()).await?;
        let plan = plan(&POSTGRES, &self.statements.tables, partition, &query, order, Some(self.now));
        let bound = (query.count == Count::Bounded).then_some(COUNT_BOUND + 1);
        let sql = self.statements.page(&plan.ids(), &plan.count(bound), plan.direction);
        let texts: Vec<Text<'_>> = plan.bound.iter().map(text).collect();
        let (limit, offset) = (i64::from(query.limit), i64::try_from(query.offset).unwrap_or(OFFSET_BOUND));
        let offset = offset.min(OFFSET_BOUND);
        let mut values: Vec<&(dyn ToSql + Sync)> = Vec::with_capacity(texts.len() + 2);
        for (bound, text) in plan.bound.iter().zip(&texts) {
            values.push(match bound {
                Bound::Integer(number) => number,
                Bound::Text(_) => text,
            });
        }
        values.extend_from_slice(&[&limit as &(dyn ToSql + Sync), &offset]);
        let rows = match plan.common {
            true => self.lease.query(&sql, &values).await?,
            false => self.lease.query_once(&sql, &values).await?,
        };
        let counted: i64 = rows.first().map_or(Ok(0), |row| row.try_get(NEXT_COLUMN))?;
        let (total, total_exact) = bounded(counted.unsigned_abs(), query.count);
        let mut documents = Vec::with_capacity(rows.len());
        for row in &rows {
            // A page without documents is one row that only counts.
            if row.try_get::<_, Option<&str>>(0)?.is_some() {
                documents.push(self.decode(row)?);
            }
        }
        Ok(DocumentPage { documents, total, total_exact })
    }

    fn decode(&self, row: &Row) -> Result<Document, Failure> {
        let ReadText(id) = row.try_get(0)?;
        let version: i64 = row.try_get(2)?;
        let newer = || StorageError::Corrupt(format!("{} {id}: version {version}", self.kind));
        let version = u32::try_from(version).map_err(|_| newer())?;
        let time = |column| row.try_get(column).map(Timestamp::from_unix_micros);
        let expires_at: Option<i64> = row.try_get(5)?;
        let (names, values): (Vec<&str>, Vec<Vec<u8>>) = (row.try_get(8)?, row.try_get(9)?);
        let ReadJson(body) = row.try_get(10)?;
        Ok(Document {
            kind: self.kind,
            revision: Revision::from_stored(row.try_get(1)?),
            version,
            keys: strings(row.try_get(6)?),
            tags: strings(row.try_get(7)?),
            sorts: names.into_iter().map(|name| self.names.intern(name)).zip(values).collect(),
            created_at: time(3)?,
            updated_at: time(4)?,
            expires_at: expires_at.map(Timestamp::from_unix_micros),
            body,
            id,
        })
    }

    /// Puts the rarest exact tag of each alternative first: its rows are walked, the others are looked up.
    async fn rarest_first(&self, partition: &str, mut query: Query) -> Result<Query, Failure> {
        let exact = |tag: &TagMatch| matches!(tag, TagMatch::Is(_));
        for tags in query.any_of.iter_mut().filter(|tags| tags.iter().filter(|t| exact(t)).count() > 1) {
            let texts: Vec<Text<'_>> =
                tags.iter().map(|(TagMatch::Is(t) | TagMatch::StartsWith(t))| Text(t)).collect();
            let sql = self.statements.rarity(RARITY_BOUND);
            let counted = self.lease.query(&sql, &[&Text(partition), &texts]).await?;
            let mut ranked = Vec::with_capacity(tags.len());
            for (row, tag) in counted.iter().zip(tags.iter()) {
                let rows = if exact(tag) { row.try_get(0)? } else { i64::MAX };
                ranked.push((rows, tag.clone()));
            }
            ranked.sort_by_key(|(rows, _)| *rows);
            *tags = ranked.into_iter().map(|(_, tag)| tag).collect();
        }
        Ok(query)
    }
}

fn text(bound: &Bound) -> Text<'_> {
    match bound {
        Bound::Integer(_) => Text(""),
        Bound::Text(text) => Text(text),
    }
}

fn bounded(total: u64, count: Count) -> (u64, bool) {
    if count == Count::Bounded && total > COUNT_BOUND { (COUNT_BOUND, false) } else { (total, true) }
}
