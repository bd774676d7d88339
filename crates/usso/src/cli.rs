//! The command line. `usso` alone means `usso serve`.

mod upkeep;

use crate::app::startup::{self, Instance, StartError};
use crate::app::{archive, bootstrap, logging, probe, rest, router};
use crate::config::{self, Config, Flags};
use crate::identity::onboarding;
use crate::tenant::tenants::schema::{CreateTenant, CreateTenantAdmin};
use crate::tenant::tenants::service::Authority;
use crate::tenant::{Actor, ClientInfo};
use clap::{Args, Parser, Subcommand};
use kernel::TenantId;
use secrecy::{ExposeSecret, SecretString};
use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Multi-tenant single sign-on in one binary.
#[derive(Debug, Parser)]
#[command(name = "usso", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (the default)
    Serve,
    /// Ask the server on this machine whether it is ready; exits with 1 if it isn't
    Health,
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI document
    Openapi,
    /// Print what every operation needs
    #[command(hide = true)]
    Permissions,
    /// Print the reference of error codes
    #[command(hide = true)]
    Errors,
    /// Work with tenants while the server is stopped
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// Work with the system administrator while the server is stopped
    #[command(subcommand)]
    Admin(AdminCommand),
    #[command(flatten)]
    Upkeep(upkeep::Command),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check the configuration and say what is wrong with it
    Check,
    /// Print the effective configuration, and where each value comes from; secrets are masked
    Print,
    /// Print the reference of all keys
    #[command(hide = true)]
    Reference,
    /// Print an example file
    #[command(hide = true)]
    Example,
}

#[derive(Debug, Subcommand)]
enum TenantsCommand {
    /// Create a tenant, with its first administrator
    Create(CreateArgs),
    /// Write a tenant to a file, sealed under the passphrase on the first line of standard input
    Export {
        /// The tenant's id
        id: String,
        /// The file to make
        file: PathBuf,
    },
    /// Take a tenant in from a file; the passphrase is the first line of standard input
    Import {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The tenant's name
    #[arg(long)]
    name: String,
    /// The tenant's slug; derived from the name by default
    #[arg(long)]
    slug: Option<String>,
    /// A host name of the tenant; may be repeated
    #[arg(long = "domain")]
    domains: Vec<String>,
    /// E-mail address, phone number or user name of its first administrator
    #[arg(long)]
    admin: Option<String>,
    /// Read the administrator's password from the first line of standard input; otherwise an invitation is printed
    #[arg(long, requires = "admin")]
    admin_password_stdin: bool,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Give the system administrator a new password and end their sessions
    ResetPassword {
        /// Read the password from the first line of standard input; otherwise one is generated and printed
        #[arg(long)]
        password_stdin: bool,
    },
}

/// Runs a command line.
///
/// # Errors
/// What the operator must know; the caller prints it and exits with 1.
pub fn run(cli: Cli) -> Result<(), StartError> {
    match cli.command.unwrap_or(Command::Serve) {
        Command::Openapi => say(&router::openapi_json()?),
        Command::Permissions => say(&crate::access_control::operations::table()),
        Command::Errors => say(&crate::http::error::reference()),
        Command::Config(ConfigCommand::Reference) => say(&config::reference()),
        Command::Config(ConfigCommand::Example) => say(&config::example()),
        Command::Config(ConfigCommand::Check) => {
            Config::load(cli.flags)?;
            say("The configuration is fine.\n")
        }
        Command::Config(ConfigCommand::Print) => say(&Config::load(cli.flags)?.print()),
        Command::Health => runtime()?.block_on(probe::ready(&Config::load(cli.flags)?)),
        Command::Serve => serve(Config::load(cli.flags)?),
        Command::Upkeep(command) => upkeep::run(command, cli.flags),
        Command::Tenants(TenantsCommand::Create(args)) => {
            let config = Config::load(cli.flags)?;
            offline(&config, async |instance| create_tenant(instance, args).await)
        }
        Command::Tenants(TenantsCommand::Export { id, file }) => {
            let (config, passphrase) = (Config::load(cli.flags)?, first_line()?);
            offline(&config, async |instance| export_tenant(instance, &id, &file, passphrase).await)
        }
        Command::Tenants(TenantsCommand::Import { file }) => {
            let (config, passphrase) = (Config::load(cli.flags)?, first_line()?);
            offline(&config, async |instance| import_tenant(instance, &file, passphrase).await)
        }
        Command::Admin(AdminCommand::ResetPassword { password_stdin }) => {
            let config = Config::load(cli.flags)?;
            let given = if password_stdin { Some(first_line()?) } else { None };
            offline(&config, async |instance| {
                let is_generated = given.is_none();
                let password = bootstrap::reset_system_password(&instance.state, given).await?;
                say("The system administrator has a new password; their sessions have ended.\n")?;
                if is_generated { say_password(&password) } else { Ok(()) }
            })
        }
    }
}

fn serve(config: Config) -> Result<(), StartError> {
    let _log = logging::init(&config.log, config.server.debug)?;
    let ready = |instance: &Instance, port| {
        let origin = instance.state.registry.base().origin();
        tracing::info!(%origin, port, version = env!("CARGO_PKG_VERSION"), "ready");
        if let Some(password) = &instance.generated_password {
            // To the terminal and never through the log (ruling D5). Losing it is mended by `usso admin reset-password`.
            if let Err(error) = say_password(password) {
                tracing::warn!(%error, "the administrator's password could not be printed");
            }
        }
    };
    // On the threads that give memory back at rest; this one never would what the start took.
    let serving = async move { startup::serve(&config, ready).await };
    runtime()?.block_on(async { tokio::spawn(serving).await? })
}

fn say_password(password: &SecretString) -> Result<(), StartError> {
    let name = bootstrap::SYSTEM_USERNAME;
    say(&format!(
        "\n  system administrator: {name}\n  password (shown once): {}\n\n",
        password.expose_secret()
    ))
}

/// Works on the database of a stopped server.
fn offline(
    config: &Config,
    work: impl AsyncFnOnce(&Instance) -> Result<(), StartError>,
) -> Result<(), StartError> {
    runtime()?.block_on(async {
        let instance = startup::open(config, config.server.port).await?;
        let done = work(&instance).await;
        crate::app::jobs::drain(&instance.state).await?;
        instance.close().await;
        if let Some(password) = &instance.generated_password {
            say_password(password)?;
        }
        done
    })
}

async fn create_tenant(instance: &Instance, args: CreateArgs) -> Result<(), StartError> {
    let password = if args.admin_password_stdin { Some(first_line()?) } else { None };
    let admin = args.admin.map(|identifier| CreateTenantAdmin { identifier, name: None, password });
    let request =
        CreateTenant { slug: args.slug, domains: args.domains, admin, ..CreateTenant::named(&args.name) };
    let client = ClientInfo::local();
    let authority = Authority { actor: &Actor::System, client: &client, is_system: true };
    let state = &instance.state;
    let created = onboarding::create_tenant(&state.registry, &state.identity, request, authority).await?;
    say(&format!("Created {}.\n", created.tenant.id()))?;
    match created.invitation_url {
        Some(url) => say(&format!("Its administrator chooses a password here, within seven days:\n{url}\n")),
        None => Ok(()),
    }
}

async fn export_tenant(
    instance: &Instance,
    id: &str,
    file: &Path,
    passphrase: SecretString,
) -> Result<(), StartError> {
    let client = ClientInfo::local();
    let authority = Authority { actor: &Actor::System, client: &client, is_system: true };
    let id = TenantId::parse(id).map_err(|_| format!("{id} is not a tenant's id"))?;
    let text = archive::export(&instance.state, &id, passphrase, authority).await?;
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    say(&format!("{}: {id}. Without the passphrase it is of no use.\n", file.display()))
}

async fn import_tenant(instance: &Instance, file: &Path, passphrase: SecretString) -> Result<(), StartError> {
    let client = ClientInfo::local();
    let authority = Authority { actor: &Actor::System, client: &client, is_system: true };
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let imported = archive::import(&instance.state, text, passphrase, authority).await?;
    say(&format!("Imported {}.\n", imported.id))
}

fn first_line() -> Result<SecretString, StartError> {
    let mut line = zeroize::Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(SecretString::from(line.trim_end_matches(['\r', '\n'])))
}

fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_park(rest::on_park).build()?)
}

fn say(text: &str) -> Result<(), StartError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
