//! From configuration to a running instance. The only place that names adapters.

use crate::app::{bootstrap, jobs, master_key, router, server};
use crate::config::Config;
use crate::http::client_ip::TrustedProxies;
use crate::http::edge::Edge;
use crate::http::{AppState, HttpConfig};
use crate::identity::Identity;
use crate::identity::credentials::{Cost, Hasher, HasherConfig};
use crate::identity::sessions::model::Session;
use crate::identity::users::model::User;
use crate::tenant::Registry;
use crate::tenant::audit::AuditEvent;
use crate::tenant::issuer::BaseUrl;
use crate::tenant::one_time::OneTime;
use crate::tenant::tenants::model::Tenant;
use backends::sql::sqlite::{Options as SqliteOptions, SqliteStorage};
use kernel::memory::MemoryEphemeral;
use kernel::{KindSpec, Ports, Record, SystemClock, SystemRandom, SystemScope};
use protocol::seal::SealingKey;
use secrecy::SecretString;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Why an instance can't start. The text is for the operator.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// Every kind of record.
pub fn kinds() -> [KindSpec; 6] {
    [
        master_key::Installation::spec(),
        Tenant::spec(),
        User::spec(),
        Session::spec(),
        OneTime::spec(),
        AuditEvent::spec(),
    ]
}

/// An instance that is ready to serve.
pub struct Instance {
    /// The services.
    pub state: AppState,
    /// The system administrator's password, if it was just generated.
    pub generated_password: Option<SecretString>,
}

/// Opens the database and makes what a first start needs. `port`: the one the listener has.
///
/// # Errors
/// Whatever keeps the instance from starting.
pub async fn open(config: &Config, port: u16) -> Result<Instance, StartError> {
    let dir = &config.storage.data_dir;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| format!("the data directory {} can't be made: {e}", dir.display()))?;
    let storage = SqliteStorage::open(&config.storage.database_file(), SqliteOptions::default())?;
    let ports = Ports {
        storage: Arc::new(storage),
        ephemeral: Arc::new(MemoryEphemeral::new()),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    assemble(config, port, ports).await
}

/// Makes an instance of given adapters.
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
    let identity = Identity::new(Hasher::new(hasher(config))?);
    let state = Arc::new(crate::http::state::Services::new(
        Registry::new(system, seal, base),
        identity,
        http(config),
    ));
    let domains = config.tenants.default_domains.iter().map(|d| d.as_str().to_owned()).collect();
    let generated_password = bootstrap::run(&state, domains, config.security.system_password()).await?;
    Ok(Instance { state, generated_password })
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
    if config.tls.pair().is_some() {
        return Err(
            "TLS_CERT and TLS_KEY: this version has no TLS listener, put a reverse proxy in front".into()
        );
    }
    let address = std::net::SocketAddr::new(config.server.host, config.server.port);
    // The port first: a second instance on the same machine must fail before it touches anything.
    let listener =
        TcpListener::bind(address).await.map_err(|e| format!("{address} can't be listened on: {e}"))?;
    let port = listener.local_addr()?.port();
    let instance = open(config, port).await?;
    let edge = Edge::new(router::router(instance.state.clone()), instance.state.clone());
    // Before anybody is told that the server is ready: from then on a signal means to drain.
    let asked_to_stop = stop_signal()?;
    ready(&instance, port);
    let (stop, stopped) = watch::channel(false);
    let mut jobs = jobs::start(instance.state.clone(), stopped.clone());
    tokio::spawn(async move {
        asked_to_stop.await;
        tracing::info!("stopping: requests under way are finished");
        let _ = stop.send(true);
    });
    let limits = server::Limits {
        header_timeout: config.server.header_timeout(),
        connections: usize::try_from(config.server.max_connections).unwrap_or(usize::MAX),
        drain: config.server.drain(),
    };
    let cut = server::serve(listener, edge, limits, stopped).await;
    while jobs.join_next().await.is_some() {}
    instance.state.registry.system().ports().storage.close().await;
    tracing::info!(cut_connections = cut, "stopped");
    Ok(())
}

/// Listens for the signals to stop from now on; the future ends when one has come.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}
