//! A server under test, and the people who talk to it.
//!
//! ```ignore
//! let app = TestApp::new().await;
//! let alice = app.user("alice").await;
//! alice.get("/me").await.expect(200);
//! app.clock.advance(Duration::from_secs(3_600));
//! alice.get("/me").await.problem(401, "TOKEN_EXPIRED");
//! ```
//!
//! Paths are written as in the contract: below the API's root, or `ROOT/…` for the root of the host. Every answer is
//! checked for what every answer must have (see [`Answer`]).

mod answer;
mod authenticator;
mod browser;
mod database;
mod gateway;
pub mod geoip;
mod internet;
mod outbox;
mod page;
mod people;
mod provider;
mod requests;
pub mod security_key;
pub mod token;

pub use answer::{Answer, SetCookie};
pub use authenticator::Authenticator;
pub use browser::Browser;
pub use database::{Database, StorageKind};
pub use gateway::Gateway;
pub use internet::SmallInternet;
use outbox::DataDirectory;
pub use outbox::Letter;
pub use page::Page;
pub use people::{Anonymous, TenantHandle, User};
pub use provider::{CLIENT_SECRET, Provider, encode, query};
pub use requests::{Body, Requests};

use kernel::memory::MemoryEphemeral;
use kernel::{Ephemeral, Ports, Storage, SystemRandom, SystemScope, TestClock};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use usso::app::{coherence, jobs, post, router, startup};
use usso::config::{Config, MasterKey, Network};
use usso::http::AppState;
use usso::http::edge::Edge;
use usso::identity::sessions::model::Session;
use usso::identity::users::model::User as UserRecord;
use usso::tenant::TenantScope;
use usso::tenant::audit::AuditEvent;

/// The host everybody asks unless they say otherwise: one of the default tenant.
pub const HOST: &str = "localhost:8000";
/// The origin of that host.
pub const ORIGIN: &str = "http://localhost:8000";
/// The system administrator's password.
pub const SYSTEM_PASSWORD: &str = "quite-Long-system-Secret!7";
/// Everybody else's password.
pub const PASSWORD: &str = "correct-Horse-battery-9!";
/// A proxy whose forwarded headers count.
pub const TRUSTED_PROXY: &str = "10.9.9.9";

/// What outlives a process.
type Kept = (Arc<Database>, Arc<DataDirectory>);

/// A server. Cloning gives another handle to the same server.
#[derive(Clone)]
pub struct TestApp(Arc<Parts>);

/// What a server is made of.
pub struct Parts {
    /// The front door.
    pub edge: Edge,
    /// The services behind it.
    pub state: AppState,
    /// Stands still until it is advanced.
    pub clock: Arc<TestClock>,
    reader: Option<coherence::Reader>,
    config: Config,
    ports: Ports,
    database: Arc<Database>,
    data: Arc<DataDirectory>,
}

impl Deref for TestApp {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl TestApp {
    /// A server on the storage that `USSO_TEST_STORAGE` names.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A server with another configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(StorageKind::from_environment(), change).await
    }

    /// A server on a certain storage.
    pub async fn on(kind: StorageKind, change: impl FnOnce(&mut Config)) -> Self {
        let database = Arc::new(Database::open(kind).await);
        let clock = Arc::new(TestClock::default());
        let ports = Ports {
            storage: database.storage(),
            ephemeral: database.ephemeral(),
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
        };
        let mut config = config();
        let data = Arc::new(DataDirectory::new());
        config.storage.data_dir.clone_from(&data.0);
        change(&mut config);
        Self::start(config, ports, clock, (database, data)).await
    }

    /// Another process on the same database, with empty caches: a restart, or the other instance of a pair.
    pub async fn restarted(&self) -> Self {
        self.restarted_with(|_| {}).await
    }

    /// Another process with another configuration.
    pub async fn restarted_with(&self, change: impl FnOnce(&mut Config)) -> Self {
        let (mut config, ports) = (self.config.clone(), self.ports.clone());
        change(&mut config);
        let kept = (self.database.clone(), self.data.clone());
        Self::start(config, ports, self.clock.clone(), kept).await
    }

    /// The same installation on another database, to which it was copied.
    pub async fn moved_to(&self, database: &Arc<Database>) -> Self {
        let (storage, ephemeral) = (database.storage(), database.ephemeral());
        let ports = Ports { storage, ephemeral, ..self.ports.clone() };
        let kept = (database.clone(), self.data.clone());
        Self::start(self.config.clone(), ports, self.clock.clone(), kept).await
    }

    /// Tries to start a server on a storage with a configuration like this one's; answers why it doesn't.
    pub async fn try_start(
        &self,
        storage: Arc<dyn Storage>,
        change: impl FnOnce(&mut Config),
    ) -> Result<(), String> {
        let mut config = self.config.clone();
        change(&mut config);
        let ports = Ports { storage, ..self.ports.clone() };
        startup::assemble(&config, 8000, ports).await.map(drop).map_err(|e| e.to_string())
    }

    /// The services of a server like this one on another storage.
    pub async fn state_on(&self, storage: Arc<dyn Storage>) -> AppState {
        let ports = Ports { storage, ..self.ports.clone() };
        startup::assemble(&self.config, 8000, ports).await.expect("the server starts").state
    }

    /// Its database.
    pub fn storage(&self) -> Arc<dyn Storage> {
        self.ports.storage.clone()
    }

    /// Loses the short-lived state, where that is in Redis.
    pub fn flush(&self) {
        self.database.flush();
    }

    /// What it was configured with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The platform of another storage, at this server's time.
    pub fn platform_on(&self, storage: Arc<dyn Storage>) -> SystemScope {
        SystemScope::new(Ports { storage, ..self.ports.clone() })
    }

    /// Another instance beside this one on the same database, which hears its messages and reads the feed.
    pub async fn joined(&self) -> Self {
        self.join(self.ports.ephemeral.clone()).await
    }

    /// Another instance beside this one that hears no messages, as if those were cut.
    pub async fn joined_unheard(&self) -> Self {
        self.join(Arc::new(MemoryEphemeral::new())).await
    }

    async fn join(&self, ephemeral: Arc<dyn Ephemeral>) -> Self {
        let ports = Ports { ephemeral, ..self.ports.clone() };
        let kept = (self.database.clone(), self.data.clone());
        let mut parts = Self::parts(self.config.clone(), ports, self.clock.clone(), kept).await;
        parts.reader = Some(coherence::join(&parts.state).await.expect("it joins"));
        Self(Arc::new(parts))
    }

    /// Reads the feed of invalidations, as a joined instance does every second.
    pub async fn read_feed(&self) {
        let reader = self.reader.as_ref().expect("only a joined instance reads the feed");
        reader.read(&self.state).await.expect("the database is there");
    }

    async fn start(config: Config, ports: Ports, clock: Arc<TestClock>, kept: Kept) -> Self {
        Self(Arc::new(Self::parts(config, ports, clock, kept).await))
    }

    async fn parts(config: Config, ports: Ports, clock: Arc<TestClock>, (database, data): Kept) -> Parts {
        let instance = startup::assemble(&config, 8000, ports.clone()).await.expect("the server starts");
        let state = instance.state;
        let edge = Edge::new(router::router(state.clone()), state.clone());
        Parts { edge, state, clock, reader: None, config, ports, database, data }
    }

    /// Somebody without any credential.
    pub fn anonymous(&self) -> Anonymous {
        Anonymous::new(self)
    }

    /// Somebody without any credential who asks another host.
    pub fn on_host(&self, host: &str) -> Anonymous {
        self.anonymous().on_host(host)
    }

    /// A browser on a page of the default tenant.
    pub fn browser(&self) -> Browser {
        Browser::new(self, HOST)
    }

    /// The system administrator, signed in.
    pub async fn system_admin(&self) -> User {
        User::sign_in(self.anonymous(), "admin", SYSTEM_PASSWORD).await
    }

    /// `{name}@example.com` of the default tenant, registered if need be, and signed in.
    pub async fn user(&self, name: &str) -> User {
        User::named(self.anonymous(), name).await
    }

    /// A new tenant with its first administrator `admin@{first domain}`. Without domains it is asked by its header.
    pub async fn tenant(&self, name: &str, domains: &[&str]) -> TenantHandle {
        TenantHandle::create(self, name, domains).await
    }

    /// Opens a tenant's scope, to look or to reach where no endpoint does.
    pub async fn scope(&self, tenant_id: &str) -> Arc<TenantScope> {
        let id = kernel::TenantId::parse(tenant_id).expect("a tenant id");
        self.state.registry.open(&id).await.expect("the database").expect("the tenant")
    }

    /// A session as it is stored.
    pub async fn session(&self, tenant_id: &str, session_id: &str) -> Option<Session> {
        let scope = self.scope(tenant_id).await;
        scope.records::<Session>().get(session_id).await.expect("the database").map(|stored| stored.record)
    }

    /// Carries out all effects and gives a tenant's audit events, oldest first.
    pub async fn audit(&self, tenant_id: &str) -> Vec<AuditEvent> {
        jobs::drain(&self.state).await.expect("the effects are carried out");
        let scope = self.scope(tenant_id).await;
        let mut query = kernel::Query::all("audit_event");
        query.limit = 1_000;
        let page = scope.records::<AuditEvent>().page(query).await.expect("the database");
        let mut events: Vec<AuditEvent> = page.items.into_iter().map(|stored| stored.record).collect();
        events.sort_by(|a, b| a.id.cmp(&b.id));
        events
    }

    /// Carries out all effects and gives the names of the platform's events, in no order.
    pub async fn platform_events(&self) -> Vec<String> {
        jobs::drain(&self.state).await.expect("the effects are carried out");
        let mut query = kernel::Query::all("audit_event");
        query.limit = 1_000;
        let page = self.state.registry.system().records::<AuditEvent>().page(query).await;
        page.expect("the database").items.into_iter().map(|stored| stored.record.event).collect()
    }

    /// Changes a user's record behind the API's back, as an administrator's service would.
    pub async fn change_user(&self, user: &User, change: impl Fn(&mut UserRecord)) {
        let scope = self.scope(user.tenant_id()).await;
        let changed = scope
            .records::<UserRecord>()
            .update::<kernel::StorageError>(user.id(), |old| {
                let mut next = old.record.clone();
                change(&mut next);
                Ok(kernel::Change::Put(next, Vec::new()))
            })
            .await;
        changed.expect("the database").expect("the user");
        self.state.identity.forget_user(&scope, &kernel::UserId::parse(user.id()).expect("a user id"));
    }

    /// Changes a tenant as the system administrator.
    pub async fn configure(&self, tenant_id: &str, config: serde_json::Value) {
        let body = serde_json::json!({ "config": config });
        self.system_admin().await.patch(&format!("/tenants/{tenant_id}"), body).await.expect(200);
    }

    /// Carries out what waits, whoever outside must be told of it.
    pub async fn deliver(&self) {
        jobs::drain(&self.state).await.expect("the database is there");
        post::work(&self.state).await.expect("the database is there");
    }

    /// Carries out what waits, and reads every message that was sent so far.
    pub async fn outbox(&self) -> Vec<Letter> {
        jobs::drain(&self.state).await.expect("the database is there");
        post::work(&self.state).await.expect("the database is there");
        Letter::all(&self.data)
    }

    /// The last message that was sent.
    pub async fn last_letter(&self) -> Letter {
        self.outbox().await.pop().expect("a message")
    }

    /// The time, in Unix seconds.
    pub fn clock_seconds(&self) -> i64 {
        kernel::Clock::now(&*self.clock).unix_seconds()
    }

    /// Lets this many seconds pass.
    pub fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// The defaults, but for hashing that is quick instead of safe.
fn config() -> Config {
    let mut config = Config::default();
    config.security.system_password = Some(SYSTEM_PASSWORD.into());
    config.security.master_key = Some(MasterKey::new([7; 32]));
    config.server.trusted_proxies = vec![Network::parse(TRUSTED_PROXY).expect("an address")];
    config.server.debug = true;
    config.hashing.memory_kib = 64;
    config.hashing.iterations = 1;
    config.hashing.queue_limit = 10_000;
    // Low-priority threads on a machine that is busy with other tests: nothing is ever shed for want of time.
    config.hashing.queue_wait_ms = 3_600_000;
    config
}
