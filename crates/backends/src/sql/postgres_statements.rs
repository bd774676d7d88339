//! The statements about one kind.
//!
//! A write is one statement wherever that is possible: the document's row first, and in the same breath its keys in
//! their order, tags, sort attributes and effects, which depend on that row. So one round trip is one transaction,
//! writers of several keys meet in one order, and the transaction is known to others (by the lock on `effects`) before
//! its effects get their positions.

use super::schema::KindTables;
use kernel::StorageError;

/// The SQL about one kind's tables.
#[derive(Debug)]
pub(super) struct Statements {
    /// The tables.
    pub(super) tables: KindTables,
    /// A live document by id: partition, id, now.
    pub(super) get: String,
    /// A live document by key: partition, key, now.
    pub(super) find: String,
    /// Documents after a place: partition, id, now, limit.
    pub(super) scan: String,
    /// Inserts a document with its index rows; fails when the id or a key is there.
    pub(super) insert: String,
    /// The same with effects.
    pub(super) insert_recording: String,
    /// Replaces a live document of a revision whose labels stay as they are.
    pub(super) replace: String,
    /// The same with effects.
    pub(super) replace_recording: String,
    /// Deletes a live document of a revision with its index rows: partition, id, revision, now.
    pub(super) delete: String,
    /// The same with effects.
    pub(super) delete_recording: String,
    /// A document's envelope by id, live or not, locked: partition, id.
    pub(super) lock: String,
    /// Rewrites a document's row.
    pub(super) rewrite: String,
    /// Removes documents that have expired, whatever they hold: partition, ids, now.
    pub(super) evict: String,
    /// Takes those keys that are free: partition, id, keys. Answers which.
    pub(super) claim: String,
    /// Who has keys: partition, keys, now. Answers key, owner, whether the owner is live, in the order of keys.
    pub(super) owners: String,
    /// Gives keys up: partition, id, keys.
    pub(super) release: String,
    /// Adds index rows: partition, id, created_at, expiring, tags, sort names and values.
    pub(super) index: String,
    /// Removes index rows: partition, id, created_at, tags, sort names and values.
    pub(super) unindex: String,
    /// Removes documents that have expired: now, limit.
    pub(super) purge: String,
    /// Removes documents of a partition: partition, limit.
    pub(super) drop: String,
    /// What is there of documents: partitions, ids. Answers partition, id, revision.
    pub(super) present: String,
    /// Who has keys: partitions, keys. Answers the keys.
    pub(super) taken: String,
    /// Gives every document an empty value of a new sort attribute: field.
    pub(super) backfill: String,
}

/// The columns of a document, as [`super::postgres_query`] reads them.
const DOCUMENT: &str = "d.id, d.revision, d.version, d.created_at, d.updated_at, d.expires_at, d.keys, d.tags, \
                        d.sort_names, d.sort_values, d.body";

const NO_VALUE: &str = "'\\x'::bytea";

impl Statements {
    /// The statements of a kind.
    ///
    /// # Errors
    /// `Corrupt` when the kind's name isn't allowed.
    pub(super) fn new(kind: &str) -> Result<Self, StorageError> {
        let tables = KindTables::new(kind)?;
        let KindTables { main, keys, tags, sorts, .. } = &tables;
        Ok(Self {
            get: format!("SELECT {DOCUMENT} FROM {main} d WHERE d.partition = $1 AND d.id = $2 AND {}", live(3)),
            find: format!(
                "SELECT {DOCUMENT} FROM {keys} k JOIN {main} d ON d.partition = k.partition AND d.id = k.id
                 WHERE k.partition = $1 AND k.key = $2 AND {}",
                live(3)
            ),
            scan: format!(
                "SELECT {DOCUMENT}, d.partition FROM {main} d WHERE (d.partition, d.id) > ($1, $2) AND {}
                 ORDER BY d.partition, d.id LIMIT $4",
                live(3)
            ),
            insert: insert(&tables, ""),
            insert_recording: insert(&tables, &effects("doc", 13)),
            replace: replace(main),
            replace_recording: format!(
                "WITH doc AS ({} RETURNING partition){} SELECT 1 FROM doc",
                replace(main),
                effects("doc", 15)
            ),
            delete: delete(&tables, ""),
            delete_recording: delete(&tables, &effects("gone", 5)),
            lock: format!(
                "SELECT revision, expires_at, created_at, keys, tags, sort_names, sort_values FROM {main}
                 WHERE partition = $1 AND id = $2 FOR UPDATE"
            ),
            rewrite: format!(
                "UPDATE {main} SET revision = $3, version = $4, created_at = $5, updated_at = $6, expires_at = $7,
                 keys = $8, tags = $9, sort_names = $10, sort_values = $11, body = $12
                 WHERE partition = $1 AND id = $2"
            ),
            evict: remove(&tables, "SELECT seq FROM {main} WHERE partition = $1 AND id = ANY($2)
                AND expires_at <= $3 ORDER BY id FOR UPDATE"),
            claim: format!(
                "INSERT INTO {keys} (partition, key, id) SELECT $1, key, $2 FROM unnest($3::text[]) AS k(key)
                 ON CONFLICT DO NOTHING RETURNING key"
            ),
            owners: format!(
                "SELECT k.key, k.id, {} AS live FROM {keys} k LEFT JOIN {main} d
                 ON d.partition = k.partition AND d.id = k.id
                 WHERE k.partition = $1 AND k.key = ANY($2) ORDER BY k.key",
                live(3)
            ),
            release: format!("DELETE FROM {keys} WHERE partition = $1 AND id = $2 AND key = ANY($3)"),
            index: format!(
                "WITH doc AS (SELECT $1 AS partition, $2 AS id, $3::bigint AS created_at, $4::bigint AS expiring),
                 {} SELECT 1",
                add_rows(&tables, "$5", "$6", "$7")
            ),
            unindex: format!(
                "WITH gone AS (SELECT $1 AS partition, $2 AS id, $3::bigint AS created_at, $5::text[] AS sort_names,
                 $6::bytea[] AS sort_values), {} SELECT 1",
                remove_rows(&tables, "$4::text[]")
            ),
            purge: remove(&tables, "SELECT seq FROM {main} WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
                FOR UPDATE SKIP LOCKED"),
            drop: remove(&tables, "SELECT seq FROM {main} WHERE partition = $1 ORDER BY id LIMIT $2 FOR UPDATE"),
            present: format!(
                "SELECT d.partition, d.id, d.revision FROM unnest($1::text[], $2::text[]) AS w(partition, id)
                 JOIN {main} d ON d.partition = w.partition AND d.id = w.id"
            ),
            taken: format!(
                "SELECT k.partition, k.key FROM unnest($1::text[], $2::text[]) AS w(partition, key)
                 JOIN {keys} k ON k.partition = w.partition AND k.key = w.key"
            ),
            backfill: format!(
                "INSERT INTO {sorts} (partition, tag, created_at, id, expiring, field, value)
                 SELECT partition, tag, created_at, id, expiring, $1, {NO_VALUE} FROM {tags} ON CONFLICT DO NOTHING"
            ),
            tables,
        })
    }

    /// A page and the number of all that match, from one snapshot, always at least one row.
    pub(super) fn page(&self, ids: &str, count: &str, direction: &str) -> String {
        let main = &self.tables.main;
        format!(
            "WITH page AS MATERIALIZED ({ids}), total AS MATERIALIZED ({count})
             SELECT {DOCUMENT}, total.n FROM total LEFT JOIN
             (page JOIN {main} d ON d.partition = $1 AND d.id = page.id) ON true
             ORDER BY page.o {direction}, page.id {direction}"
        )
    }

    /// How many rows of tags there are, up to a bound: partition, tags.
    pub(super) fn rarity(&self, bound: u32) -> String {
        let tags = &self.tables.tags;
        format!(
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM {tags} t WHERE t.partition = $1 AND t.tag = w.tag
             LIMIT {bound}) c) FROM unnest($2::text[]) WITH ORDINALITY AS w(tag, n) ORDER BY w.n"
        )
    }
}

/// Effects by themselves: partition, then as [`effects`].
pub(super) fn record_effects() -> String {
    format!("WITH doc AS (SELECT $1::text AS partition){} SELECT 1", effects("doc", 2))
}

fn live(now: usize) -> String {
    format!("(d.expires_at IS NULL OR d.expires_at > ${now})")
}

fn insert(tables: &KindTables, effects: &str) -> String {
    let KindTables { main, keys, .. } = tables;
    let rows = add_rows(tables, "$9", "$10", "$11");
    format!(
        "WITH doc AS (
             INSERT INTO {main} (partition, id, revision, version, created_at, updated_at, expires_at, keys, tags,
             sort_names, sort_values, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             RETURNING partition, id, created_at, (expires_at IS NOT NULL)::int::bigint AS expiring),
         k AS (INSERT INTO {keys} (partition, key, id)
             SELECT doc.partition, k.key, doc.id FROM doc, unnest($8) AS k(key)),
         {rows}{effects} SELECT 1"
    )
}

fn replace(main: &str) -> String {
    format!(
        "UPDATE {main} d SET revision = $3, version = $4, updated_at = $6, expires_at = $7::bigint, body = $12
         WHERE d.partition = $1 AND d.id = $2 AND d.revision = $13 AND d.created_at = $5
         AND (d.expires_at IS NULL) = ($7::bigint IS NULL) AND d.keys = $8 AND d.tags = $9 AND d.sort_names = $10
         AND d.sort_values = $11 AND {}",
        live(14)
    )
}

fn delete(tables: &KindTables, effects: &str) -> String {
    let (main, rows) = (&tables.main, remove_all_rows(tables));
    format!(
        "WITH gone AS (DELETE FROM {main} d WHERE d.partition = $1 AND d.id = $2 AND d.revision = $3 AND {}
         RETURNING d.*), {rows}{effects} SELECT count(*) FROM gone",
        live(4)
    )
}

/// Removes documents, chosen by their `seq`, with all their rows. Answers how many.
fn remove(tables: &KindTables, which: &str) -> String {
    let (main, rows) = (&tables.main, remove_all_rows(tables));
    let which = which.replace("{main}", main);
    format!(
        "WITH gone AS (DELETE FROM {main} d WHERE d.seq = ANY(ARRAY({which})) RETURNING d.*), {rows}
         SELECT count(*) FROM gone"
    )
}

/// Adds rows of a document (`doc`: partition, id, created_at, expiring) for tags, and for the empty one when they are
/// all of a document's: a kind's sort attributes are read here, so that one which is new isn't missed.
fn add_rows(
    KindTables { kind, tags, sorts, .. }: &KindTables,
    of: &str,
    names: &str,
    values: &str,
) -> String {
    format!(
        "t AS (INSERT INTO {tags} (partition, tag, created_at, id, expiring)
             SELECT doc.partition, t.tag, doc.created_at, doc.id, doc.expiring
             FROM doc, unnest(''::text || {of}::text[]) AS t(tag) ON CONFLICT DO NOTHING),
         s AS (INSERT INTO {sorts} (partition, tag, created_at, id, expiring, field, value)
             SELECT doc.partition, t.tag, doc.created_at, doc.id, doc.expiring, f.field, COALESCE(v.value, {NO_VALUE})
             FROM doc CROSS JOIN unnest(''::text || {of}::text[]) AS t(tag) CROSS JOIN sort_fields f
             LEFT JOIN LATERAL unnest({names}::text[], {values}::bytea[]) AS v(field, value) ON v.field = f.field
             WHERE f.kind = '{kind}' ON CONFLICT DO NOTHING)"
    )
}

/// Removes rows of documents (`gone`: partition, id, created_at, sort_names, sort_values) for tags.
fn remove_rows(KindTables { kind, tags, sorts, .. }: &KindTables, of: &str) -> String {
    format!(
        "t AS (DELETE FROM {tags} t USING gone CROSS JOIN LATERAL unnest({of}) AS x(tag)
             WHERE t.partition = gone.partition AND t.tag = x.tag AND t.created_at = gone.created_at
             AND t.id = gone.id),
         s AS (DELETE FROM {sorts} s USING gone CROSS JOIN LATERAL unnest({of}) AS x(tag) CROSS JOIN sort_fields f
             LEFT JOIN LATERAL unnest(gone.sort_names, gone.sort_values) AS v(field, value) ON v.field = f.field
             WHERE f.kind = '{kind}' AND s.partition = gone.partition AND s.tag = x.tag AND s.field = f.field
             AND s.value = COALESCE(v.value, {NO_VALUE}) AND s.id = gone.id)"
    )
}

/// Removes all rows of documents (`gone`).
fn remove_all_rows(tables: &KindTables) -> String {
    let keys = &tables.keys;
    format!(
        "k AS (DELETE FROM {keys} k USING gone CROSS JOIN LATERAL unnest(gone.keys) AS x(key)
             WHERE k.partition = gone.partition AND k.key = x.key AND k.id = gone.id),
         {}",
        remove_rows(tables, "(''::text || gone.tags)")
    )
}

/// Records effects if there is a document: topics, payloads, times, now, the first parameter being the `first`.
fn effects(document: &str, first: usize) -> String {
    let [topics, payloads, times, now] = [first, first + 1, first + 2, first + 3];
    format!(
        ", e AS (INSERT INTO effects (partition, topic, payload, due_at, attempts, recorded_at)
             SELECT {document}.partition, x.topic, x.payload, x.due_at, 0, ${now}::bigint FROM {document},
             unnest(${topics}::text[], ${payloads}::jsonb[], ${times}::bigint[]) WITH ORDINALITY
             AS x(topic, payload, due_at, n) ORDER BY x.n)"
    )
}
