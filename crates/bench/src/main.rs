//! The load driver and the crash driver.
//!
//! `usso-bench run` measures the release binary beside bare routes of the same axum and hyper and writes the table
//! of `docs/benchmarks.md`; `usso-bench crash` kills it again and again under load and counts what was lost. Both
//! end with a code other than zero when a goal is missed.

mod accounts;
mod argon;
mod bare;
mod client;
mod crash;
mod enumeration;
mod fleet;
mod growth;
mod histogram;
mod load;
mod outage;
mod process;
mod scenario;
mod table;

use clap::{Parser, Subcommand};
use std::fmt::Display;
use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "The load driver and the crash driver of USSO")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the bare routes.
    Bare {
        #[arg(long)]
        port: u16,
    },
    /// Holds all tenants and roles of a database in memory and prints the resident KiB.
    Weigh { directory: PathBuf },
    /// Prints the raw Argon2id rate.
    Argon {
        #[arg(long, default_value_t = 2)]
        threads: usize,
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Measures everything and writes the table.
    Run {
        /// The release binary.
        #[arg(long, default_value = "target/release/usso")]
        usso: PathBuf,
        /// Seconds per round.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Rounds, of which the median counts.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// The document whose table is replaced; a partial run writes nothing.
        #[arg(long, default_value = "docs/benchmarks.md")]
        out: PathBuf,
        /// Only this scenario.
        #[arg(long)]
        only: Option<String>,
    },
    /// Races refreshes and ends sessions across three instances on one PostgreSQL and one Redis.
    Fleet {
        /// The release binary.
        #[arg(long, default_value = "target/release/usso")]
        usso: PathBuf,
        /// Rounds of refresh races; a fifth as many revocations, at least 200.
        #[arg(long, default_value_t = 500)]
        rounds: u64,
        /// A document whose table is replaced.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Restarts two instances in turn behind a balancer under load.
    Rolling {
        /// The release binary.
        #[arg(long, default_value = "target/release/usso")]
        usso: PathBuf,
        /// How many restarts.
        #[arg(long, default_value_t = 5)]
        restarts: u64,
        /// A document whose table is replaced.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Changes signing keys under load on two instances with shortened times.
    Rotation {
        /// The release binary.
        #[arg(long, default_value = "target/release/usso")]
        usso: PathBuf,
        /// How many rotations, over all tenants.
        #[arg(long, default_value_t = 20)]
        rotations: u64,
        /// A document whose table is replaced.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Takes PostgreSQL and Redis away from two instances under load and checks what still answers.
    Outage {
        /// The release binary.
        #[arg(long, default_value = "target/release/usso")]
        usso: PathBuf,
        /// How often to go through all outages.
        #[arg(long, default_value_t = 2)]
        rounds: u32,
        /// Seconds each of them lasts.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// A document whose table is replaced.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Fills one tenant with users and one installation with tenants, and measures what that does to every call.
    Growth {
        /// The release binary.
        #[arg(long, default_value = "target/release/usso")]
        usso: PathBuf,
        /// Users of the large tenant; 0 leaves this part out.
        #[arg(long, default_value_t = 1_000_000)]
        users: u64,
        /// Tenants of the large installation; 0 leaves this part out.
        #[arg(long, default_value_t = 10_000)]
        tenants: u64,
        /// The database.
        #[arg(long, value_enum, default_value_t = growth::Store::Sqlite)]
        store: growth::Store,
        /// A document whose table is replaced.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Compares the answers for accounts that exist with those for some that don't.
    Enumeration {
        /// The release binary.
        #[arg(long, default_value = "target/release/usso")]
        usso: PathBuf,
        /// Samples of each side of each call.
        #[arg(long, default_value_t = 2_000)]
        samples: usize,
        /// A document whose table is replaced.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Kills the server under load and checks every acknowledged write.
    Crash {
        /// The release binary.
        #[arg(long, default_value = "target/release/usso")]
        usso: PathBuf,
        /// How often to kill it.
        #[arg(long, default_value_t = 10)]
        kills: u32,
        /// Decides the moments and the mix.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// A document whose table is replaced.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

fn say(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Bare { port } => bare::serve(port).map(|()| true),
        Command::Weigh { directory } => scenario::weight::weigh(&directory).map(|kib| {
            say(kib);
            true
        }),
        Command::Argon { threads, seconds } => argon(threads, seconds),
        Command::Run { usso, seconds, rounds, out, only } => {
            let time = Duration::from_secs(seconds.max(1));
            binary(&usso).and_then(|binary| {
                run(&scenario::Options { binary, time, rounds: rounds.max(1), only }, &out)
            })
        }
        Command::Fleet { usso, rounds, out } => binary(&usso).and_then(|binary| {
            let rows = fleet::fleet(&fleet::Options { binary, rounds }, say)?;
            conclude("fleet", &rows, out.as_deref())
        }),
        Command::Rolling { usso, restarts, out } => binary(&usso).and_then(|binary| {
            let rows = fleet::rolling(&fleet::Options { binary, rounds: restarts }, say)?;
            conclude("rolling", &rows, out.as_deref())
        }),
        Command::Rotation { usso, rotations, out } => binary(&usso).and_then(|binary| {
            let rows = fleet::rotation(&fleet::Options { binary, rounds: rotations }, say)?;
            conclude("rotation", &rows, out.as_deref())
        }),
        Command::Outage { usso, rounds, seconds, out } => binary(&usso).and_then(|binary| {
            let time = Duration::from_secs(seconds);
            let rows = outage::run(&outage::Options { binary, rounds, time }, say)?;
            conclude("outage", &rows, out.as_deref())
        }),
        Command::Growth { usso, users, tenants, store, out } => binary(&usso).and_then(|binary| {
            let rows = growth::growth(&growth::Options { binary, users, tenants, store }, say)?;
            conclude(&format!("growth-{store:?}").to_lowercase(), &rows, out.as_deref())
        }),
        Command::Enumeration { usso, samples, out } => binary(&usso).and_then(|binary| {
            let rows = enumeration::run(&enumeration::Options { binary, samples }, say)?;
            conclude("enumeration", &rows, out.as_deref())
        }),
        Command::Crash { usso, kills, seed, out } => {
            binary(&usso).and_then(|binary| crash(&crash::Options { binary, kills, seed }, out.as_deref()))
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "usso-bench: {error}");
            ExitCode::from(2)
        }
    }
}

fn binary(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|e| Error::other(format!("{}: {e}; build it first", path.display())))
}

fn argon(threads: usize, seconds: u64) -> Result<bool> {
    let rate = argon::rate(threads, Duration::from_secs(seconds))?;
    say(format!("{rate:.1} hashes/s, {threads} threads, Argon2id 19 MiB t=2 p=1"));
    Ok(true)
}

fn run(options: &scenario::Options, out: &Path) -> Result<bool> {
    if let Some(only) = options.only.as_deref().filter(|only| !scenario::names().contains(only)) {
        return Err(Error::other(format!("no scenario `{only}`: {}", scenario::names().join(", "))));
    }
    let rows = scenario::run(options, |row| say(table::markdown_row(row)))?;
    let machine = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let text = format!(
        "{} rounds of {} s, {machine} processor cores shared with the generator (`usso-bench`, {} threads).\n\n{}",
        options.rounds,
        options.time.as_secs(),
        load::THREADS,
        table::markdown(&rows)
    );
    say(format!("\n{text}"));
    if options.only.is_none() {
        write_section(out, "run", &text)?;
    }
    let missed: Vec<_> =
        rows.iter().filter(|row| row.met == Some(false)).map(|row| row.what.as_str()).collect();
    if !missed.is_empty() {
        say(format!("goals missed: {}", missed.join("; ")));
    }
    Ok(missed.is_empty())
}

/// Prints the rows of a driver and puts them into a document; answers whether every goal is met.
fn conclude(name: &str, rows: &[table::Row], out: Option<&Path>) -> Result<bool> {
    let text = table::markdown(rows);
    say(format!("\n{text}"));
    if let Some(out) = out {
        write_section(out, name, &text)?;
    }
    Ok(rows.iter().all(|row| row.met != Some(false)))
}

fn crash(options: &crash::Options, out: Option<&Path>) -> Result<bool> {
    let report = crash::run(options, say)?;
    say(format!("\n{}", report.markdown()));
    if let Some(out) = out {
        write_section(out, "crash", &report.markdown())?;
    }
    Ok(report.is_clean())
}

fn write_section(path: &Path, name: &str, text: &str) -> Result<()> {
    let document = std::fs::read_to_string(path).unwrap_or_default();
    std::fs::write(path, table::replace_section(&document, name, text))?;
    say(format!("written to {}", path.display()));
    Ok(())
}
