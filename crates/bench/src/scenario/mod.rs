//! The scenarios of a run. Each drives the product and its limit in alternating rounds, so that whatever else the
//! machine does at the time weighs on both, and gives the rows of the table.

mod authority;
mod logins;
mod memory;
mod oidc;
mod postgres;
mod reads;
mod refresh;
mod start;
pub mod weight;

use crate::accounts::{self, Account};
use crate::process::{Server, TempDir, allow_files};
use crate::table::{Row, median};
use std::io::Result;
use std::path::PathBuf;
use std::time::Duration;

/// The path whose first 200 means "started".
pub const KEY_SET: &str = "/.well-known/jwks.json";

/// Connections of the throughput scenarios.
pub const CONNECTIONS: usize = 32;

const NEEDED_FILES: u64 = 10_400;
const SLICE: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_secs(1);

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The release binary.
    pub binary: PathBuf,
    /// How long one round takes.
    pub time: Duration,
    /// Rounds; the median counts.
    pub rounds: usize,
    /// Run only the scenario of this name.
    pub only: Option<String>,
}

/// Both servers and the accounts, for the scenarios that share them.
pub struct Bench {
    options: Options,
    usso: Server,
    bare: Server,
    accounts: Vec<Account>,
    _directory: TempDir,
}

impl Bench {
    fn new(options: &Options) -> Result<Self> {
        allow_files(NEEDED_FILES)?;
        let directory = TempDir::new("bench")?;
        let usso = Server::usso(&options.binary, directory.path(), KEY_SET)?;
        let bare = Server::bare(&directory.path().join("bare.log"))?;
        let accounts = accounts::register(usso.addr, 0, CONNECTIONS)?;
        Ok(Self { options: options.clone(), usso, bare, accounts, _directory: directory })
    }

    /// Runs both in turn, slice by slice, and gives the medians: ours and the limit's. Slices are short, because the
    /// machine's own speed drifts from one second to the next, but not so short that what is under way at their ends
    /// counts.
    fn alternate(
        &self,
        slice: Duration,
        mut ours: impl FnMut(Duration) -> Result<f64>,
        mut limit: impl FnMut(Duration) -> Result<f64>,
    ) -> Result<(f64, f64)> {
        ours(WARM_UP)?;
        limit(WARM_UP)?;
        let (mut figures, mut limits) = (Vec::new(), Vec::new());
        for _ in 0..self.slices(slice) {
            limits.push(limit(slice)?);
            figures.push(ours(slice)?);
        }
        Ok((median(&figures), median(&limits)))
    }

    /// How many slices of this length the rounds have.
    fn slices(&self, slice: Duration) -> u64 {
        self.options.time.as_secs().div_ceil(slice.as_secs().max(1)) * self.options.rounds as u64
    }
}

type Scenario = (&'static str, fn(&mut Bench) -> Result<Vec<Row>>);

/// In this order: what hashes comes before the wait for idle memory, and 10,000 connections come last, because
/// they leave a mark on the allocator.
const SCENARIOS: [Scenario; 14] = [
    ("jwks", reads::key_set),
    ("me", reads::me),
    ("user", authority::user),
    ("apikeys-verify", authority::api_key),
    ("scope-check", authority::check),
    ("refresh", refresh::refresh),
    ("oidc", oidc::oidc),
    ("login", logins::throughput),
    ("postgres", postgres::postgres),
    ("logins-half", logins::half_capacity),
    ("overload", logins::overload),
    ("idle-memory", memory::idle),
    ("connections", memory::connections),
    ("roles-memory", weight::tenants_and_roles),
];

/// The names `--only` knows.
pub fn names() -> Vec<&'static str> {
    SCENARIOS.iter().map(|(name, _)| *name).chain(["start", "size"]).collect()
}

/// Runs the scenarios, telling `progress` about each row as it comes.
///
/// # Errors
/// When a server can't be started, or breaks a connection of a throughput scenario.
pub fn run(options: &Options, mut progress: impl FnMut(&Row)) -> Result<Vec<Row>> {
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
    let mut rows = Vec::new();
    let mut add = |new: Vec<Row>| {
        new.iter().for_each(&mut progress);
        rows.extend(new);
    };
    if wanted("size") {
        add(start::size(&options.binary)?);
    }
    if wanted("start") {
        add(start::cold(&options.binary)?);
    }
    if SCENARIOS.iter().any(|(name, _)| wanted(name)) {
        let mut bench = Bench::new(options)?;
        for (name, scenario) in SCENARIOS.iter().filter(|(name, _)| wanted(name)) {
            add(scenario(&mut bench).map_err(|e| std::io::Error::other(format!("{name}: {e}")))?);
        }
    }
    Ok(rows)
}
