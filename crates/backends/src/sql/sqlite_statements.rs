//! The statements about one kind, written once so that preparing them is a lookup.

use super::schema::KindTables;
use kernel::StorageError;

/// The SQL about one kind's tables.
#[derive(Debug)]
pub(super) struct Statements {
    /// The tables.
    pub(super) tables: KindTables,
    /// A live document by id.
    pub(super) get: String,
    /// A live document by key.
    pub(super) find: String,
    /// A document's envelope by id, live or not.
    pub(super) locate: String,
    /// Inserts a document unless its id is there.
    pub(super) insert: String,
    /// Replaces a live document of a revision whose labels and expiry stay as they are.
    pub(super) replace: String,
    /// Rewrites a document's row.
    pub(super) rewrite: String,
    /// Deletes a document's row.
    pub(super) delete: String,
    /// The owner of a key.
    pub(super) key_owner: String,
    /// Takes a key.
    pub(super) key_insert: String,
    /// Frees a key.
    pub(super) key_delete: String,
    /// Adds a tag.
    pub(super) tag_insert: String,
    /// Removes a tag.
    pub(super) tag_delete: String,
    /// Adds a tag with a sort attribute.
    pub(super) sort_insert: String,
    /// Removes a tag with a sort attribute.
    pub(super) sort_delete: String,
    /// Gives every document an empty value of a new sort attribute.
    pub(super) sort_backfill: String,
    /// A document that expires, if there is any.
    pub(super) has_expiring: String,
    /// Documents that have expired.
    pub(super) expired: String,
    /// Documents of a partition.
    pub(super) of_partition: String,
    /// Live documents of all partitions after a place, each with its partition behind it.
    pub(super) scan: String,
}

const DOCUMENT: &str = "d.id, d.revision, d.version, d.created_at, d.updated_at, d.expires_at, d.keys, d.tags, \
                        d.sorts, d.body";

impl Statements {
    /// The statements of a kind.
    ///
    /// # Errors
    /// `Corrupt` when the kind's name isn't allowed.
    pub(super) fn new(kind: &str) -> Result<Self, StorageError> {
        let tables = KindTables::new(kind)?;
        let KindTables { main, keys, tags, sorts, .. } = &tables;
        let live = "(d.expires_at IS NULL OR d.expires_at > ?3)";
        Ok(Self {
            get: format!("SELECT {DOCUMENT} FROM {main} d WHERE d.partition = ?1 AND d.id = ?2 AND {live}"),
            find: format!(
                "SELECT {DOCUMENT} FROM {keys} k CROSS JOIN {main} d ON d.partition = k.partition AND d.id = k.id
                 WHERE k.partition = ?1 AND k.key = ?2 AND {live}"
            ),
            locate: format!(
                "SELECT seq, revision, expires_at, created_at, keys, tags, sorts FROM {main}
                 WHERE partition = ?1 AND id = ?2"
            ),
            insert: format!(
                "INSERT INTO {main} (partition, id, revision, version, created_at, updated_at, expires_at, keys,
                 tags, sorts, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING"
            ),
            replace: format!(
                "UPDATE {main} SET revision = ?3, version = ?4, updated_at = ?6, body = ?11
                 WHERE partition = ?1 AND id = ?2 AND revision = ?12 AND created_at = ?5 AND expires_at IS ?7
                 AND keys = ?8 AND tags = ?9 AND sorts = ?10 AND (expires_at IS NULL OR expires_at > ?13)"
            ),
            rewrite: format!(
                "UPDATE {main} SET revision = ?3, version = ?4, created_at = ?5, updated_at = ?6, expires_at = ?7,
                 keys = ?8, tags = ?9, sorts = ?10, body = ?11 WHERE partition = ?1 AND id = ?2"
            ),
            delete: format!("DELETE FROM {main} WHERE seq = ?1"),
            key_owner: format!("SELECT id FROM {keys} WHERE partition = ?1 AND key = ?2"),
            key_insert: format!(
                "INSERT INTO {keys} (partition, key, id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
            ),
            key_delete: format!("DELETE FROM {keys} WHERE partition = ?1 AND key = ?2"),
            tag_insert: format!(
                "INSERT INTO {tags} (partition, tag, created_at, id, expiring) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING"
            ),
            tag_delete: format!(
                "DELETE FROM {tags} WHERE partition = ?1 AND tag = ?2 AND created_at = ?3 AND id = ?4"
            ),
            sort_insert: format!(
                "INSERT INTO {sorts} (partition, tag, created_at, id, expiring, field, value)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING"
            ),
            sort_delete: format!(
                "DELETE FROM {sorts} WHERE partition = ?1 AND tag = ?2 AND field = ?3 AND value = ?4 AND id = ?5"
            ),
            sort_backfill: format!(
                "INSERT INTO {sorts} (partition, tag, created_at, id, expiring, field, value)
                 SELECT partition, tag, created_at, id, expiring, ?1, x'' FROM {tags} WHERE true
                 ON CONFLICT DO NOTHING"
            ),
            has_expiring: format!("SELECT 1 FROM {main} WHERE expires_at IS NOT NULL LIMIT 1"),
            expired: format!(
                "SELECT partition, id FROM {main} WHERE expires_at IS NOT NULL AND expires_at <= ?1
                 ORDER BY expires_at LIMIT ?2"
            ),
            scan: format!(
                "SELECT {DOCUMENT}, d.partition FROM {main} d WHERE (d.partition, d.id) > (?1, ?2) AND {live}
                 ORDER BY d.partition, d.id LIMIT ?4"
            ),
            of_partition: format!("SELECT partition, id FROM {main} WHERE partition = ?1 LIMIT ?2"),
            tables,
        })
    }
}
