//! The registry opens tenants: by id, by host, or by what a request says.
//!
//! It is one of the three owners of a `SystemScope`. Open tenants are cached; a change of a tenant's record
//! invalidates its entry before the change is acknowledged.

use crate::tenant::domain::normalise_host;
use crate::tenant::issuer::{Addressed, BaseUrl, IssuerSet};
use crate::tenant::keys::KeyRing;
use crate::tenant::tenants::model::Tenant;
use crate::tenant::{Profile, TenantScope};
use kernel::cache::Cache;
use kernel::{Problem, ProblemKind, StorageError, Stored, SystemScope, TenantId};
use protocol::seal::SealingKey;
use std::borrow::Cow;
use std::sync::Arc;

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

/// Opens tenants.
pub struct Registry {
    system: SystemScope,
    seal: SealingKey,
    base: BaseUrl,
    tenants: Cache<TenantId, Arc<TenantScope>>,
    hosts: Cache<String, TenantId>,
}

impl Registry {
    /// A registry of one installation.
    pub fn new(system: SystemScope, seal: SealingKey, base: BaseUrl) -> Self {
        Self { system, seal, base, tenants: Cache::new(OPEN_TENANTS), hosts: Cache::new(OPEN_TENANTS) }
    }

    /// The installation's origin.
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// The platform.
    pub fn system(&self) -> &SystemScope {
        &self.system
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
        if let Some(open) = self.tenants.get(id)
            && open.profile().valid_until.is_none_or(|until| self.system.now() < until)
        {
            return Ok(Some(open));
        }
        let stamp = self.tenants.stamp(id);
        let Some(stored) = self.system.records::<Tenant>().get(id.as_str()).await? else { return Ok(None) };
        let open = Arc::new(self.assemble(stored)?);
        self.tenants.insert(id.clone(), open.clone(), stamp);
        Ok(Some(open))
    }

    /// Opens the tenant that answers to a host (normalised). `None`: nobody does.
    ///
    /// # Errors
    /// When the database is away or the tenant's keys don't open.
    pub async fn open_by_host(&self, host: &str) -> Result<Option<Arc<TenantScope>>, SelectionError> {
        if let Some(id) = self.hosts.get(host) {
            return self.open(&id).await;
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
        self.hosts.insert(host.to_owned(), id.clone(), stamp);
        self.open(&id).await
    }

    /// Chooses the tenant a request is for (rulings D16, D19).
    ///
    /// # Errors
    /// See [`SelectionError`].
    pub async fn select(&self, selection: &Selection) -> Result<Selected, SelectionError> {
        let host = match &selection.host {
            Some(authority) => normalise_host(authority).ok(),
            None => None,
        };
        let by_host = match &host {
            Some(host) => self.open_by_host(host).await?,
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
            (None, Some(scope)) => Selected { scope, addressed: Addressed::Host(host.unwrap_or_default()) },
            (Some((id, addressed)), by_host) => self.select_named(id, addressed, by_host, host).await?,
        };
        if selected.scope.profile().tenant.is_active { Ok(selected) } else { Err(SelectionError::Inactive) }
    }

    async fn select_named(
        &self,
        id: &str,
        addressed: Addressed,
        by_host: Option<Arc<TenantScope>>,
        host: Option<String>,
    ) -> Result<Selected, SelectionError> {
        let id = TenantId::parse(id).map_err(|_| SelectionError::Malformed)?;
        if let Some(owner) = by_host {
            if *owner.id() == id {
                let addressed = match addressed {
                    Addressed::Path => Addressed::Path,
                    _ => Addressed::Host(host.unwrap_or_default()),
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

    /// Forgets a tenant whose record changed, and the hosts it had and has. To be called after the write and before
    /// it is acknowledged.
    pub fn forget<'a>(&self, id: &TenantId, hosts: impl Iterator<Item = &'a str>) {
        hosts.for_each(|host| self.hosts.invalidate(host));
        self.tenants.invalidate(id);
    }

    fn assemble(&self, tenant: Stored<Tenant>) -> Result<TenantScope, SelectionError> {
        let id = tenant.record.id.clone();
        let now = self.system.now();
        let keys = KeyRing::open(&tenant.keys, &id, &self.seal, now)
            .map_err(|e| SelectionError::Broken(id.clone(), e.to_string()))?;
        let broken = |e: protocol::seal::SealError| SelectionError::Broken(id.clone(), e.to_string());
        let profile = Profile {
            settings: tenant.config.settings(),
            issuers: IssuerSet::of(&tenant, &self.base),
            valid_until: keys.published().until,
            seal: self.seal.derive("tenant-secrets", id.as_str()).map_err(broken)?,
            request_mac: self.seal.derive_mac("request", id.as_str()).map_err(broken)?,
            device_mac: self.seal.derive_mac("device", id.as_str()).map_err(broken)?,
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
