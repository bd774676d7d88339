//! From configuration to a running instance. The only place that names adapters.

use crate::access_control::catalog::model::ServiceScopes;
use crate::access_control::gateway::model::GatewayRoute;
use crate::access_control::roles::model::Role;
use crate::app::lease::{self, Lease};
use crate::app::tls::{self, Tls};
use crate::app::{bootstrap, coherence, geoip, jobs, master_key, router, server};
use crate::config::{Config, DatabaseUrl, RedisUri};
use crate::http::client_ip::TrustedProxies;
use crate::http::edge::Edge;
use crate::http::{AppState, HttpConfig};
use crate::identity::Identity;
use crate::identity::agents::model::Agent;
use crate::identity::agents::usage::AgentUsage;
use crate::identity::api_keys::model::{ApiKey, ApiKeyUsage};
use crate::identity::credentials::{BreachedList, Cost, Hasher, HasherConfig};
use crate::identity::referrals::model::Referral;
use crate::identity::sessions::model::Session;
use crate::identity::users::consents::Consent;
use crate::identity::users::model::User;
use crate::identity::users::removal::Erasure;
use crate::identity::workspaces::invitations::model::Invitation;
use crate::identity::workspaces::model::Workspace;
use crate::integration::clients::model::Client;
use crate::integration::device::model::DeviceRequest;
use crate::tenant::Registry;
use crate::tenant::audit::AuditEvent;
use crate::tenant::audit::chain::AuditHead;
use crate::tenant::audit::checkpoint::Checkpoint;
use crate::tenant::issuer::BaseUrl;
use crate::tenant::keys::Succession;
use crate::tenant::messaging::Delivery;
use crate::tenant::one_time::OneTime;
use crate::tenant::tenants::model::Tenant;
use crate::tenant::usage::TenantUsage;
use backends::internet::{InternetOptions, PublicInternet};
use backends::messenger::PostOffice;
use backends::redis::{Options as RedisOptions, RedisEphemeral};
use backends::sql::postgres::{Options as PostgresOptions, PostgresStorage};
use backends::sql::sqlite::{Options as SqliteOptions, SqliteStorage};
use kernel::memory::MemoryEphemeral;
use kernel::{
    Ephemeral, KindSpec, MailServer, Ports, Record, Storage, SystemClock, SystemRandom, SystemScope,
};
use protocol::seal::SealingKey;
use secrecy::{ExposeSecret, SecretString};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Why an instance can't start. The text is for the operator.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// Every kind of record.
pub fn kinds() -> [KindSpec; 25] {
    [
        lease::Instance::spec(),
        lease::Turn::spec(),
        master_key::Installation::spec(),
        Tenant::spec(),
        Role::spec(),
        ServiceScopes::spec(),
        User::spec(),
        Referral::spec(),
        GatewayRoute::spec(),
        Erasure::spec(),
        Consent::spec(),
        Client::spec(),
        DeviceRequest::spec(),
        Workspace::spec(),
        Invitation::spec(),
        Session::spec(),
        Agent::spec(),
        AgentUsage::spec(),
        ApiKey::spec(),
        ApiKeyUsage::spec(),
        OneTime::spec(),
        AuditEvent::spec(),
        TenantUsage::spec(),
        AuditHead::spec(),
        Checkpoint::spec(),
    ]
}

/// An instance that is ready to serve.
pub struct Instance {
    /// The services.
    pub state: AppState,
    /// The system administrator's password, if it was just generated.
    pub generated_password: Option<SecretString>,
    /// What it shares with other instances; `None` on an embedded database, which one process locks.
    pub shared: Option<Shared>,
}

/// What an instance on a shared database has.
pub struct Shared {
    /// Its lease.
    pub lease: Lease,
    /// Its place in the feed of invalidations.
    pub reader: coherence::Reader,
}

impl Instance {
    /// Ends an instance: its lease, then its database.
    pub async fn close(&self) {
        let system = self.state.registry.system();
        if let Some(shared) = &self.shared {
            let released = async {
                lease::end_turn(system, jobs::TURN, shared.lease.id()).await?;
                shared.lease.release(system).await
            };
            if let Err(error) = released.await {
                tracing::warn!(%error, "the lease could not be given back; it ends by itself within ten seconds");
            }
        }
        system.ports().storage.close().await;
    }
}

/// Opens the database and makes what a first start needs. `port`: the one the listener has.
///
/// # Errors
/// Whatever keeps the instance from starting.
pub async fn open(config: &Config, port: u16) -> Result<Instance, StartError> {
    make_data_dir(&config.storage.data_dir)?;
    let ports = Ports {
        storage: open_storage(&config.storage.database()).await?,
        ephemeral: open_ephemeral(config.storage.redis_uri.as_ref()).await?,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    if matches!(config.storage.database(), DatabaseUrl::Sqlite(_)) {
        return assemble(config, port, ports).await;
    }
    ports.storage.prepare(&kinds()).await?;
    let system = SystemScope::new(ports.clone());
    let lease = Lease::take(&system, config.storage.redis_uri.is_none()).await?;
    match renewing(&lease, &system, join(config, port, ports, &lease)).await {
        Ok((instance, reader)) => Ok(Instance { shared: Some(Shared { lease, reader }), ..instance }),
        Err(error) => {
            // Or the next start would wait until it ends.
            drop(lease.release(&system).await);
            Err(error)
        }
    }
}

/// Does a start's work while the lease is kept.
async fn renewing<T>(
    lease: &Lease,
    system: &SystemScope,
    work: impl Future<Output = Result<T, StartError>>,
) -> Result<T, StartError> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(lease::RENEW_EVERY) => lease.renew(system).await?,
        }
    }
}

/// One at a time: of instances that start together on an empty database one makes the default tenant.
async fn join(
    config: &Config,
    port: u16,
    ports: Ports,
    lease: &Lease,
) -> Result<(Instance, coherence::Reader), StartError> {
    let system = SystemScope::new(ports.clone());
    lease::wait_for_turn(&system, "start", lease.id()).await?;
    let assembled = assemble(config, port, ports).await;
    lease::end_turn(&system, "start", lease.id()).await?;
    let instance = assembled?;
    let reader = coherence::join(&instance.state).await?;
    Ok((instance, reader))
}

/// Makes the data directory (mode 0700) if it isn't there.
///
/// # Errors
/// What the system says.
pub fn make_data_dir(dir: &Path) -> Result<(), StartError> {
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(dir);
    made.map_err(|e| format!("the data directory {} can't be made: {e}", dir.display()).into())
}

/// Opens a database; its tables are made by `prepare`.
///
/// # Errors
/// When it is locked, unreachable or the URL unusable.
pub async fn open_storage(database: &DatabaseUrl) -> Result<Arc<dyn Storage>, StartError> {
    Ok(match database {
        DatabaseUrl::Sqlite(path) => Arc::new(SqliteStorage::open(path, SqliteOptions::default())?),
        DatabaseUrl::Postgres(url) => {
            Arc::new(PostgresStorage::open(url.secret().expose_secret(), PostgresOptions::default())?)
        }
    })
}

async fn open_ephemeral(redis: Option<&RedisUri>) -> Result<Arc<dyn Ephemeral>, StartError> {
    Ok(match redis {
        None => Arc::new(MemoryEphemeral::new()),
        Some(uri) => {
            Arc::new(RedisEphemeral::open(uri.secret().expose_secret(), RedisOptions::default()).await?)
        }
    })
}

/// Makes an instance of given adapters, alone on its database.
///
/// # Errors
/// Whatever keeps the instance from starting.
pub async fn assemble(config: &Config, port: u16, ports: Ports) -> Result<Instance, StartError> {
    ports.storage.prepare(&kinds()).await?;
    let system = SystemScope::new(ports);
    let key = match &config.security.master_key {
        Some(key) => *key.expose(),
        None => master_key::load_or_create(&system, &config.storage.data_dir).await?,
    };
    let seal = SealingKey::from_master(&key)?;
    master_key::check(&system, &seal).await?;
    let origin = config.origin(port).to_string();
    let base = BaseUrl::parse(&origin).ok_or_else(|| format!("{origin} is not an origin"))?;
    let internet = Arc::new(internet(config)?);
    let identity =
        Identity::new(Hasher::new(hasher(config))?, internet.clone()).with_breached(breached(config)?);
    if let Some(file) = &config.server.geoip_file {
        geoip::read(file, &identity)?;
    }
    let state = Arc::new(crate::http::state::Services::new(
        Registry::new(system, seal, base).with_succession(succession(config)).with_delivery(delivery(config)),
        identity,
        http(config),
        (internet, Arc::new(PostOffice { outbox: config.storage.data_dir.join("outbox") })),
    ));
    let domains = config.tenants.default_domains.iter().map(|d| d.as_str().to_owned()).collect();
    let generated_password = bootstrap::run(&state, domains, config.security.system_password()).await?;
    Ok(Instance { state, generated_password, shared: None })
}

fn hasher(config: &Config) -> HasherConfig {
    let hashing = &config.hashing;
    HasherConfig {
        cost: Cost { memory_kib: hashing.memory_kib, passes: hashing.iterations, lanes: hashing.parallelism },
        threads: usize::try_from(hashing.threads).unwrap_or(1),
        queue_limit: usize::try_from(hashing.queue_limit).unwrap_or(1),
        queue_wait: hashing.queue_wait(),
        idle_release: hashing.idle_release(),
        ..HasherConfig::default()
    }
}

fn breached(config: &Config) -> Result<Option<BreachedList>, StartError> {
    let Some(path) = &config.security.breached_passwords else { return Ok(None) };
    let list = BreachedList::open(path);
    list.map(Some).map_err(|e| format!("security.breached_passwords {}: {e}", path.display()).into())
}

fn succession(config: &Config) -> Succession {
    let keys = &config.keys;
    Succession {
        max_age: keys.jwks_max_age_seconds.into(),
        lead: keys.publish_lead_seconds.into(),
        grace: keys.retire_grace_seconds.into(),
    }
}

fn delivery(config: &Config) -> Delivery {
    let smtp = &config.smtp;
    let account = smtp.username.clone().zip(smtp.password.as_ref());
    let server = |(host, sender): (String, String)| MailServer {
        host,
        port: smtp.port,
        account: account.map(|(name, password)| (name, password.secret().expose_secret().to_owned())),
        sender,
        use_tls: smtp.use_tls,
        may_be_private: true,
    };
    Delivery {
        mail: smtp.host.clone().zip(smtp.sender.clone()).map(server),
        texts: config.sms.texts(),
        is_development: config.server.debug,
        product: config.server.project_name.clone(),
    }
}

fn internet(config: &Config) -> Result<PublicInternet, StartError> {
    let outbound = &config.outbound;
    let authorities = outbound.extra_ca_pem.as_deref().map(|path| {
        std::fs::read(path)
            .map_err(|e| format!("outbound.extra_ca_pem: {} can't be read: {e}", path.display()))
    });
    let options = InternetOptions {
        name_servers: config.tenants.name_servers.clone(),
        port: config.tenants.proof_port,
        allow_private: config.tenants.proof_from_private_addresses,
        allow_hosts: outbound.allow_hosts.iter().map(|host| host.as_str().to_owned()).collect(),
        extra_authorities: authorities.transpose()?.unwrap_or_default(),
    };
    Ok(PublicInternet::new(options).map_err(|e| format!("outbound.extra_ca_pem: {e}"))?)
}

fn http(config: &Config) -> HttpConfig {
    HttpConfig {
        body_limit: config.server.body_limit_bytes,
        body_timeout: config.server.request_timeout(),
        trusted_proxies: TrustedProxies::new(config.server.trusted_proxies.clone()),
        access_log: config.log.access,
    }
}

/// Serves until a signal or the returned handle says to stop; then drains, finishes the jobs and closes the database.
///
/// # Errors
/// When the instance can't start.
pub async fn serve(config: &Config, mut ready: impl FnMut(&Instance, u16)) -> Result<(), StartError> {
    let tls = config.tls.pair().map(|(cert, key)| Tls::open(cert, key)).transpose()?.map(Arc::new);
    let address = std::net::SocketAddr::new(config.server.host, config.server.port);
    // Before anybody can take the server for running: from then on a signal means to stop.
    let mut asked_to_stop = Box::pin(stop_signal()?);
    // The port first: a second instance on the same machine must fail before it touches anything.
    let listener =
        TcpListener::bind(address).await.map_err(|e| format!("{address} can't be listened on: {e}"))?;
    let port = listener.local_addr()?.port();
    let instance = tokio::select! {
        opened = open(config, port) => opened?,
        () = &mut asked_to_stop => return Ok(()),
    };
    let edge = Edge::new(router::router(instance.state.clone()), instance.state.clone());
    let (stop, stopped) = watch::channel(false);
    let renewal = tls.clone().map(|tls| tls.keep_current(tls::LOOK_EVERY, stopped.clone())).transpose()?;
    ready(&instance, port);
    let instance = Arc::new(instance);
    let mut jobs = jobs::start(&instance, &stop);
    renewal.map(|renewal| jobs.spawn(renewal));
    if let Some(file) = config.server.geoip_file.clone() {
        jobs.spawn(geoip::keep_current(file, instance.state.clone(), stop.subscribe()));
    }
    let (state, delay) = (instance.state.clone(), shutdown_delay(config));
    tokio::spawn(async move {
        asked_to_stop.await;
        state.drain();
        tokio::time::sleep(delay).await;
        tracing::info!("stopping: requests under way are finished");
        let _ = stop.send(true);
    });
    let limits = server::Limits {
        header_timeout: config.server.header_timeout(),
        connections: usize::try_from(config.server.max_connections).unwrap_or(usize::MAX),
        drain: config.server.drain(),
    };
    let cut = server::serve(listener, edge, tls, limits, stopped).await;
    while jobs.join_next().await.is_some() {}
    instance.close().await;
    tracing::info!(cut_connections = cut, "stopped");
    Ok(())
}

/// How long load balancers get to turn away; alone, there is nobody to turn to.
fn shutdown_delay(config: &Config) -> Duration {
    let default = if config.storage.redis_uri.is_some() { 2 } else { 0 };
    Duration::from_secs(config.server.shutdown_delay_seconds.unwrap_or(default).into())
}

/// Listens for the signals to stop from now on; the future ends when one has come. SIGHUP, which would end the process
/// by default, means to read certificates again (see [`Tls::keep_current`]) and without them nothing.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        drop(hangup);
    })
}
