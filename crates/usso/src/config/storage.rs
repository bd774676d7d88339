//! `[storage]`: the directory of the installation and its databases.

use crate::config::setting::{Invalid, Raw, Setting, section};
use crate::config::value::{quoted, without_control};
use std::path::PathBuf;

section! {
    /// The directory of the installation and its databases.
    Storage storage {
        /// Where the embedded database (locked to one process), the generated master key and, in development mode, the outbox lie.
        data_dir: PathBuf = PathBuf::from("./data"), flag "data-dir", env "DATA_DIR";
        /// The database. This build has the embedded one: `sqlite:` and the path of its file; it refuses `MONGO_URI`.
        database_url: Option<DatabaseUrl> = None, shown "sqlite:{data_dir}/usso.db",
            example "\"sqlite:/var/lib/usso/usso.db\"", flag "database-url", env "DATABASE_URL" "MONGO_URI";
        /// Shared short-lived state for several instances. This build keeps it in memory, for one instance, and refuses this key.
        redis_uri: Option<RedisUri> = None, shown "none", example "\"redis://localhost:6379/0\"",
            flag "redis-uri", env "REDIS_URI";
    }
}

/// Why `mongodb:` and `MONGO_URI` are refused.
pub(super) const NO_MONGODB: &str = "this build cannot use MongoDB yet; remove it and set DATABASE_URL=sqlite:PATH, or nothing for the default";

impl Storage {
    /// Nothing to compare: each value was checked when read.
    ///
    /// # Errors
    /// None.
    pub fn validate(&self) -> Result<(), Invalid> {
        Ok(())
    }

    /// The file of the embedded database.
    pub fn database_file(&self) -> PathBuf {
        match &self.database_url {
            Some(DatabaseUrl::Sqlite(path)) => path.clone(),
            None => self.data_dir.join("usso.db"),
        }
    }
}

/// The database that `DATABASE_URL` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The embedded database in this file.
    Sqlite(PathBuf),
}

// Other databases' URLs hold passwords, so no reason repeats the value.
impl Setting for DatabaseUrl {
    const SECRET: bool = true;

    fn read(raw: &Raw) -> Result<Self, String> {
        let url = raw.text()?;
        let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("sqlite") => read_sqlite(url.get("sqlite:".len()..).unwrap_or_default()),
            Some("mongodb" | "mongodb+srv") => Err(NO_MONGODB.to_owned()),
            Some("postgres" | "postgresql") => {
                Err("this build cannot use PostgreSQL yet; set sqlite:PATH, or nothing for the default"
                    .to_owned())
            }
            _ => Err("must be sqlite: and the path of the database file".to_owned()),
        }
    }

    fn show(&self) -> Option<String> {
        let Self::Sqlite(path) = self;
        Some(quoted(&format!("sqlite:{}", path.display())))
    }
}

fn read_sqlite(rest: &str) -> Result<DatabaseUrl, String> {
    // `sqlite:///abs` and `sqlite://relative` are written as often as `sqlite:path`.
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.starts_with(':') {
        return Err("sqlite: needs the path of a file; a database in memory is not supported".to_owned());
    }
    if path.contains(['?', '#']) {
        return Err("sqlite: takes a path without parameters".to_owned());
    }
    without_control(path)?;
    Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
}

/// A Redis server. It has no values: this build has no adapter for it, so every attempt to name one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisUri {}

impl Setting for RedisUri {
    const SECRET: bool = true;

    fn read(_: &Raw) -> Result<Self, String> {
        Err("this build cannot use Redis yet; remove it and run one instance, whose shared state is in memory"
            .to_owned())
    }

    fn show(&self) -> Option<String> {
        match *self {}
    }
}
