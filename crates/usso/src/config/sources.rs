//! What the sources say, and how it becomes one configuration.

use crate::config::dot_env;
use crate::config::error::{ConfigError, Source};
use crate::config::file;
use crate::config::flags::Flags;
use crate::config::origin::Origin;
use crate::config::setting::{Key, Raw};
use crate::config::storage::NO_MONGODB;
use crate::config::{Config, keys};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A file's path and text.
#[derive(Clone)]
pub struct TextFile {
    /// As named, for refusals.
    pub path: PathBuf,
    /// Its whole text.
    pub text: String,
}

/// Everything a configuration is made from, read but not yet understood.
pub struct Sources {
    /// `usso.toml` or the file named by `--config`.
    pub file: Option<TextFile>,
    /// `.env`.
    pub dot_env: Option<TextFile>,
    /// Names and values of the environment.
    pub environment: Vec<(String, String)>,
    /// The command line.
    pub flags: Flags,
    /// Reads the files that `NAME_FILE` variables name.
    pub read_secret: fn(&Path) -> io::Result<String>,
}

/// A value on its way from a source to its key.
pub(super) struct Entry {
    pub(super) key: &'static Key,
    pub(super) raw: Raw,
    pub(super) origin: Source,
}

/// A variable with its source.
struct Variable {
    value: String,
    origin: Source,
}

impl Sources {
    /// Reads the sources of this process. `usso.toml` and `.env` may be missing, the file of `--config` may not.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] for a file that is there but can't be read, and [`ConfigError::Value`] for one of
    /// our variables that isn't Unicode.
    pub fn from_process(flags: Flags) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            Some(path) => Some(read_file(path, "flag --config")?),
            None => read_if_present(Path::new("usso.toml"))?,
        };
        let mut environment = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => environment.push((name, value)),
                Err(_) if key_of(&name).is_none() => {}
                Err(_) => {
                    let reason = "is not Unicode text".to_owned();
                    let origin = Source::Environment { name: name.clone() };
                    return Err(ConfigError::Value { key: name, origin, reason });
                }
            }
        }
        let read_secret = |path: &Path| std::fs::read_to_string(path);
        Ok(Self { file, dot_env: read_if_present(Path::new(".env"))?, environment, flags, read_secret })
    }

    /// Understands the sources: the last of file, `.env`, environment and flags that sets a key wins.
    ///
    /// # Errors
    /// [`ConfigError`] names the source of whatever is unknown, malformed or unusable.
    pub fn load(self) -> Result<Config, ConfigError> {
        let mut entries = match &self.file {
            Some(file) => file::entries(file)?,
            None => Vec::new(),
        };
        entries.extend(self.variables(self.dot_env_variables()?)?);
        let variable = |(name, value): &(String, String)| Variable {
            value: value.clone(),
            origin: Source::Environment { name: name.clone() },
        };
        entries.extend(self.variables(self.environment.iter().map(variable).collect())?);
        entries.extend(self.flags.values.iter().filter_map(|(key, value)| {
            let origin = Source::Flag { name: key.flag? };
            Some(Entry { key, raw: Raw::One(value.clone()), origin })
        }));
        refuse_mongo(&entries)?;

        let effective: BTreeMap<_, _> = entries.into_iter().map(|entry| (entry.key.path, entry)).collect();
        let mut config = Config::default();
        for (path, entry) in effective {
            (entry.key.read)(&mut config, &entry.raw).map_err(|reason| refusal(&entry, reason))?;
            config.sources.insert(path, entry.origin);
        }
        config.validate()?;
        Ok(config)
    }

    fn dot_env_variables(&self) -> Result<Vec<Variable>, ConfigError> {
        let Some(file) = &self.dot_env else { return Ok(Vec::new()) };
        let assignments = dot_env::parse(&file.text).map_err(|malformed| ConfigError::Syntax {
            origin: Source::File { path: file.path.clone(), line: malformed.line },
            reason: malformed.reason.to_owned(),
        })?;
        // As in a shell, a later assignment replaces an earlier one.
        let mut last = BTreeMap::new();
        for found in assignments {
            let origin = Source::DotEnv { name: found.name.clone(), line: found.line };
            last.insert(found.name, Variable { value: found.value, origin });
        }
        Ok(last.into_values().collect())
    }

    /// The entries of one layer of variables, in which a key may be set by one name only. An empty variable counts as
    /// not set, as container tools pass it.
    fn variables(&self, variables: Vec<Variable>) -> Result<Vec<Entry>, ConfigError> {
        let mut found: BTreeMap<&'static str, Entry> = BTreeMap::new();
        for Variable { value, origin } in variables {
            let name = origin.variable().unwrap_or_default();
            let Some((key, is_file)) = key_of(name) else {
                if name.starts_with("USSO__") {
                    return Err(ConfigError::UnknownVariable { origin });
                }
                continue;
            };
            if value.is_empty() {
                continue;
            }
            let value = if is_file { self.secret_in(Path::new(&value), name)? } else { value };
            let raw = if name == "DOMAIN" {
                Origin::of_domain(&value).map(|origin| Raw::One(origin.to_string()))
            } else {
                Ok(Raw::One(value))
            };
            let raw = raw.map_err(|reason| ConfigError::Value {
                key: key.path.to_owned(),
                origin: origin.clone(),
                reason,
            })?;
            if let Some(other) = found.insert(key.path, Entry { key, raw, origin: origin.clone() }) {
                return Err(ConfigError::Twice { key: key.path, first: other.origin, second: origin });
            }
        }
        Ok(found.into_values().collect())
    }

    fn secret_in(&self, path: &Path, name: &str) -> Result<String, ConfigError> {
        let text = (self.read_secret)(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            wanted_by: name.to_owned(),
            error,
        })?;
        // Editors end files with a line break; it is no part of the secret.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
    }
}

/// The key that a variable sets, and whether it names a file that holds the value.
fn key_of(name: &str) -> Option<(&'static Key, bool)> {
    let key = keys().find(|key| key.is_named(name)).map(|key| (key, false));
    key.or_else(|| {
        let name = name.strip_suffix("_FILE")?;
        keys().find(|key| key.secret && key.is_named(name)).map(|key| (key, true))
    })
}

/// Ruling on MongoDB: never start silently on another database than the one asked for.
fn refuse_mongo(entries: &[Entry]) -> Result<(), ConfigError> {
    let is_mongo = |entry: &&Entry| matches!(entry.origin.variable(), Some("MONGO_URI" | "MONGO_URI_FILE"));
    let Some(mongo) = entries.iter().find(is_mongo) else { return Ok(()) };
    match entries.iter().find(|entry| entry.key.path == mongo.key.path && !is_mongo(entry)) {
        Some(other) => Err(ConfigError::Twice {
            key: mongo.key.path,
            first: mongo.origin.clone(),
            second: other.origin.clone(),
        }),
        None => Err(refusal(mongo, NO_MONGODB.to_owned())),
    }
}

fn refusal(entry: &Entry, reason: String) -> ConfigError {
    ConfigError::Value { key: entry.key.path.to_owned(), origin: entry.origin.clone(), reason }
}

fn read_file(path: &Path, wanted_by: &str) -> Result<TextFile, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(TextFile { path: path.to_owned(), text }),
        Err(error) => {
            Err(ConfigError::Unreadable { path: path.to_owned(), wanted_by: wanted_by.to_owned(), error })
        }
    }
}

fn read_if_present(path: &Path) -> Result<Option<TextFile>, ConfigError> {
    match read_file(path, "in the working directory") {
        Err(ConfigError::Unreadable { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}
