//! Creating and changing tenants.

use crate::tenant::audit::Event;
use crate::tenant::coherence::Stale;
use crate::tenant::keys::model::NoRoom;
use crate::tenant::keys::{self, KeySet, KeyUse};
use crate::tenant::patch::merge;
use crate::tenant::registry::{Registry, SelectionError};
use crate::tenant::sealed::{self, SecretError};
use crate::tenant::settings::Config;
use crate::tenant::tenants::domains::service::{check_domains, kept};
use crate::tenant::tenants::model::{Domain, Tenant};
use crate::tenant::tenants::parts::{check_parts, check_shared, forget_moved};
use crate::tenant::tenants::schema::{CreateTenant, UpdateTenant};
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::problem::FieldError;
use kernel::storage::StorageError;
use kernel::{Change, Effect, Problem, ProblemKind, Stored, TenantId};
use protocol::jose::{Algorithm, JoseError};
use protocol::seal::SealingKey;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// Why a tenant can't be created or changed.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// Fields that don't fit.
    #[error("invalid tenant")]
    Invalid(Vec<FieldError>),
    /// Its id, slug or one of its domains belongs to another tenant, or its keys leave no room for a new one.
    #[error("{0}")]
    Taken(String),
    /// There is no such tenant.
    #[error("no such tenant")]
    NotFound,
    /// Only the system administrator may change this.
    #[error("only the system administrator may change `{0}`")]
    SystemOnly(&'static str),
    /// A domain's proof wasn't found.
    #[error("the proof of the domain was not found")]
    NotProven,
    /// Proofs were looked for too often.
    #[error("too many looks for proofs")]
    TooManyLooks {
        /// Seconds until they are again.
        retry_after: u64,
    },
    /// `If-Match` named another revision.
    #[error("the tenant was changed meanwhile")]
    Stale,
    /// The default tenant must stay.
    #[error("the default tenant can't be switched off")]
    DefaultTenant,
    /// A key couldn't be made.
    #[error(transparent)]
    Key(#[from] JoseError),
    /// A secret couldn't be sealed.
    #[error("sealing failed: {0}")]
    Seal(#[from] protocol::seal::SealError),
    /// The tenant can't be opened.
    #[error(transparent)]
    Open(#[from] SelectionError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// How a storage error shows to a caller who isn't to blame for it.
pub fn storage_kind(error: &StorageError) -> ProblemKind {
    match error {
        StorageError::Unavailable(_) | StorageError::Contended | StorageError::Conflict => {
            ProblemKind::Unavailable { retry_after: 1 }
        }
        _ => ProblemKind::Internal,
    }
}

impl Problem for TenantError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Invalid(_) | Self::DefaultTenant => ProblemKind::Invalid,
            Self::Taken(_) | Self::NotProven => ProblemKind::Conflict,
            Self::TooManyLooks { retry_after } => ProblemKind::TooManyRequests { retry_after: *retry_after },
            Self::NotFound => ProblemKind::NotFound,
            Self::SystemOnly(_) => ProblemKind::Forbidden,
            Self::Stale => ProblemKind::PreconditionFailed,
            Self::Key(_) | Self::Seal(_) => ProblemKind::Internal,
            Self::Open(e) => e.kind(),
            Self::Storage(e) => storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) | Self::DefaultTenant => "VALIDATION_ERROR",
            Self::Taken(_) => "CONFLICT",
            Self::NotProven => "DOMAIN_NOT_VERIFIED",
            Self::TooManyLooks { .. } => "RATE_LIMITED",
            Self::NotFound => "NOT_FOUND",
            Self::SystemOnly(_) => "PERMISSION_DENIED",
            Self::Stale => "PRECONDITION_FAILED",
            Self::Key(_) | Self::Seal(_) => "INTERNAL_ERROR",
            Self::Open(e) => e.code(),
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Invalid(fields) => {
                fields.first().map_or_else(|| "Invalid tenant".into(), |f| describe(f).into())
            }
            Self::Taken(text) => text.clone().into(),
            Self::NotFound => "Not found".into(),
            Self::SystemOnly(what) => format!("Only the system administrator may change {what}").into(),
            Self::NotProven => {
                "Neither the TXT record nor the file was found with the expected content".into()
            }
            Self::TooManyLooks { .. } => "Proofs were looked for too often; try again later".into(),
            Self::Stale => "The object was changed since it was read".into(),
            Self::DefaultTenant => "The default tenant can't be switched off".into(),
            Self::Key(_) | Self::Seal(_) => "Internal error".into(),
            Self::Open(e) => e.detail(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            _ => Vec::new(),
        }
    }
}

impl TenantError {
    /// A domain that is another tenant's.
    pub(super) fn domain_taken(host: &str) -> Self {
        Self::Taken(format!("The domain {host} belongs to another tenant"))
    }
}

impl Tenant {
    /// Whether it may be changed.
    pub(super) fn check_alive(&self) -> Result<(), TenantError> {
        match self.deleted_at {
            None => Ok(()),
            Some(_) => Err(TenantError::Taken("The tenant is deleted; restore it first".to_owned())),
        }
    }
}

fn describe(field: &FieldError) -> String {
    let place: Vec<&str> = field.loc.iter().skip(1).map(AsRef::as_ref).collect();
    format!("{}: {}", place.join("."), field.msg)
}

pub(super) fn invalid(name: &str, msg: impl Into<String>) -> TenantError {
    invalid_at(&[name], msg)
}

pub(super) fn invalid_at(place: &[&str], msg: impl Into<String>) -> TenantError {
    let place = place.iter().map(|part| (*part).to_owned().into());
    let loc = std::iter::once("body".into()).chain(place).collect();
    TenantError::Invalid(vec![FieldError { loc, msg: msg.into(), kind: "value".into() }])
}

/// Who asks, and what they may do to domains and activation.
#[derive(Debug, Clone, Copy)]
pub struct Authority<'a> {
    /// Who asks.
    pub actor: &'a Actor,
    /// From where.
    pub client: &'a ClientInfo,
    /// Whether it is the system administrator: domains count at once, `is_active` may change.
    pub is_system: bool,
}

/// Creates a tenant with its first signing key and opens it.
///
/// # Errors
/// [`TenantError::Taken`] when id, slug or a domain is in use; [`TenantError::Invalid`] for bad fields.
pub async fn create(
    registry: &Registry,
    request: CreateTenant,
    authority: Authority<'_>,
) -> Result<Arc<TenantScope>, TenantError> {
    let slug = request.slug.as_deref().unwrap_or(&request.name);
    let id = TenantId::from_slug(slug).map_err(|_| invalid("slug", "needs a letter or digit"))?;
    create_with_id(registry, id, request, authority).await
}

/// Creates a tenant under a given id: `create`, and the default tenant at first start.
///
/// # Errors
/// As [`create`].
pub async fn create_with_id(
    registry: &Registry,
    id: TenantId,
    request: CreateTenant,
    authority: Authority<'_>,
) -> Result<Arc<TenantScope>, TenantError> {
    let system = registry.system();
    let algorithm = parse_algorithm(request.algorithm.as_deref())?.unwrap_or(Algorithm::EdDsa);
    let (mut config_patch, mut messaging) = (request.config, request.messaging);
    let secrets = registry.seal().derive("tenant-secrets", id.as_str())?;
    seal_part("config", &mut config_patch, &secrets)?;
    seal_part("messaging", &mut messaging, &secrets)?;
    let mut config = Config::default();
    config.apply(&config_patch).map_err(TenantError::Invalid)?;
    let mut keys = KeySet::default();
    keys.allow_lifetime(longest_lifetime(&config));
    let mut tenant = Tenant {
        name: check_name(&request.name)?,
        slug: id.as_str().trim_start_matches(TenantId::PREFIX).replace('_', "-"),
        domains: check_domains(registry, &id, &request.domains, authority.is_system)?,
        is_active: true,
        algorithm,
        keys,
        session_epoch: 0,
        retired_issuers: Vec::new(),
        config,
        branding: request.branding,
        messaging,
        frontend_urls: request.frontend_urls,
        custom_payload: request.custom_payload,
        created_by: match authority.actor {
            Actor::User(id) => Some(id.clone()),
            _ => None,
        },
        rp_id: None,
        deleted_at: None,
        id: id.clone(),
    };
    check_parts(&tenant, registry)?;
    // The dear part comes last.
    let usage = (algorithm, KeyUse::Access);
    let (keys, times) = (&tenant.keys, registry.succession());
    let first = keys::service::generate(system, &id, usage, (keys, times), registry.seal()).await?;
    tenant.keys.publish(first, times, system.now());
    let hosts: Vec<String> = tenant.domains.iter().map(|d| d.host.clone()).collect();
    let event =
        Event::new("tenant.created", authority.actor.clone(), id.as_str(), authority.client).effect(system);
    system.records::<Tenant>().insert(tenant, vec![event]).await.map_err(taken)?;
    registry.forget(&id, hosts.iter().map(String::as_str));
    registry.open(&id).await?.ok_or(TenantError::NotFound)
}

/// Reads a tenant's record.
///
/// # Errors
/// [`TenantError::NotFound`].
pub async fn get(registry: &Registry, id: &TenantId) -> Result<Stored<Tenant>, TenantError> {
    registry.system().records::<Tenant>().get(id.as_str()).await?.ok_or(TenantError::NotFound)
}

/// Changes a tenant. With `if_match`, only that revision.
///
/// # Errors
/// See [`TenantError`].
pub async fn update(
    registry: &Registry,
    id: &TenantId,
    request: UpdateTenant,
    if_match: Option<&str>,
    authority: Authority<'_>,
) -> Result<Stored<Tenant>, TenantError> {
    if request.is_active.is_some() && !authority.is_system {
        return Err(TenantError::SystemOnly("is_active"));
    }
    if request.is_active == Some(false) && *id == TenantId::default_tenant() {
        return Err(TenantError::DefaultTenant);
    }
    let prepared = prepare(registry, id, request, authority).await?;
    change(registry, id, if_match, prepared.event.clone(), |old| prepared.apply(registry, old)).await
}

/// Writes a change of a tenant with its event, and makes every instance forget what it knew. With `if_match`, only of
/// that revision.
///
/// # Errors
/// Those of `next`; [`TenantError::NotFound`], [`TenantError::Stale`].
pub async fn change(
    registry: &Registry,
    id: &TenantId,
    if_match: Option<&str>,
    event: Effect,
    mut next: impl FnMut(&Stored<Tenant>) -> Result<Tenant, TenantError>,
) -> Result<Stored<Tenant>, TenantError> {
    let system = registry.system();
    let mut hosts: Vec<String> = Vec::new();
    let changed = system
        .records::<Tenant>()
        .update(id.as_str(), |old| {
            if if_match.is_some_and(|tags| !old.revision.satisfies(tags)) {
                return Err(TenantError::Stale);
            }
            let next = next(old)?;
            hosts = old.domains.iter().chain(&next.domains).map(|d| d.host.clone()).collect();
            let stale = Stale::Tenant { id: id.clone(), hosts: hosts.clone() };
            Ok(Change::Put(next, vec![event.clone(), stale.effect(system)]))
        })
        .await;
    registry.forget(id, hosts.iter().map(String::as_str));
    let changed = changed.map_err(|e| match e {
        TenantError::Storage(e) => taken(e),
        other => other,
    })?;
    changed.ok_or(TenantError::NotFound)
}

/// A change whose slow and fallible parts are done, so that it can be applied purely, again and again.
struct Prepared {
    request: UpdateTenant,
    domains: Option<Vec<Domain>>,
    name: Option<String>,
    key: Option<(Algorithm, keys::TenantKey)>,
    event: Effect,
    is_system: bool,
}

async fn prepare(
    registry: &Registry,
    id: &TenantId,
    mut request: UpdateTenant,
    authority: Authority<'_>,
) -> Result<Prepared, TenantError> {
    let system = registry.system();
    let current = get(registry, id).await?;
    let secrets = registry.seal().derive("tenant-secrets", id.as_str())?;
    for (name, part) in [("config", &mut request.config), ("messaging", &mut request.messaging)] {
        part.as_mut().map_or(Ok(()), |part| seal_part(name, part, &secrets))?;
    }
    let key = match parse_algorithm(request.algorithm.as_deref())? {
        Some(wanted) if current.keys.newest(KeyUse::Access).is_none_or(|k| k.algorithm != wanted) => {
            let (keys, times) = (&current.keys, registry.succession());
            keys.has_room(KeyUse::Access, times, system.now()).map_err(no_room)?;
            let usage = (wanted, KeyUse::Access);
            Some((wanted, keys::service::generate(system, id, usage, (keys, times), registry.seal()).await?))
        }
        _ => None,
    };
    let domains = match &request.domains {
        Some(hosts) => Some(check_domains(registry, id, hosts, authority.is_system)?),
        None => None,
    };
    let name = request.name.as_deref().map(check_name).transpose()?;
    let mut event = Event::new("tenant.updated", authority.actor.clone(), id.as_str(), authority.client);
    if let Some((_, key)) = &key {
        event = event.with("published_key", key.id.as_str());
    }
    if let Some(is_active) = request.is_active {
        event = event.with("is_active", is_active);
    }
    Ok(Prepared { domains, name, key, event: event.effect(system), is_system: authority.is_system, request })
}

impl Prepared {
    fn apply(&self, registry: &Registry, old: &Stored<Tenant>) -> Result<Tenant, TenantError> {
        old.check_alive()?;
        let mut next = old.record.clone();
        let now = registry.system().now();
        if let Some(name) = &self.name {
            next.name.clone_from(name);
        }
        if let Some(patch) = &self.request.config {
            next.config.apply(patch).map_err(TenantError::Invalid)?;
            next.keys.allow_lifetime(longest_lifetime(&next.config));
        }
        if let Some(domains) = &self.domains {
            let until = now.plus_seconds(longest_lifetime(&old.config));
            let domains = domains.iter().map(|domain| kept(old, domain)).collect();
            next.set_domains(domains, registry.base(), until);
        }
        if let Some(is_active) = self.request.is_active {
            // Switching off ends every session, so that switching on again doesn't revive them (ruling D26).
            next.session_epoch += u64::from(old.is_active && !is_active);
            next.is_active = is_active;
        }
        if let Some((algorithm, key)) = &self.key {
            // Another change may have published one while this one was being made.
            let times = registry.succession();
            next.keys.has_room(KeyUse::Access, times, now).map_err(no_room)?;
            next.algorithm = *algorithm;
            let mut key = key.clone();
            key.sign_from = next.keys.sign_from(KeyUse::Access, times, key.published_at);
            next.keys.publish(key, times, now);
        }
        for (target, patch) in [
            (&mut next.branding, &self.request.branding),
            (&mut next.messaging, &self.request.messaging),
            (&mut next.frontend_urls, &self.request.frontend_urls),
            (&mut next.custom_payload, &self.request.custom_payload),
        ] {
            merge(target, patch.clone().unwrap_or_default());
        }
        forget_moved(&old.messaging, &mut next.messaging);
        // Only then: a tenant from before these rules can be renamed and switched off as it is.
        if self.touches_parts() {
            check_parts(&next, registry)?;
        }
        if old.id == TenantId::default_tenant() && !self.is_system {
            check_shared(&old.config, &next.config)?;
        }
        Ok(next)
    }

    fn touches_parts(&self) -> bool {
        let request = &self.request;
        let parts = [
            &request.config,
            &request.branding,
            &request.messaging,
            &request.frontend_urls,
            &request.custom_payload,
        ];
        self.domains.is_some() || parts.iter().any(|part| part.is_some())
    }
}

fn seal_part(name: &str, part: &mut Map<String, Value>, key: &SealingKey) -> Result<(), TenantError> {
    sealed::seal(part, key).map_err(|error| {
        let msg = error.to_string();
        match error {
            SecretError::NotText { path } | SecretError::Reserved { path } => {
                let place: Vec<&str> = [name].into_iter().chain(path.iter().map(String::as_str)).collect();
                invalid_at(&place, msg)
            }
            SecretError::Seal(e) => TenantError::Seal(e),
        }
    })
}

fn no_room(why: NoRoom) -> TenantError {
    TenantError::Taken(why.to_string())
}

pub(super) fn longest_lifetime(config: &Config) -> i64 {
    let settings = config.settings();
    settings.access_timeout.max(settings.refresh_timeout)
}

/// Reads the name of an algorithm.
///
/// # Errors
/// [`TenantError::Invalid`].
pub fn parse_algorithm(text: Option<&str>) -> Result<Option<Algorithm>, TenantError> {
    text.map(|t| t.parse().map_err(|e: JoseError| invalid("algorithm", e.to_string()))).transpose()
}

fn check_name(name: &str) -> Result<String, TenantError> {
    let name = name.trim();
    let fits = (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits { Ok(name.to_owned()) } else { Err(invalid("name", "needs 1 to 100 characters")) }
}

fn taken(error: StorageError) -> TenantError {
    match error {
        StorageError::Exists => TenantError::Taken("A tenant with this id exists".to_owned()),
        StorageError::KeyTaken { key } => TenantError::Taken(match key.split_once(':') {
            Some(("domain", host)) => return TenantError::domain_taken(host),
            _ => "A tenant with this slug exists".to_owned(),
        }),
        other => TenantError::Storage(other),
    }
}
