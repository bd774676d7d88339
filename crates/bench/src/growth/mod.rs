//! The growth driver: what a million users in one tenant and ten thousand tenants in one installation do to the calls
//! of everybody. The users are written through the storage port, then the server, in this process so that the port
//! stays at hand, answers over HTTP as ever. There is no list of users over HTTP yet, so lists are measured at the
//! port. The tenants are made over HTTP on the release binary.

mod installation;
mod lists;
mod logins;
mod tenants;
mod users;

pub use installation::configured;

use crate::process::allow_files;
use crate::table::{self, Row};
use clap::ValueEnum;
use installation::Installation;
use std::io::Result;
use std::path::PathBuf;
use std::time::Instant;

/// The size a large tenant is held against.
const SMALL: u64 = 1_000;
const NEEDED_FILES: u64 = 4_096;

/// The database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// The embedded one.
    Sqlite,
    /// PostgreSQL, and Redis where there is more than one process.
    Postgres,
}

impl Store {
    /// Its name in tables.
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The release binary.
    pub binary: PathBuf,
    /// Users of the large tenant.
    pub users: u64,
    /// Tenants of the large installation; 0 leaves that part out.
    pub tenants: u64,
    /// The database.
    pub store: Store,
}

/// Fills, measures and drops.
///
/// # Errors
/// When a server can't be started or refuses the load.
pub fn growth(options: &Options, say: impl Fn(String)) -> Result<Vec<Row>> {
    allow_files(NEEDED_FILES)?;
    let mut rows = Vec::new();
    if options.users > 0 {
        rows.extend(one_tenant(options, &say)?);
    }
    if options.tenants > 0 {
        rows.extend(tenants::tenants(options, &say)?);
    }
    for row in &mut rows {
        row.what = format!("{}: {}", options.store.name(), row.what);
    }
    Ok(rows)
}

fn one_tenant(options: &Options, say: &impl Fn(String)) -> Result<Vec<Row>> {
    let installation = Installation::start(options.store)?;
    let small = users::fill(&installation, "small", SMALL)?;
    let begun = Instant::now();
    let large = users::fill(&installation, "large", options.users)?;
    let took = begun.elapsed().as_secs_f64();
    say(format!("{} users written in {took:.0} s", options.users));
    let written = format!("{:.0} users/s through the storage port", options.users as f64 / took);
    let mut rows = vec![Row::plain("users of the large tenant", options.users.to_string()).note(written)];
    installation.settle()?;
    rows.extend(lists::lists(&installation, &small, &large)?);
    rows.iter().for_each(|row| say(table::markdown_row(row)));
    rows.push(logins::by_size(&installation, &small, &large)?);
    rows.push(logins::while_dropping(&installation, &small, &large)?);
    Ok(rows)
}
