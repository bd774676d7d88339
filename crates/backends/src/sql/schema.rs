//! The schema, in every SQL dialect.
//!
//! A list is paged on ids over a covering index, bodies are fetched afterwards; hence `<kind>_tags` has the
//! order `(partition, tag, created_at, id)` and `<kind>_sorts` `(partition, tag, field, value, id)`. Each document
//! has a row under the empty tag as well, which is what an unfiltered list walks. `expiring` is 0 for documents
//! that never expire, so their lists are answered without a look at the documents; the time itself is only in the
//! main row, so extending it rewrites nothing else. `sort_fields` names the attributes a kind was ever sorted by:
//! every document has a row for each of them, an empty one if it lacks the attribute. The document's own row has all
//! of that once more, so that a document is read with one lookup.

use kernel::StorageError;

/// The version of the schema below, the kinds' tables included.
pub const SCHEMA_VERSION: u32 = 1;

/// The row of `schema_versions` with the schema's own version.
pub const SCHEMA_ROW: &str = "schema";

/// What the rows of `schema_versions` about record kinds start with.
pub const KIND_ROW_PREFIX: &str = "kind:";

/// The words in which the databases differ.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Text compared byte by byte.
    pub text: &'static str,
    /// A signed integer of 64 bits.
    pub integer: &'static str,
    /// Bytes.
    pub bytes: &'static str,
    /// A JSON document.
    pub json: &'static str,
    /// A primary key the database chooses.
    pub surrogate: &'static str,
    /// A primary key the database counts up and never reuses.
    pub counter: &'static str,
    /// The columns of a document's row with its keys, tags and sort attributes.
    pub labels: &'static str,
    /// After the primary key of an index table: what it must hold to be read alone.
    pub covering: &'static str,
    /// After a table whose rows have such a key.
    pub heap: &'static str,
    /// After a table whose rows are often replaced.
    pub busy: &'static str,
    /// After a table that is its own primary key.
    pub clustered: &'static str,
    /// Before the number of a parameter.
    pub parameter: char,
    /// Whether the planner has to be told how to walk: to look a second tag up instead of joining it, and to take no
    /// more of an alternative than a page can show.
    pub guided: bool,
    /// A document's tags as rows, in a query where its row is `p`: the column is `j.value`.
    pub tag_rows: &'static str,
}

/// SQLite.
pub const SQLITE: Dialect = Dialect {
    text: "TEXT",
    integer: "INTEGER",
    bytes: "BLOB",
    json: "TEXT",
    surrogate: "INTEGER PRIMARY KEY",
    counter: "INTEGER PRIMARY KEY AUTOINCREMENT",
    labels: "keys TEXT NOT NULL, tags TEXT NOT NULL, sorts TEXT NOT NULL",
    covering: "",
    heap: " STRICT",
    busy: " STRICT",
    clustered: " STRICT, WITHOUT ROWID",
    parameter: '?',
    guided: false,
    tag_rows: "json_each(p.tags) j",
};

/// PostgreSQL. The room left in a page lets a replaced row stay in it, and its index entries as they are.
pub const POSTGRES: Dialect = Dialect {
    text: "TEXT COLLATE \"C\"",
    integer: "BIGINT",
    bytes: "BYTEA",
    json: "JSONB",
    surrogate: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    counter: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    labels: "keys TEXT[] COLLATE \"C\" NOT NULL, tags TEXT[] COLLATE \"C\" NOT NULL,
             sort_names TEXT[] COLLATE \"C\" NOT NULL, sort_values BYTEA[] NOT NULL",
    covering: " INCLUDE (expiring)",
    heap: "",
    busy: " WITH (fillfactor = 80)",
    clustered: "",
    parameter: '$',
    guided: true,
    tag_rows: "unnest(p.tags) j(value)",
};

/// The tables of one record kind, quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindTables {
    /// The kind.
    pub kind: String,
    /// Documents.
    pub main: String,
    /// Unique names.
    pub keys: String,
    /// Tags in order of creation.
    pub tags: String,
    /// Tags in order of a sort attribute.
    pub sorts: String,
}

impl KindTables {
    /// The tables of a kind.
    ///
    /// # Errors
    /// `Corrupt` when the name isn't `[a-z_]+`, is longer than 40 letters or belongs to the schema itself.
    pub fn new(kind: &str) -> Result<Self, StorageError> {
        let letters = kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let ours = ["effects", "sort_fields", "schema_versions"].contains(&kind);
        let index = ["_keys", "_tags", "_sorts"].iter().any(|end| kind.ends_with(end));
        if kind.is_empty()
            || kind.len() > 40
            || !letters
            || ours
            || index
            || kind.starts_with("sqlite_")
            || kind.starts_with("pg_")
        {
            return Err(StorageError::Corrupt(format!("`{kind}` can't be the name of a record kind")));
        }
        Ok(Self {
            kind: kind.to_owned(),
            main: format!("\"{kind}\""),
            keys: format!("\"{kind}_keys\""),
            tags: format!("\"{kind}_tags\""),
            sorts: format!("\"{kind}_sorts\""),
        })
    }

    /// The statements that create them, each harmless when repeated.
    pub fn create(&self, dialect: &Dialect) -> String {
        let Self { kind, main, keys, tags, sorts } = self;
        let Dialect { text, integer, bytes, json, surrogate, labels, covering, busy, clustered, .. } =
            dialect;
        format!(
            "CREATE TABLE IF NOT EXISTS {main} (
                seq {surrogate}, partition {text} NOT NULL, id {text} NOT NULL, revision {integer} NOT NULL,
                version {integer} NOT NULL, created_at {integer} NOT NULL, updated_at {integer} NOT NULL,
                expires_at {integer}, {labels}, body {json} NOT NULL){busy};
             CREATE UNIQUE INDEX IF NOT EXISTS \"{kind}_by_id\" ON {main} (partition, id);
             CREATE INDEX IF NOT EXISTS \"{kind}_by_expiry\" ON {main} (expires_at)
                WHERE expires_at IS NOT NULL;
             CREATE TABLE IF NOT EXISTS {keys} (
                partition {text} NOT NULL, key {text} NOT NULL, id {text} NOT NULL,
                PRIMARY KEY (partition, key)){clustered};
             CREATE TABLE IF NOT EXISTS {tags} (
                partition {text} NOT NULL, tag {text} NOT NULL, created_at {integer} NOT NULL,
                id {text} NOT NULL, expiring {integer} NOT NULL,
                PRIMARY KEY (partition, tag, created_at, id){covering}){clustered};
             CREATE TABLE IF NOT EXISTS {sorts} (
                partition {text} NOT NULL, tag {text} NOT NULL, field {text} NOT NULL, value {bytes} NOT NULL,
                id {text} NOT NULL, created_at {integer} NOT NULL, expiring {integer} NOT NULL,
                PRIMARY KEY (partition, tag, field, value, id){covering}){clustered};"
        )
    }
}

/// The tables every kind shares: step 1 of the migrations.
pub fn create_shared(dialect: &Dialect) -> String {
    let Dialect { text, integer, json, counter, heap, clustered, .. } = dialect;
    format!(
        "CREATE TABLE IF NOT EXISTS sort_fields (
            kind {text} NOT NULL, field {text} NOT NULL, PRIMARY KEY (kind, field)){clustered};
         CREATE TABLE IF NOT EXISTS effects (
            position {counter}, partition {text} NOT NULL, topic {text} NOT NULL, payload {json} NOT NULL,
            due_at {integer} NOT NULL, attempts {integer} NOT NULL, recorded_at {integer} NOT NULL){heap};
         CREATE INDEX IF NOT EXISTS effects_due ON effects (due_at, position) WHERE topic <> 'invalidation';
         CREATE INDEX IF NOT EXISTS effects_feed ON effects (position, recorded_at)
            WHERE topic = 'invalidation';"
    )
}

/// The table of versions, which must exist before anything can be said about them.
pub fn create_versions(dialect: &Dialect) -> String {
    let Dialect { text, integer, clustered, .. } = dialect;
    format!(
        "CREATE TABLE IF NOT EXISTS schema_versions (
            name {text} NOT NULL PRIMARY KEY, version {integer} NOT NULL){clustered};"
    )
}

/// The steps from an older schema to [`SCHEMA_VERSION`]: the n-th leads to version n. Each runs in a transaction
/// of its own, together with the record that it ran.
pub fn migrations(dialect: &Dialect) -> Vec<String> {
    let old_invalidations = "CREATE INDEX IF NOT EXISTS effects_age ON effects (recorded_at)
                             WHERE topic = 'invalidation';";
    let more = if dialect.guided { old_invalidations } else { "" };
    vec![create_shared(dialect) + more]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_with_another_character_is_refused() {
        for kind in ["", "Users", "user-s", "a\"b", "users;", "effects", "users_keys", "sqlite_master"] {
            assert!(KindTables::new(kind).is_err(), "{kind}");
        }
        assert!(KindTables::new("one_time").is_ok());
    }

    #[test]
    fn the_last_migration_leads_to_the_schema_version() {
        for dialect in [SQLITE, POSTGRES] {
            assert_eq!(migrations(&dialect).len(), SCHEMA_VERSION as usize);
        }
    }
}
