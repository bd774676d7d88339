//! What a write does to the tables, inside the transaction of its group.
//!
//! Everything a caller can be refused for is found out before the first row is written, so a refusal needs no
//! savepoint. Only the database's own failures can come after that; the group is then rolled back.

use super::sqlite_labels::{SortValue, decode_list, decode_sorts, encode_list, encode_sorts};
use super::sqlite_open::unavailable;
use super::sqlite_statements::Statements;
use kernel::{Document, Effect, Revision, StorageError, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// Why a write didn't happen.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer for the caller; nothing was written.
    Refused(StorageError),
    /// The database failed; the transaction must be rolled back.
    Database(rusqlite::Error),
    /// A stored row is unreadable; the transaction must be rolled back.
    Unreadable(StorageError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Refused(error)
    }
}

impl From<Failure> for StorageError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) | Failure::Unreadable(error) => error,
            Failure::Database(error) => unavailable(error),
        }
    }
}

/// A document's envelope as it is stored.
pub(super) struct Located {
    seq: i64,
    pub(super) revision: i64,
    expires_at: Option<i64>,
    created_at: i64,
    keys: String,
    tags: String,
    sorts: String,
}

impl Located {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now.unix_micros() < at)
    }
}

/// The rows of the index tables that belong to one document.
#[derive(PartialEq, Eq)]
pub(super) struct Index<'a> {
    id: &'a str,
    created_at: i64,
    expiring: bool,
    tags: Vec<String>,
    sorts: Vec<SortValue<String>>,
}

impl<'a> Index<'a> {
    fn stored(id: &'a str, located: &Located) -> Result<Self, Failure> {
        Ok(Self {
            id,
            created_at: located.created_at,
            expiring: located.expires_at.is_some(),
            tags: decode_list(&located.tags).map_err(Failure::Unreadable)?,
            sorts: decode_sorts(&located.sorts).map_err(Failure::Unreadable)?,
        })
    }

    pub(super) fn of(document: &'a Document) -> Self {
        Self {
            id: &document.id,
            created_at: document.created_at.unix_micros(),
            expiring: document.expires_at.is_some(),
            tags: document.tags.clone(),
            sorts: document.sorts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        }
    }

    /// The tags with rows: all of the document's, and the empty one of every document.
    pub(super) fn rows(&self) -> Vec<&str> {
        std::iter::once("").chain(self.tags.iter().map(String::as_str)).collect()
    }

    fn value(&self, field: &str) -> &[u8] {
        self.sorts.iter().find(|(name, _)| name == field).map_or(&[], |(_, value)| value.as_slice())
    }
}

/// The sort attributes each kind has rows for.
pub(super) type Fields = HashMap<String, Vec<String>>;

/// One write on one kind of one partition.
pub(super) struct Change<'a> {
    /// The connection, in a transaction.
    pub(super) connection: &'a Connection,
    /// The kind's statements.
    pub(super) statements: &'a Statements,
    /// The partition.
    pub(super) partition: &'a str,
    /// The caller's clock.
    pub(super) now: Timestamp,
}

impl Change<'_> {
    /// Inserts a document, over an expired one if need be.
    pub(super) fn insert(&self, document: &Document, fields: &mut Fields) -> Result<Repeated, Failure> {
        let taken = self.claim_keys(&document.id, &document.keys);
        let expired_owners = match taken {
            Err(Failure::Refused(clash)) => {
                // Both may clash; that the id exists is the more useful answer.
                self.check_absent(document)?;
                return if self.is_repeated(document)? { Ok(Repeated(true)) } else { Err(clash.into()) };
            }
            other => other?,
        };
        if !self.insert_row(document)? {
            self.check_absent(document)?;
            if self.is_repeated(document)? {
                return Ok(Repeated(true));
            }
            self.remove(&document.id, fields)?;
            self.insert_row(document)?;
        }
        for owner in expired_owners {
            self.remove(&owner, fields)?;
        }
        self.register_fields(document, fields)?;
        self.add_keys(&document.id, &document.keys)?;
        let index = Index::of(document);
        self.add_index(&index, &index.rows(), fields)?;
        Ok(Repeated(false))
    }

    /// Replaces a live document of the expected revision.
    pub(super) fn replace(
        &self,
        document: &Document,
        expected: Revision,
        fields: &mut Fields,
    ) -> Result<Repeated, Failure> {
        if self.replace_row(document, expected)? {
            return Ok(Repeated(false));
        }
        let Some(old) = self.locate(&document.id)?.filter(|old| old.is_live(self.now)) else {
            return Err(StorageError::Conflict.into());
        };
        if old.revision == document.revision.to_stored() {
            return Ok(Repeated(true));
        }
        if old.revision != expected.to_stored() {
            return Err(StorageError::Conflict.into());
        }
        let before = Index::stored(&document.id, &old)?;
        let old_keys = decode_list(&old.keys).map_err(Failure::Unreadable)?;
        let new_keys: Vec<String> = document.keys.iter().filter(|k| !old_keys.contains(k)).cloned().collect();
        let expired_owners = self.claim_keys(&document.id, &new_keys)?;
        self.write_row(&self.statements.rewrite, document)?;
        for owner in expired_owners {
            self.remove(&owner, fields)?;
        }
        for key in old_keys.iter().filter(|k| !document.keys.contains(k)) {
            self.run(&self.statements.key_delete, params![self.partition, key])?;
        }
        self.add_keys(&document.id, &new_keys)?;
        self.reindex(document, &before, fields)?;
        Ok(Repeated(false))
    }

    /// Deletes a live document of the expected revision.
    pub(super) fn delete(&self, id: &str, expected: Revision, fields: &Fields) -> Result<(), Failure> {
        let found = self.locate(id)?;
        if !found.is_some_and(|old| old.is_live(self.now) && old.revision == expected.to_stored()) {
            return Err(StorageError::Conflict.into());
        }
        self.remove(id, fields)
    }

    /// Removes a document and all its rows, whatever its state.
    pub(super) fn remove(&self, id: &str, fields: &Fields) -> Result<(), Failure> {
        let Some(old) = self.locate(id)? else { return Ok(()) };
        let index = Index::stored(id, &old)?;
        for key in decode_list(&old.keys).map_err(Failure::Unreadable)? {
            self.run(&self.statements.key_delete, params![self.partition, key])?;
        }
        self.remove_index(&index, &index.rows(), fields)?;
        self.run(&self.statements.delete, [old.seq])?;
        Ok(())
    }

    /// Records the effects of the write.
    pub(super) fn record(&self, effects: &[Effect]) -> Result<(), Failure> {
        let sql = "INSERT INTO effects (partition, topic, payload, due_at, attempts, recorded_at)
                   VALUES (?1, ?2, ?3, ?4, 0, ?5)";
        for effect in effects {
            let (topic, payload) = (effect.topic.as_str(), effect.payload.to_string());
            let (due, now) = (effect.due_at.unix_micros(), self.now.unix_micros());
            self.run(sql, params![self.partition, topic, payload, due, now])?;
        }
        Ok(())
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(values)
    }

    pub(super) fn locate(&self, id: &str) -> rusqlite::Result<Option<Located>> {
        let mut statement = self.connection.prepare_cached(&self.statements.locate)?;
        let located = statement.query_row([self.partition, id], |row| {
            Ok(Located {
                seq: row.get(0)?,
                revision: row.get(1)?,
                expires_at: row.get(2)?,
                created_at: row.get(3)?,
                keys: row.get(4)?,
                tags: row.get(5)?,
                sorts: row.get(6)?,
            })
        });
        located.optional()
    }

    /// Whether the stored document is this very write, whose acknowledgement was lost.
    fn is_repeated(&self, document: &Document) -> Result<bool, Failure> {
        let old = self.locate(&document.id)?.filter(|old| old.is_live(self.now));
        Ok(old.is_some_and(|old| old.revision == document.revision.to_stored()))
    }

    fn check_absent(&self, document: &Document) -> Result<(), Failure> {
        match self.locate(&document.id)? {
            Some(old) if old.is_live(self.now) && old.revision != document.revision.to_stored() => {
                Err(StorageError::Exists.into())
            }
            _ => Ok(()),
        }
    }

    /// Finds the expired documents that must go for the keys to be free.
    fn claim_keys(&self, id: &str, keys: &[String]) -> Result<Vec<String>, Failure> {
        let mut expired = Vec::new();
        for key in keys {
            let mut statement = self.connection.prepare_cached(&self.statements.key_owner)?;
            let owner: Option<String> =
                statement.query_row([self.partition, key], |row| row.get(0)).optional()?;
            let Some(owner) = owner.filter(|owner| owner != id) else { continue };
            if self.locate(&owner)?.is_some_and(|owner| owner.is_live(self.now)) {
                return Err(StorageError::KeyTaken { key: key.clone() }.into());
            }
            expired.push(owner);
        }
        Ok(expired)
    }

    pub(super) fn add_keys(&self, id: &str, keys: &[String]) -> Result<(), Failure> {
        for key in keys {
            self.run(&self.statements.key_insert, params![self.partition, key, id])?;
        }
        Ok(())
    }

    pub(super) fn insert_row(&self, document: &Document) -> Result<bool, Failure> {
        self.write_row(&self.statements.insert, document)
    }

    fn write_row(&self, sql: &str, document: &Document) -> Result<bool, Failure> {
        let rows = self.run(
            sql,
            params![
                self.partition,
                document.id,
                document.revision.to_stored(),
                document.version,
                document.created_at.unix_micros(),
                document.updated_at.unix_micros(),
                document.expires_at.map(Timestamp::unix_micros),
                encode_list(&document.keys),
                encode_list(&document.tags),
                encode_sorts(&document.sorts),
                document.body,
            ],
        )?;
        Ok(rows == 1)
    }

    /// The hot path: one update that only succeeds if nothing but the main row has to change.
    fn replace_row(&self, document: &Document, expected: Revision) -> Result<bool, Failure> {
        let rows = self.run(
            &self.statements.replace,
            params![
                self.partition,
                document.id,
                document.revision.to_stored(),
                document.version,
                document.created_at.unix_micros(),
                document.updated_at.unix_micros(),
                document.expires_at.map(Timestamp::unix_micros),
                encode_list(&document.keys),
                encode_list(&document.tags),
                encode_sorts(&document.sorts),
                document.body,
                expected.to_stored(),
                self.now.unix_micros(),
            ],
        )?;
        Ok(rows == 1)
    }

    fn reindex(&self, document: &Document, before: &Index<'_>, fields: &mut Fields) -> Result<(), Failure> {
        let after = Index::of(document);
        if *before == after {
            return Ok(());
        }
        self.register_fields(document, fields)?;
        let same_order = before.created_at == after.created_at
            && before.expiring == after.expiring
            && before.sorts == after.sorts;
        let (old, new) = (before.rows(), after.rows());
        let stale: Vec<&str> = old.iter().filter(|t| !same_order || !new.contains(t)).copied().collect();
        let missing: Vec<&str> = new.iter().filter(|t| !same_order || !old.contains(t)).copied().collect();
        self.remove_index(before, &stale, fields)?;
        self.add_index(&after, &missing, fields)
    }

    pub(super) fn add_index(&self, index: &Index<'_>, tags: &[&str], fields: &Fields) -> Result<(), Failure> {
        let known = fields.get(&self.statements.tables.kind).map_or(&[][..], Vec::as_slice);
        let Index { id, created_at, expiring, .. } = index;
        for tag in tags {
            self.run(&self.statements.tag_insert, params![self.partition, tag, created_at, id, expiring])?;
            for field in known {
                let value = index.value(field);
                let row = params![self.partition, tag, created_at, id, expiring, field, value];
                self.run(&self.statements.sort_insert, row)?;
            }
        }
        Ok(())
    }

    fn remove_index(&self, index: &Index<'_>, tags: &[&str], fields: &Fields) -> Result<(), Failure> {
        let known = fields.get(&self.statements.tables.kind).map_or(&[][..], Vec::as_slice);
        for tag in tags {
            let row = params![self.partition, tag, index.created_at, index.id];
            self.run(&self.statements.tag_delete, row)?;
            for field in known {
                let row = params![self.partition, tag, field, index.value(field), index.id];
                self.run(&self.statements.sort_delete, row)?;
            }
        }
        Ok(())
    }

    /// Gives a sort attribute seen for the first time a row of every document that is there already.
    pub(super) fn register_fields(&self, document: &Document, fields: &mut Fields) -> Result<(), Failure> {
        let kind = &self.statements.tables.kind;
        for (field, _) in &document.sorts {
            if fields.get(kind).is_some_and(|known| known.iter().any(|k| k == field)) {
                continue;
            }
            self.run(
                "INSERT INTO sort_fields (kind, field) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                [kind, *field],
            )?;
            self.run(&self.statements.sort_backfill, [field])?;
            fields.entry(kind.clone()).or_default().push((*field).to_owned());
        }
        Ok(())
    }
}

/// Whether this very write had happened before, so that its effects are recorded already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeated(pub(super) bool);

/// Reads which sort attributes the kinds have rows for.
pub(super) fn load_fields(connection: &Connection) -> rusqlite::Result<Fields> {
    let mut statement =
        connection.prepare_cached("SELECT kind, field FROM sort_fields ORDER BY kind, field")?;
    let mut fields = Fields::new();
    for row in statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))? {
        let (kind, field) = row?;
        fields.entry(kind).or_default().push(field);
    }
    Ok(fields)
}
