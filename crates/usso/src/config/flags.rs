//! The flags that set configuration, made from the list of keys.

use crate::config::keys;
use crate::config::setting::Key;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::path::PathBuf;

/// The flags of the configuration, for the command line to flatten (`#[command(flatten)]`). They may stand before or
/// after a subcommand.
#[derive(Clone, Default)]
pub struct Flags {
    /// The configuration file named by `--config`.
    pub config: Option<PathBuf>,
    /// Values as written, by key.
    pub(super) values: Vec<(&'static Key, String)>,
}

impl Flags {
    /// Flags as if given on the command line, by `section.name`; names that no flag has are left out.
    pub fn with(values: &[(&str, &str)]) -> Self {
        let find = |path: &str| keys().find(|key| key.path == path && key.flag.is_some());
        let values =
            values.iter().filter_map(|(path, value)| Some((find(path)?, (*value).to_owned()))).collect();
        Self { config: None, values }
    }
}

// A database URL may hold a password, so no value is shown.
impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let given: Vec<&str> = self.values.iter().map(|(key, _)| key.path).collect();
        f.debug_struct("Flags").field("config", &self.config).field("given", &given).finish()
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let config = matches.get_one::<PathBuf>("config").cloned();
        let value = |key: &'static Key| Some((key, matches.get_one::<String>(key.flag?)?.clone()));
        Ok(Self { config, values: keys().filter_map(value).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .global(true)
            .help("The configuration file, instead of usso.toml in the working directory");
        keys().filter_map(|key| Some((key, key.flag?))).fold(command.arg(file), |command, (key, flag)| {
            let argument = Arg::new(flag).long(flag).value_name("VALUE").global(true);
            let sentence = key.meaning.split_once(". ").map_or(key.meaning, |(first, _)| first);
            command.arg(argument.help(sentence.trim().trim_end_matches('.')))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
