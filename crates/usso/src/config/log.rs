//! `[log]`: what is written about the server's work, and where.

use crate::config::setting::{Invalid, Raw, Setting, section};
use crate::config::value::quoted;
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

section! {
    /// What is written about the server's work. The log always goes to the standard error output.
    Log log {
        /// A directory that gets the log as `app.log` too, one JSON object a line.
        dir: Option<PathBuf> = None, shown "none", example "\"/var/log/usso\"", env "LOG_DIR";
        /// `error`, `warn`, `info`, `debug` or `trace`, also by module: `info,usso=debug`.
        level: Option<Level> = None, shown "info, in development mode info,usso=debug", example "\"info\"";
        /// The console's format: `pretty` for people, `json` for collectors.
        format: LogFormat = LogFormat::Pretty;
        /// Whether every request gets a line.
        access: bool = false;
    }
}

impl Log {
    /// Nothing to compare: each value was checked when read.
    ///
    /// # Errors
    /// None.
    pub fn validate(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

/// Which events are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level(String);

impl Level {
    /// The directives, such as `info,usso=debug`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for Level {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?.trim();
        let is_fine = !text.is_empty() && EnvFilter::builder().parse(text).is_ok();
        // A bare unknown word is read by the filter as a module's name and would silence everything.
        let is_known = text.split(',').all(|part| part.contains(['=', '[']) || is_level(part.trim()));
        if !is_fine || !is_known {
            return Err(format!(
                "{text:?} is not error, warn, info, debug, trace or a list like info,usso=debug"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}

fn is_level(text: &str) -> bool {
    ["off", "error", "warn", "info", "debug", "trace"].iter().any(|level| level.eq_ignore_ascii_case(text))
}

/// How the console shows an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Setting for LogFormat {
    fn read(raw: &Raw) -> Result<Self, String> {
        match raw.text()? {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            other => Err(format!("{other:?} is neither pretty nor json")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(quoted(match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
        }))
    }
}
