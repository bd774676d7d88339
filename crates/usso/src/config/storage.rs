//! `[storage]`: the directory of the installation and its databases.

use crate::config::secret::Secret;
use crate::config::setting::{Invalid, Raw, Setting, section};
use crate::config::value::{quoted, without_control};
use secrecy::SecretString;
use std::path::PathBuf;

section! {
    /// The directory of the installation and its databases.
    Storage storage {
        /// Where the embedded database (locked to one process), the generated master key and, in development mode, the outbox lie.
        data_dir: PathBuf = PathBuf::from("./data"), flag "data-dir", env "DATA_DIR";
        /// The database: `sqlite:` and the path of its file, or `postgres://user:password@host:port/database` with
        /// `sslmode=disable`, `prefer`, `require` or `verify-full` and `sslrootcert=FILE`. This build refuses `MONGO_URI`.
        database_url: Option<DatabaseUrl> = None, shown "sqlite:{data_dir}/usso.db",
            example "\"sqlite:/var/lib/usso/usso.db\"", flag "database-url", env "DATABASE_URL" "MONGO_URI";
        /// Short-lived state that several instances share: `redis://:password@host:port/0`. Without it that state is in
        /// memory, and a second instance on the same database refuses to start.
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

    /// The database.
    pub fn database(&self) -> DatabaseUrl {
        let default = || DatabaseUrl::Sqlite(self.data_dir.join("usso.db"));
        self.database_url.clone().unwrap_or_else(default)
    }
}

/// The database that `DATABASE_URL` names.
#[derive(Debug, Clone, PartialEq)]
pub enum DatabaseUrl {
    /// The embedded database in this file.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(Secret),
}

impl std::str::FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(&Raw::One(text.to_owned()))
    }
}

/// Without passwords.
impl std::fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://********"),
        }
    }
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
            Some("postgres" | "postgresql") => Ok(Self::Postgres(server_url(url, "postgres")?)),
            _ => {
                Err("must be sqlite: and the path of the database file, or postgres:// and a server"
                    .to_owned())
            }
        }
    }

    fn show(&self) -> Option<String> {
        Some(match self {
            Self::Sqlite(path) => quoted(&format!("sqlite:{}", path.display())),
            Self::Postgres(_) => quoted("postgres://********"),
        })
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

/// A Redis server.
#[derive(Debug, Clone, PartialEq)]
pub struct RedisUri(Secret);

impl RedisUri {
    /// The guarded URL.
    pub fn secret(&self) -> &SecretString {
        self.0.secret()
    }
}

impl Setting for RedisUri {
    const SECRET: bool = true;

    fn read(raw: &Raw) -> Result<Self, String> {
        let url = raw.text()?;
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("redis" | "rediss" | "redis+unix" | "unix")) {
            return Err("must be redis:// and a server".to_owned());
        }
        server_url(url, "redis").map(Self)
    }

    fn show(&self) -> Option<String> {
        Some(quoted("redis://********"))
    }
}

fn server_url(url: &str, scheme: &str) -> Result<Secret, String> {
    without_control(url)?;
    match url.split_once("://") {
        Some((_, rest)) if !rest.is_empty() => Ok(Secret::from(url)),
        _ => Err(format!("must be {scheme}://user:password@host:port/database")),
    }
}
