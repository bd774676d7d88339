//! The commands for a whole installation: moving it, keeping a copy, giving it another master key.

use super::{runtime, say};
use crate::app::master_key;
use crate::app::startup::{self, StartError};
use crate::app::upkeep::copy::{self, Compared, Outcome, Phase};
use crate::app::upkeep::exclusive::Exclusive;
use crate::app::upkeep::rotate::{self, Rotated, Step};
use crate::app::upkeep::{backup, key_files, restore, verify_audit};
use crate::config::{Config, DatabaseUrl, Flags, MasterKey};
use crate::tenant::audit::verify::Report;
use crate::tenant::audit::witness;
use clap::{Args, Subcommand};
use protocol::jose::JwkSet;
use protocol::seal::SealingKey;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Work with the database while the server is stopped
    #[command(subcommand)]
    Storage(StorageCommand),
    /// Write the embedded database to a file, also while the server is running
    Backup {
        /// The file to make
        file: PathBuf,
    },
    /// Put the database of a backup in the place of the embedded one while the server is stopped
    Restore {
        /// The backup
        file: PathBuf,
        /// Replace the database there is; it is kept under another name
        #[arg(long)]
        force: bool,
        /// End every session of every tenant: those that were ended since the backup would live again
        #[arg(long)]
        end_sessions: bool,
    },
    /// Work with the master key while the server is stopped
    #[command(subcommand, name = "master-key")]
    MasterKey(MasterKeyCommand),
    /// Work with the audit log while the server is stopped
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Look whether the audit log is as it was written; names what isn't, and exits with 1 then
    Verify {
        /// Look at this tenant only, such as org_default
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
    },
    /// Look at an export with nothing but the tenant's published keys, and exit with 1 when it was cut or is another log
    Check {
        /// What `GET /audit/export` answered, without filters
        export: PathBuf,
        /// The tenant's key set, as `/.well-known/jwks.json` answers it or answered it then
        #[arg(long, value_name = "FILE", required = true)]
        keys: Vec<PathBuf>,
        /// Earlier exports, or lines of them: what is signed there must be in the export
        #[arg(long, value_name = "FILE")]
        kept: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum StorageCommand {
    /// Copy the whole installation to another, empty database; run again, it goes on where it stopped
    Copy(CopyArgs),
}

// The URLs are parsed here and not by the parser of arguments, which would repeat a wrong one with its password.
#[derive(Args)]
pub(super) struct CopyArgs {
    /// The database to copy from, such as sqlite:./data/usso.db; the configured one by default
    #[arg(long, value_name = "URL", required_unless_present = "to")]
    from: Option<String>,
    /// The database to copy to, such as postgres://user@host/usso; the configured one by default
    #[arg(long, value_name = "URL")]
    to: Option<String>,
}

impl std::fmt::Debug for CopyArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyArgs").finish_non_exhaustive()
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum MasterKeyCommand {
    /// Seal everything under another master key; run again, it goes on where it stopped
    Rotate {
        /// The file with the new key: 32 bytes in base64
        #[arg(long, value_name = "FILE", conflicts_with = "generate")]
        new_key_file: Option<PathBuf>,
        /// Generate the new key in the data directory (the default, unless MASTER_KEY is configured)
        #[arg(long)]
        generate: bool,
    },
}

pub(super) fn run(command: Command, flags: Flags) -> Result<(), StartError> {
    let config = Config::load(flags)?;
    match command {
        Command::Storage(StorageCommand::Copy(args)) => copy(&config, &args),
        Command::Backup { file } => back_up(&config, &file),
        Command::Restore { file, force, end_sessions } => {
            let wishes = restore::Wishes { force, end_sessions };
            let restored = runtime()?.block_on(restore::restore(&config, &file, wishes))?;
            say(&format!(
                "Restored {} as it was at {}.\n",
                config.storage.database(),
                restored.header.created_at.to_rfc3339()
            ))?;
            match restored.predecessor {
                Some(path) => say(&format!("The database before is kept: {}\n", path.display())),
                None => Ok(()),
            }
        }
        Command::MasterKey(MasterKeyCommand::Rotate { new_key_file, generate: _ }) => {
            rotate_key(&config, new_key_file.as_deref())
        }
        Command::Audit(AuditCommand::Verify { tenant }) => verify_audit(&config, tenant.as_deref()),
        Command::Audit(AuditCommand::Check { export, keys, kept }) => check_export(&export, &keys, &kept),
    }
}

// ---- audit check ------------------------------------------------------------------------------------------------

fn check_export(export: &Path, keys: &[PathBuf], kept: &[PathBuf]) -> Result<(), StartError> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|e| format!("{} can't be read: {e}", path.display()))
    };
    let sets = keys.iter().map(|path| {
        let set = JwkSet::from_slice(read(path)?.as_bytes());
        set.map_err(|e| format!("{} is no key set: {e}", path.display()))
    });
    let sets: Vec<JwkSet> = sets.collect::<Result<_, _>>()?;
    let kept: Vec<String> = kept.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let seen = witness::check(&read(export)?, &sets, &kept)?;
    say(&format!("{} events, {} checkpoints\n", seen.events, seen.checkpoints))?;
    for finding in &seen.findings {
        say(&format!("{finding}\n"))?;
    }
    if !seen.findings.is_empty() {
        return Err(
            format!("the export is not the log that was signed: {} findings", seen.findings.len()).into()
        );
    }
    say("The export has all that was signed.\n")
}

// ---- audit verify -----------------------------------------------------------------------------------------------

fn verify_audit(config: &Config, tenant: Option<&str>) -> Result<(), StartError> {
    let database = config.storage.database();
    if let DatabaseUrl::Sqlite(path) = &database
        && !path.exists()
    {
        return Err(format!("there is no database {}", path.display()).into());
    }
    let key = SealingKey::from_master(master_key::existing(config)?.expose())?;
    let logs = runtime()?.block_on(async {
        let held = Exclusive::open(&database).await?;
        let logs = verify_audit::verify(held.system(), &key, tenant).await;
        held.close().await?;
        logs
    })?;
    let mut findings = 0;
    for (owner, report) in &logs {
        let Report { chained, erased, unchained, removed, checkpoints, .. } = report;
        say(&format!(
            "{owner}: {chained} events, {erased} erased in part, {unchained} from before the chain, {removed} removed, \
             {checkpoints} checkpoints\n"
        ))?;
        for finding in &report.findings {
            findings += 1;
            say(&format!("{owner}: {finding}\n"))?;
        }
    }
    if findings > 0 {
        return Err(format!("the audit log is not as it was written: {findings} findings").into());
    }
    say("The audit log is as it was written.\n")
}

fn back_up(config: &Config, file: &Path) -> Result<(), StartError> {
    let header = backup::backup(config, file)?;
    let megabytes = header.database_bytes.div_ceil(1_000_000);
    say(&format!(
        "{}: the database as of {}, {megabytes} MB.\nThe master key is not inside. Without it this backup is of no use: keep \
         it too, and apart.\n",
        file.display(),
        header.created_at.to_rfc3339()
    ))
}

// ---- storage copy -----------------------------------------------------------------------------------------------

fn copy(config: &Config, args: &CopyArgs) -> Result<(), StartError> {
    let from = database(config, args.from.as_deref(), "--from")?;
    let to = database(config, args.to.as_deref(), "--to")?;
    if from == to {
        return Err("source and target are the same database".into());
    }
    if let DatabaseUrl::Sqlite(path) = &from
        && !path.exists()
    {
        return Err(format!("there is no database {}", path.display()).into());
    }
    // Only needed for events that are still to be carried out.
    let key =
        master_key::existing(config).ok().map(|key| SealingKey::from_master(key.expose())).transpose()?;
    let outcome = runtime()?.block_on(async {
        let source = Exclusive::open(&from).await?;
        let target = Exclusive::open(&to).await?;
        let mut progress = Progress::new();
        let copied = copy::copy((source.system(), key.as_ref()), target.system(), |phase, done, total| {
            progress.show(phase, done, total);
        });
        let copied = copied.await;
        progress.end();
        // The target first: what must be said of it is worth more.
        target.close().await?;
        source.close().await?;
        Ok::<_, StartError>(copied?)
    })?;
    say(&table(&outcome))?;
    if !outcome.is_same() {
        return Err(format!(
            "{to} does not hold what {from} holds. If this copy was completed before, one of them has changed since, and \
             nothing was written now; if it never was, no server starts on {to}: then empty it and copy again"
        )
        .into());
    }
    say(&format!(
        "{to} holds what {from} holds. Start the server on it with the same master key; tokens issued before stay valid.\n"
    ))
}

fn database(config: &Config, url: Option<&str>, flag: &str) -> Result<DatabaseUrl, StartError> {
    match url {
        None => Ok(config.storage.database()),
        Some(url) => DatabaseUrl::from_str(url).map_err(|reason| format!("{flag}: {reason}").into()),
    }
}

fn table(outcome: &Outcome) -> String {
    let line = |kind: &Compared| {
        let digest = hexadecimal(&kind.source.digest);
        if kind.is_same() {
            format!("{:<14} {:>10}  {digest}  same\n", kind.kind, kind.source.count)
        } else {
            let (count, other) = (kind.target.count, hexadecimal(&kind.target.digest));
            format!("{:<14} {:>10}  {digest}  DIFFERS: {count}  {other}\n", kind.kind, kind.source.count)
        }
    };
    let lines: String = outcome.kinds.iter().map(line).collect();
    format!("{:<14} {:>10}  checksum\n{lines}", "kind", "documents")
}

/// Enough of a checksum to compare by eye.
fn hexadecimal(digest: &[u8; 32]) -> String {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// How far a copy is: one line that changes on a terminal, a line a step elsewhere.
struct Progress {
    is_terminal: bool,
    shown: Option<(Phase, u64)>,
}

impl Progress {
    const WIDTH: u64 = 40;

    fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), shown: None }
    }

    fn show(&mut self, phase: Phase, done: u64, total: u64) {
        // Per mille: more often nobody would see a difference.
        let share = done.saturating_mul(1_000).checked_div(total).unwrap_or(done / 5_000);
        if self.shown == Some((phase, share)) {
            return;
        }
        let is_new_phase = self.shown.is_none_or(|(before, _)| before != phase);
        self.shown = Some((phase, share));
        let name = match phase {
            Phase::Counting => "counting",
            Phase::Copying => "copying",
            Phase::Comparing => "comparing",
        };
        if !self.is_terminal {
            if is_new_phase {
                note(&format!("{name} …\n"));
            }
            return;
        }
        let text = if total == 0 {
            format!("\r{name:<9} {done}")
        } else {
            let full = usize::try_from(share * Self::WIDTH / 1_000).unwrap_or(0);
            let width = usize::try_from(Self::WIDTH).unwrap_or(full);
            let bar = format!("{}{}", "=".repeat(full), " ".repeat(width.saturating_sub(full)));
            format!("\r{name:<9} [{bar}] {done} of {total}")
        };
        note(&text);
    }

    fn end(&self) {
        if self.is_terminal && self.shown.is_some() {
            note("\n");
        }
    }
}

/// To the operator, beside what a script reads. That nobody listens is no failure.
fn note(text: &str) {
    let mut err = std::io::stderr().lock();
    drop(err.write_all(text.as_bytes()).and_then(|()| err.flush()));
}

// ---- master-key rotate -------------------------------------------------------------------------------------------

fn rotate_key(config: &Config, new_key_file: Option<&Path>) -> Result<(), StartError> {
    let given = new_key_file.map(read_key).transpose()?;
    if config.security.master_key.is_some() && given.is_none() {
        // A key that is only printed, or lies on a volume that goes with its container, is soon a lost one.
        return Err("MASTER_KEY is configured, so the new key must be kept where you keep this one: write 32 random bytes in \
                    base64 to a file (openssl rand -base64 32) and give --new-key-file FILE"
            .into());
    }
    let database = config.storage.database();
    if let DatabaseUrl::Sqlite(path) = &database
        && !path.exists()
    {
        return Err(format!("there is no database {}", path.display()).into());
    }
    startup::make_data_dir(&config.storage.data_dir)?;
    let rotated = runtime()?.block_on(async {
        let held = Exclusive::open(&database).await?;
        let rotated = rotate::rotate(held.system(), config, given, |step| {
            match step {
                Step::Begun => note("sealing everything under the new key …\n"),
                Step::Verified => note("everything opens under the new key\n"),
                Step::KeyKept | Step::Resealed(_) | Step::KeyReplaced | Step::Finished => {}
            }
            Ok(())
        });
        let rotated = rotated.await;
        held.close().await?;
        Ok::<_, StartError>(rotated?)
    })?;
    say_rotated(config, &rotated, new_key_file)
}

fn read_key(path: &Path) -> Result<MasterKey, StartError> {
    Ok(master_key::read(path)?.ok_or_else(|| format!("there is no file {}", path.display()))?)
}

fn say_rotated(config: &Config, rotated: &Rotated, new_key_file: Option<&Path>) -> Result<(), StartError> {
    say(&format!("The master key is another one; {} records were sealed again.\n", rotated.resealed))?;
    match (&rotated.to_place, new_key_file.filter(|_| rotated.is_given)) {
        (Some((key, kept)), _) => {
            say(&format!(
                "\n  master key (shown once): {}\n\nPut it where MASTER_KEY comes from before you start the server again.\n",
                master_key::to_text(key).as_str()
            ))?;
            key_files::remove(kept)?;
        }
        (None, Some(file)) => say(&format!(
            "Put the key of {} where MASTER_KEY comes from before you start the server again.\n",
            file.display()
        ))?,
        (None, None) => {
            say(&format!("It is in {}.\n", master_key::file(&config.storage.data_dir).display()))?;
        }
    }
    say("Backups made before need the key before.\n")
}
