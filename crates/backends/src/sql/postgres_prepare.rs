//! Creating and upgrading the schema, by however many instances at once.

use super::postgres_connect::{Connection, unavailable};
use super::schema::{
    KIND_ROW_PREFIX, KindTables, POSTGRES, SCHEMA_ROW, SCHEMA_VERSION, create_versions, migrations,
};
use kernel::{KindSpec, StorageError};
use std::collections::HashMap;

/// The lock of whoever changes the schema: "usso".
const LOCK: i64 = 0x7573_736f;

/// How long writers may have to wait behind an attempt to add a sort attribute.
const LOCK_WAIT_MILLIS: u32 = 500;

/// The oldest PostgreSQL that has what the statements use.
const OLDEST_SERVER: i32 = 13;

/// Creates or upgrades what is missing, in one transaction, and answers all the kinds the database has.
///
/// # Errors
/// `NewerSchema` when a newer version wrote the database; then nothing was changed.
pub(super) async fn prepare(
    connection: &Connection,
    kinds: &[KindSpec],
) -> Result<Vec<String>, StorageError> {
    let batch = async |sql: &str| connection.client.batch_execute(sql).await.map_err(|e| unavailable(&e));
    check_server(connection).await?;
    // The transaction ends with the connection if it isn't committed.
    batch(&format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})")).await?;
    batch(&create_versions(&POSTGRES)).await?;
    let versions = versions(connection).await?;
    let found = versions.get(SCHEMA_ROW).copied().unwrap_or(0);
    check(SCHEMA_ROW, found, SCHEMA_VERSION)?;
    for spec in kinds {
        check(spec.kind, version_of(&versions, spec.kind).unwrap_or(0), spec.version)?;
    }
    for (step, reached) in migrations(&POSTGRES).iter().zip(1..).filter(|(_, reached)| *reached > found) {
        batch(step).await?;
        set_version(connection, SCHEMA_ROW, reached).await?;
    }
    for spec in kinds {
        let tables = KindTables::new(spec.kind)?;
        let known = version_of(&versions, spec.kind);
        if known.is_none() {
            batch(&tables.create(&POSTGRES)).await?;
        }
        if known != Some(spec.version) {
            set_version(connection, &format!("{KIND_ROW_PREFIX}{}", spec.kind), spec.version).await?;
        }
    }
    batch("COMMIT").await?;
    let stored = versions.into_keys().filter_map(|name| Some(name.strip_prefix(KIND_ROW_PREFIX)?.to_owned()));
    let mut all: Vec<String> = stored.chain(kinds.iter().map(|spec| spec.kind.to_owned())).collect();
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

async fn check_server(connection: &Connection) -> Result<(), StorageError> {
    let sql = "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding')";
    let row = connection.client.query_one(sql, &[]).await.map_err(|e| unavailable(&e))?;
    let (version, encoding): (i32, &str) = (row.get(0), row.get(1));
    if version < OLDEST_SERVER {
        let why = format!("PostgreSQL {version} is too old: {OLDEST_SERVER} or newer is needed");
        return Err(StorageError::Unavailable(why));
    }
    if encoding != "UTF8" {
        let why = format!("the database is encoded in {encoding}: create it with ENCODING 'UTF8'");
        return Err(StorageError::Unavailable(why));
    }
    Ok(())
}

fn check(what: &str, found: u32, known: u32) -> Result<(), StorageError> {
    if found > known {
        return Err(StorageError::NewerSchema { what: what.to_owned(), found, known });
    }
    Ok(())
}

fn version_of(versions: &HashMap<String, u32>, kind: &str) -> Option<u32> {
    versions.get(&format!("{KIND_ROW_PREFIX}{kind}")).copied()
}

async fn versions(connection: &Connection) -> Result<HashMap<String, u32>, StorageError> {
    let sql = "SELECT name, version FROM schema_versions";
    let rows = connection.client.query(sql, &[]).await.map_err(|e| unavailable(&e))?;
    let read = |row: &tokio_postgres::Row| {
        let version: i64 = row.get(1);
        (row.get(0), u32::try_from(version).unwrap_or(u32::MAX))
    };
    Ok(rows.iter().map(read).collect())
}

async fn set_version(connection: &Connection, name: &str, version: u32) -> Result<(), StorageError> {
    let sql = "INSERT INTO schema_versions (name, version) VALUES ($1, $2)
               ON CONFLICT (name) DO UPDATE SET version = excluded.version";
    let set = connection.client.execute(sql, &[&name, &i64::from(version)]).await;
    set.map(|_| ()).map_err(|e| unavailable(&e))
}

/// Gives a kind a sort attribute, and every document that is there already an empty value of it. Writers of the kind
/// wait meanwhile, and see it when they go on. They wait for a lock that has to wait as well, such as for a VACUUM, so
/// that is given up soon.
///
/// # Errors
/// When the lock can't be had, or the server is away.
pub(super) async fn add_sort_field(
    connection: &Connection,
    tables: &KindTables,
    backfill: &str,
    field: &str,
) -> Result<(), StorageError> {
    let failed = |error: tokio_postgres::Error| unavailable(&error);
    let begin = format!(
        "BEGIN; SET LOCAL lock_timeout = '{LOCK_WAIT_MILLIS}ms'; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
        tables.sorts
    );
    connection.client.batch_execute(&begin).await.map_err(failed)?;
    let sql = "INSERT INTO sort_fields (kind, field) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let added = connection.client.execute(sql, &[&tables.kind, &field]).await.map_err(failed)?;
    if added > 0 {
        connection.client.execute(backfill, &[&field]).await.map_err(failed)?;
    }
    connection.client.batch_execute("COMMIT").await.map_err(failed)
}
