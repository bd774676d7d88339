//! Why a configuration is refused, and where each value came from.

use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody said otherwise.
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A line of the `.env` file.
    DotEnv {
        /// The variable.
        name: String,
        /// Counted from 1.
        line: usize,
    },
    /// A variable of the process environment.
    Environment {
        /// The variable.
        name: String,
    },
    /// A flag.
    Flag {
        /// Without its dashes.
        name: &'static str,
    },
}

impl Source {
    /// The variable's name, if it is one.
    pub(super) fn variable(&self) -> Option<&str> {
        match self {
            Self::DotEnv { name, .. } | Self::Environment { name } => Some(name),
            Self::Default | Self::File { .. } | Self::Flag { .. } => None,
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            // Debug notation, so that no file name can end the comment it is printed in.
            Self::File { path, line } => write!(f, "file {path:?} line {line}"),
            Self::DotEnv { name, line } => write!(f, "file \".env\" line {line}, {name}"),
            Self::Environment { name } => write!(f, "environment variable {name}"),
            Self::Flag { name } => write!(f, "flag --{name}"),
        }
    }
}

/// Why a configuration is refused. No text repeats a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file has a section or key that does not exist.
    #[error("{origin}: unknown {what}; known are {known}")]
    UnknownKey {
        /// The section or key, as written.
        what: String,
        /// Where it stands.
        origin: Source,
        /// What could have been meant.
        known: String,
    },
    /// A variable `USSO__…` names no key.
    #[error("{origin}: unknown variable; docs/configuration.md lists those that exist")]
    UnknownVariable {
        /// Where it stands.
        origin: Source,
    },
    /// A value can't be used.
    #[error("{key} ({origin}): {reason}")]
    Value {
        /// `section.name`.
        key: String,
        /// Where the value stands.
        origin: Source,
        /// The end of the sentence.
        reason: String,
    },
    /// Two names of one key are set beside each other.
    #[error("{first} and {second} both set {key}; keep one")]
    Twice {
        /// `section.name`.
        key: &'static str,
        /// One of them.
        first: Source,
        /// The other.
        second: Source,
    },
    /// A file can't be understood.
    #[error("{origin}: {reason}")]
    Syntax {
        /// Where understanding ends.
        origin: Source,
        /// Why, without the text itself.
        reason: String,
    },
    /// A file can't be read.
    #[error("cannot read {path:?} ({wanted_by}): {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Who named it.
        wanted_by: String,
        /// What the system says.
        error: std::io::Error,
    },
}
