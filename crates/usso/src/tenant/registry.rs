//! The registry opens tenants: by id, by host, or by what a request says.
//!
//! It is one of the three owners of a `SystemScope`. Open tenants are cached; a change of a tenant's record
//! invalidates its entry before the change is acknowledged.

use crate::tenant::audit::tally::Tallies;
use crate::tenant::coherence::Stale;
use crate::tenant::domain::normalise_host;
use crate::tenant::issuer::{Addressed, BaseUrl, IssuerSet};
use crate::tenant::keys::{KeyRing, Succession};
use crate::tenant::messaging::Delivery;
use crate::tenant::settings::{Config, Settings};
use crate::tenant::tenants::model::Tenant;
use crate::tenant::usage::Requests;
use crate::tenant::{Profile, TenantScope};
use kernel::cache::Cache;
use kernel::{Problem, ProblemKind, StorageError, Stored, SystemScope, TenantId};
use protocol::seal::SealingKey;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// How many open tenants and hosts are kept in memory.
const OPEN_TENANTS: usize = 20_000;

/// What a request says about its tenant (ruling D16).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// `X-Tenant-ID`.
    pub header: Option<String>,
    /// The id in the path prefix `/t/{tenant_id}`.
    pub path: Option<String>,
    /// The authority the request was sent to.
    pub host: Option<String>,
}

/// Why no tenant could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// Nothing known is named.
    #[error("Tenant not found")]
    NotFound,
    /// Header, path and host name different tenants (ruling D19).
    #[error("the request names two different tenants")]
    Conflict,
    /// The tenant is switched off.
    #[error("this tenant is not active")]
    Inactive,
    /// A header, path or host that can't be a tenant's.
    #[error("the tenant id or host is malformed")]
    Malformed,
    /// The tenant's keys don't open.
    #[error("tenant {0} can't be opened: {1}")]
    Broken(TenantId, String),
    /// The database is away.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for SelectionError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::NotFound | Self::Conflict | Self::Malformed => ProblemKind::Invalid,
            Self::Inactive => ProblemKind::Forbidden,
            Self::Broken(..) => ProblemKind::Internal,
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound | Self::Malformed => "TENANT_NOT_FOUND",
            Self::Conflict => "TENANT_CONFLICT",
            Self::Inactive => "TENANT_INACTIVE",
            Self::Broken(..) => "INTERNAL_ERROR",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound | Self::Malformed => "Tenant not found".into(),
            Self::Conflict => "The request names two different tenants".into(),
            Self::Inactive => "This tenant is not active".into(),
            Self::Broken(..) | Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

/// A chosen tenant and how it was named.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The tenant.
    pub scope: Arc<TenantScope>,
    /// How it was named.
    pub addressed: Addressed,
}

/// A host somebody answers to.
struct Host {
    name: Arc<str>,
    owner: TenantId,
}

/// Opens tenants.
pub struct Registry {
    system: SystemScope,
    seal: SealingKey,
    base: BaseUrl,
    succession: Succession,
    tenants: Cache<TenantId, Arc<TenantScope>>,
    hosts: Cache<Arc<str>, Arc<Host>>,
    requests: Requests,
    delivery: Arc<Delivery>,
    tallies: Arc<Tallies>,
    /// The settings of tenants that set nothing.
    defaults: Arc<Settings>,
    /// After the database was away, when to ask it again; microseconds since the epoch.
    retry_at: AtomicI64,
    making_keys: tokio::sync::Mutex<()>,
}

impl Registry {
    /// A registry of one installation.
    pub fn new(system: SystemScope, seal: SealingKey, base: BaseUrl) -> Self {
        let (tenants, hosts) = (Cache::new(OPEN_TENANTS), Cache::new(OPEN_TENANTS));
        Self {
            system,
            seal,
            base,
            succession: Succession::default(),
            tenants,
            hosts,
            requests: Requests::default(),
            delivery: Arc::default(),
            tallies: Arc::default(),
            defaults: Arc::new(Config::default().settings()),
            retry_at: AtomicI64::new(0),
            making_keys: tokio::sync::Mutex::default(),
        }
    }

    /// The same with other times between keys.
    #[must_use]
    pub fn with_succession(self, succession: Succession) -> Self {
        Self { succession, ..self }
    }

    /// The same with a way for messages.
    #[must_use]
    pub fn with_delivery(self, delivery: Delivery) -> Self {
        Self { delivery: Arc::new(delivery), ..self }
    }

    /// Whose turn it is to make a tenant's first key for id tokens.
    pub fn making_keys(&self) -> &tokio::sync::Mutex<()> {
        &self.making_keys
    }

    /// How keys follow one another.
    pub fn succession(&self) -> &Succession {
        &self.succession
    }

    /// The installation's origin.
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// The platform.
    pub fn system(&self) -> &SystemScope {
        &self.system
    }

    /// The requests that are not written yet.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The installation's sealing key.
    pub fn seal(&self) -> &SealingKey {
        &self.seal
    }

    /// Opens a tenant by id. `None`: there is none.
    ///
    /// # Errors
    /// When the database is away or the tenant's keys don't open.
    pub async fn open(&self, id: &TenantId) -> Result<Option<Arc<TenantScope>>, SelectionError> {
        let known = self.tenants.get(id);
        if let Some(open) = &known
            && (open.profile().valid_until.is_none_or(|until| self.system.now() < until) || self.is_away())
        {
            return Ok(known);
        }
        let stamp = self.tenants.stamp(id);
        let stored = match (self.system.records::<Tenant>().get(id.as_str()).await, known) {
            // Keys are published somewhat longer than they must be: better those than none while the database is away.
            (Err(StorageError::Unavailable(_)), Some(known)) => {
                let retry_at = self.system.now().plus_seconds(1).unix_micros();
                self.retry_at.store(retry_at, Ordering::Relaxed);
                return Ok(Some(known));
            }
            (found, _) => found?,
        };
        let Some(stored) = stored else { return Ok(None) };
        let open = Arc::new(self.assemble(stored)?);
        self.tenants.insert(id.clone(), open.clone(), stamp);
        Ok(Some(open))
    }

    /// Whether the database was away a moment ago: asking takes its time, and not every request should.
    fn is_away(&self) -> bool {
        self.system.now().unix_micros() < self.retry_at.load(Ordering::Relaxed)
    }

    /// Opens the tenant that answers to a host (normalised). `None`: nobody does.
    ///
    /// # Errors
    /// When the database is away or the tenant's keys don't open.
    pub async fn open_by_host(&self, host: &str) -> Result<Option<Arc<TenantScope>>, SelectionError> {
        Ok(self.owner_of(host).await?.map(|(scope, _)| scope))
    }

    async fn owner_of_authority(
        &self,
        authority: &str,
    ) -> Result<Option<(Arc<TenantScope>, Arc<str>)>, SelectionError> {
        // What is written as it is kept, as nearly all is, needn't be normalised to be found.
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        if port.len() <= 5
            && port.bytes().all(|b| b.is_ascii_digit())
            && let Some(known) = self.hosts.get(host)
        {
            return self.open_known(&known).await;
        }
        match normalise_host(authority) {
            Ok(host) => self.owner_of(&host).await,
            Err(_) => Ok(None),
        }
    }

    async fn open_known(&self, host: &Host) -> Result<Option<(Arc<TenantScope>, Arc<str>)>, SelectionError> {
        Ok(self.open(&host.owner).await?.map(|scope| (scope, host.name.clone())))
    }

    /// The tenant that answers to a host, and the host as it is kept.
    async fn owner_of(&self, host: &str) -> Result<Option<(Arc<TenantScope>, Arc<str>)>, SelectionError> {
        if let Some(known) = self.hosts.get(host) {
            return self.open_known(&known).await;
        }
        let stamp = self.hosts.stamp(host);
        let id = if host == self.base.host() {
            TenantId::default_tenant()
        } else {
            match self.system.records::<Tenant>().find(&Tenant::domain_key(host)).await? {
                Some(tenant) if tenant.answers_to(host) => tenant.record.id,
                _ => return Ok(None),
            }
        };
        let name: Arc<str> = host.into();
        self.hosts.insert(name.clone(), Arc::new(Host { name: name.clone(), owner: id.clone() }), stamp);
        Ok(self.open(&id).await?.map(|scope| (scope, name)))
    }

    /// Chooses the tenant a request is for (rulings D16, D19).
    ///
    /// # Errors
    /// See [`SelectionError`].
    pub async fn select(&self, selection: &Selection) -> Result<Selected, SelectionError> {
        let by_host = match &selection.host {
            Some(authority) => self.owner_of_authority(authority).await?,
            None => None,
        };
        let named = match (&selection.header, &selection.path) {
            (Some(header), Some(path)) if header != path => return Err(SelectionError::Conflict),
            (_, Some(path)) => Some((path, Addressed::Path)),
            (Some(header), None) => Some((header, Addressed::Header)),
            (None, None) => None,
        };
        let selected = match (named, by_host) {
            (None, None) => return Err(SelectionError::NotFound),
            (None, Some((scope, host))) => Selected { scope, addressed: Addressed::Host(host) },
            (Some((id, addressed)), by_host) => self.select_named(id, addressed, by_host).await?,
        };
        let profile = selected.scope.profile();
        profile.requests.fetch_add(1, Ordering::Relaxed);
        if profile.tenant.is_active { Ok(selected) } else { Err(SelectionError::Inactive) }
    }

    async fn select_named(
        &self,
        id: &str,
        addressed: Addressed,
        by_host: Option<(Arc<TenantScope>, Arc<str>)>,
    ) -> Result<Selected, SelectionError> {
        let id = TenantId::parse(id).map_err(|_| SelectionError::Malformed)?;
        if let Some((owner, host)) = by_host {
            if *owner.id() == id {
                let addressed = match addressed {
                    Addressed::Path => Addressed::Path,
                    _ => Addressed::Host(host),
                };
                return Ok(Selected { scope: owner, addressed });
            }
            // Only a host of the default tenant is shared by all.
            if *owner.id() != TenantId::default_tenant() {
                return Err(SelectionError::Conflict);
            }
        }
        let scope = self.open(&id).await?.ok_or(SelectionError::NotFound)?;
        Ok(Selected { scope, addressed })
    }

    /// Forgets a tenant whose record changed, and the hosts it had and has, on every instance. To be called after the write and before
    /// it is acknowledged.
    pub fn forget<'a>(&self, id: &TenantId, hosts: impl Iterator<Item = &'a str> + Clone) {
        self.drop_tenant(id, hosts.clone());
        let hosts = hosts.map(str::to_owned).collect();
        Stale::Tenant { id: id.clone(), hosts }.announce(&self.system);
    }

    /// Forgets a tenant, and the hosts it had and has, on this instance.
    pub fn drop_tenant<'a>(&self, id: &TenantId, hosts: impl Iterator<Item = &'a str>) {
        hosts.for_each(|host| self.hosts.invalidate(host));
        self.tenants.invalidate(id);
    }

    /// Forgets everything on this instance.
    pub fn forget_all(&self) {
        self.hosts.clear();
        self.tenants.clear();
    }

    fn assemble(&self, mut tenant: Stored<Tenant>) -> Result<TenantScope, SelectionError> {
        tenant.record.shrink();
        let id = tenant.record.id.clone();
        let now = self.system.now();
        let keys = KeyRing::open(&tenant.keys, &id, &self.seal, (&self.succession, now))
            .map_err(|e| SelectionError::Broken(id.clone(), e.to_string()))?;
        let broken = |e: protocol::seal::SealError| SelectionError::Broken(id.clone(), e.to_string());
        let config = &tenant.config;
        let settings = if config.is_default() { self.defaults.clone() } else { Arc::new(config.settings()) };
        let profile = Profile {
            settings,
            issuers: IssuerSet::of(&tenant, &self.base),
            valid_until: keys.published().until,
            seal: self.seal.derive("tenant-secrets", id.as_str()).map_err(broken)?,
            request_mac: self.seal.derive_mac("request", id.as_str()).map_err(broken)?,
            device_mac: self.seal.derive_mac("device", id.as_str()).map_err(broken)?,
            code_mac: self.seal.derive_mac("code", id.as_str()).map_err(broken)?,
            delivery: self.delivery.clone(),
            requests: self.requests.of(&id),
            tallies: self.tallies.clone(),
            keys,
            tenant,
        };
        Ok(self.system.open(id, profile))
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("base", &self.base.origin()).finish_non_exhaustive()
    }
}
