//! The configuration of an installation: defaults, then `usso.toml`, `.env`, the environment, and flags.
//!
//! One file per section declares its keys (`setting::section!`); [`Sources`] gathers what the sources say, the last one
//! wins, and every refusal names the source it comes from. This is the only place that reads the process environment.
//! What a tenant can set for itself is not here but in the tenant's record.

mod dot_env;
mod error;
mod file;
mod flags;
mod hashing;
mod keys;
mod log;
mod network;
mod origin;
mod outbound;
mod reference;
mod secret;
mod security;
mod server;
mod setting;
mod sms;
mod smtp;
mod sources;
mod storage;
mod tenants;
#[cfg(test)]
mod tests;
mod tls;
mod value;

pub use error::{ConfigError, Source};
pub use flags::Flags;
pub use hashing::Hashing;
pub use keys::Keys;
pub use log::{Level, Log, LogFormat};
pub use network::Network;
pub use origin::{HostName, Origin};
pub use outbound::Outbound;
pub use reference::{example, reference};
pub use secret::{MasterKey, Secret};
pub use security::Security;
pub use server::Server;
pub use setting::Invalid;
pub use sms::Sms;
pub use smtp::Smtp;
pub use sources::{Sources, TextFile};
pub use storage::{DatabaseUrl, RedisUri, Storage};
pub use tenants::Tenants;
pub use tls::Tls;

use setting::{Key, Section};
use std::collections::BTreeMap;

/// Every section, in the order of the documentation.
static ALL: [Section; 11] = [
    server::SECTION,
    storage::SECTION,
    security::SECTION,
    tls::SECTION,
    log::SECTION,
    smtp::SECTION,
    sms::SECTION,
    hashing::SECTION,
    tenants::SECTION,
    keys::SECTION,
    outbound::SECTION,
];

/// Every key with its section.
fn keys() -> impl Iterator<Item = &'static Key> {
    ALL.iter().flat_map(|section| section.keys)
}

/// The effective configuration, one member per section. Passed by `Arc`, never global. `Debug` shows no secret.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[storage]`
    pub storage: Storage,
    /// `[security]`
    pub security: Security,
    /// `[tls]`
    pub tls: Tls,
    /// `[log]`
    pub log: Log,
    /// `[smtp]`
    pub smtp: Smtp,
    /// `[sms]`
    pub sms: Sms,
    /// `[hashing]`
    pub hashing: Hashing,
    /// `[tenants]`
    pub tenants: Tenants,
    /// `[keys]`
    pub keys: Keys,
    /// `[outbound]`
    pub outbound: Outbound,
    /// Where the values that aren't defaults came from, by `section.name`.
    sources: BTreeMap<&'static str, Source>,
}

impl Config {
    /// Reads the configuration of this process: files in the working directory, the environment, and `flags`.
    ///
    /// # Errors
    /// [`ConfigError`] names the source of whatever is unknown, malformed or unusable.
    pub fn load(flags: Flags) -> Result<Self, ConfigError> {
        Sources::from_process(flags)?.load()
    }

    /// Checks each section.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first value that can't be right.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for section in &ALL {
            (section.validate)(self).map_err(|invalid| ConfigError::Value {
                key: invalid.key.to_owned(),
                origin: self.source_of(invalid.key),
                reason: invalid.reason,
            })?;
        }
        self.needs_master_key()
    }

    /// A database that several machines share needs a key that they share: a file beside one of them is not enough.
    fn needs_master_key(&self) -> Result<(), ConfigError> {
        let is_shared = matches!(self.storage.database(), DatabaseUrl::Postgres(_));
        if !is_shared || self.security.master_key.is_some() {
            return Ok(());
        }
        Err(ConfigError::Value {
            key: "security.master_key".to_owned(),
            origin: self.source_of("security.master_key"),
            reason: "is required with PostgreSQL: set MASTER_KEY to the base64 of 32 random bytes".to_owned(),
        })
    }

    /// The origin of the default tenant, for a listener that got `port` (which differs from `server.port` if that is 0).
    pub fn origin(&self, port: u16) -> Origin {
        let is_https = self.tls.pair().is_some();
        match &self.server.base_url {
            Some(origin) if self.source_of("server.base_url").variable() == Some("DOMAIN") => {
                origin.at_listener(is_https, port)
            }
            Some(origin) => origin.clone(),
            None => Origin::local(is_https, port),
        }
    }

    /// Where the value of `section.name` came from.
    pub fn source_of(&self, path: &str) -> Source {
        self.sources.get(path).cloned().unwrap_or(Source::Default)
    }

    /// The effective configuration as TOML, secrets as asterisks, each value with its source.
    pub fn print(&self) -> String {
        let mut out = String::new();
        for section in &ALL {
            out.push_str(&format!("{}[{}]\n", if out.is_empty() { "" } else { "\n" }, section.name));
            for key in section.keys {
                let source = self.source_of(key.path);
                out.push_str(&match (key.show)(self) {
                    Some(value) => format!("{} = {value} # {source}\n", key.name),
                    None => format!("# {} is not set: {}\n", key.name, key.shown.unwrap_or("none")),
                });
            }
        }
        out
    }
}
