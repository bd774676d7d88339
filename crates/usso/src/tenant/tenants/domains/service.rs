//! Adding, proving and removing domains.
//!
//! A domain the system administrator adds counts at once. One a tenant's administrator adds reserves nothing and resolves
//! nothing until they have shown that they control it: by a TXT record or a file with a text that was made for this
//! tenant. Whoever proves it first has it.

use super::schema::Method;
use crate::tenant::audit::Event;
use crate::tenant::domain::normalise_host;
use crate::tenant::registry::Registry;
use crate::tenant::tenants::model::{Domain, Tenant};
use crate::tenant::tenants::parts::check_parts;
use crate::tenant::tenants::service::{Authority, TenantError, change, get, invalid, longest_lifetime};
use kernel::{Internet, Stored, TenantId};
use protocol::b64url;
use std::time::Duration;

/// Most domains a tenant may have.
const MAX_DOMAINS: usize = 50;

/// How often a tenant may have proofs looked for …
const MAX_LOOKS: u64 = 60;
/// … in this time.
const LOOKS_IN: Duration = Duration::from_secs(3600);

/// What proves a domain, and where it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The name of the TXT record.
    pub record: String,
    /// The path of the file.
    pub path: String,
    /// What either holds.
    pub content: String,
}

impl Proof {
    /// What proves this domain of this tenant; none is needed any more for one that is proven.
    pub fn of(tenant: &Tenant, domain: &Domain) -> Option<Self> {
        let challenge = domain.challenge.as_ref().filter(|_| !domain.is_proven)?;
        Some(Self {
            record: format!("_usso-challenge.{}", domain.host),
            path: format!("/.well-known/usso-domain-verification/{}", tenant.id),
            content: format!("usso-domain-verification={challenge}"),
        })
    }

    async fn is_given(&self, internet: &dyn Internet, host: &str, method: Method) -> bool {
        match method {
            Method::Dns => internet.txt(&self.record).await.iter().any(|text| text.trim() == self.content),
            Method::Http => internet.file(host, &self.path).await.is_some_and(|t| t.trim() == self.content),
        }
    }
}

/// Reads the host names a tenant shall have.
///
/// # Errors
/// [`TenantError::Invalid`]; [`TenantError::Taken`] for the installation's own.
pub fn check_domains(
    registry: &Registry,
    id: &TenantId,
    hosts: &[String],
    is_system: bool,
) -> Result<Vec<Domain>, TenantError> {
    if hosts.len() > MAX_DOMAINS {
        return Err(too_many());
    }
    let mut domains: Vec<Domain> = Vec::new();
    for host in hosts {
        let domain = check_domain(registry, id, ("domains", host), is_system)?;
        if !domains.iter().any(|d| d.host == domain.host) {
            domains.push(domain);
        }
    }
    Ok(domains)
}

fn too_many() -> TenantError {
    invalid("domains", format!("at most {MAX_DOMAINS}"))
}

fn check_domain(
    registry: &Registry,
    id: &TenantId,
    (field, host): (&str, &str),
    is_system: bool,
) -> Result<Domain, TenantError> {
    let host = normalise_host(host).map_err(|e| invalid(field, format!("{host:?} is {e}")))?.into_owned();
    if host == registry.base().host() && *id != TenantId::default_tenant() {
        return Err(TenantError::domain_taken(&host));
    }
    let challenge = (!is_system).then(|| b64url::encode(registry.system().token::<24>()));
    Ok(Domain { host, is_proven: is_system, challenge })
}

/// A domain as it shall be, given what it was: what is proven stays proven, and a challenge stays what it is, for it may
/// have been published.
pub fn kept(old: &Tenant, domain: &Domain) -> Domain {
    let known = old.domains.iter().find(|d| d.host == domain.host);
    match known {
        Some(known) if !domain.is_proven && (known.is_proven || known.challenge.is_some()) => known.clone(),
        _ => domain.clone(),
    }
}

/// Adds a domain. One that is there already stays as it is.
///
/// # Errors
/// [`TenantError::Taken`] for one that another tenant has proven; [`TenantError::Invalid`].
pub async fn add(
    registry: &Registry,
    id: &TenantId,
    host: &str,
    authority: Authority<'_>,
) -> Result<(Stored<Tenant>, String), TenantError> {
    let domain = check_domain(registry, id, ("domain", host), authority.is_system)?;
    let owner = registry.system().records::<Tenant>().find(&Tenant::domain_key(&domain.host)).await?;
    if owner.is_some_and(|owner| owner.id != *id) {
        return Err(TenantError::domain_taken(&domain.host));
    }
    let event = Event::new("tenant.domain_added", authority.actor.clone(), id.as_str(), authority.client)
        .with("domain", domain.host.as_str())
        .with("is_verified", authority.is_system);
    let changed = change(registry, id, None, event.effect(registry.system()), |old| {
        old.check_alive()?;
        let mut next = old.record.clone();
        match next.domains.iter_mut().find(|d| d.host == domain.host) {
            Some(known) => *known = kept(old, &domain),
            None if old.domains.len() >= MAX_DOMAINS => return Err(too_many()),
            None => next.domains.push(domain.clone()),
        }
        next.welcome_back(registry.base());
        Ok(next)
    });
    Ok((changed.await?, domain.host))
}

/// Looks for the proof of a domain; once it is given, the domain resolves to the tenant.
///
/// # Errors
/// [`TenantError::NotFound`] for a domain the tenant hasn't added; [`TenantError::NotProven`];
/// [`TenantError::Taken`] when another tenant was first.
pub async fn verify(
    registry: &Registry,
    internet: &dyn Internet,
    (id, host): (&TenantId, &str),
    method: Option<Method>,
    authority: Authority<'_>,
) -> Result<(Stored<Tenant>, String), TenantError> {
    let host = normalise_host(host).map_err(|_| TenantError::NotFound)?.into_owned();
    let tenant = get(registry, id).await?;
    tenant.check_alive()?;
    let domain = tenant.domains.iter().find(|d| d.host == host).ok_or(TenantError::NotFound)?;
    let Some(proof) = Proof::of(&tenant, domain) else {
        return if domain.is_proven { Ok((tenant, host)) } else { Err(TenantError::NotProven) };
    };
    let looks = registry.system().increment(&format!("domain-proof:{id}"), LOOKS_IN).await;
    if looks.is_ok_and(|looks| looks > MAX_LOOKS) {
        return Err(TenantError::TooManyLooks { retry_after: LOOKS_IN.as_secs() });
    }
    let mut given = None;
    for method in method.map_or(vec![Method::Dns, Method::Http], |method| vec![method]) {
        if proof.is_given(internet, &host, method).await {
            given = Some(method);
            break;
        }
    }
    let method = given.ok_or(TenantError::NotProven)?;
    let event = Event::new("tenant.domain_verified", authority.actor.clone(), id.as_str(), authority.client)
        .with("domain", host.as_str())
        .with("method", method.as_str());
    let changed = change(registry, id, None, event.effect(registry.system()), |old| {
        old.check_alive()?;
        let mut next = old.record.clone();
        // What was proven is this challenge: meanwhile the domain may have been removed, and added again by others.
        let proven = next.domains.iter_mut().find(|d| d.host == host && d.challenge == domain.challenge);
        let proven = proven.ok_or(TenantError::NotFound)?;
        (proven.is_proven, proven.challenge) = (true, None);
        next.welcome_back(registry.base());
        Ok(next)
    });
    Ok((changed.await?, host))
}

/// Removes a domain. What was issued under it stays good until it ends by itself.
///
/// # Errors
/// [`TenantError::NotFound`].
pub async fn remove(
    registry: &Registry,
    (id, host): (&TenantId, &str),
    authority: Authority<'_>,
) -> Result<(Stored<Tenant>, Domain), TenantError> {
    let host = normalise_host(host).map_err(|_| TenantError::NotFound)?.into_owned();
    let event = Event::new("tenant.domain_removed", authority.actor.clone(), id.as_str(), authority.client)
        .with("domain", host.as_str());
    let mut removed = None;
    let changed = change(registry, id, None, event.effect(registry.system()), |old| {
        old.check_alive()?;
        removed = old.domains.iter().find(|d| d.host == host).cloned();
        if removed.is_none() {
            return Err(TenantError::NotFound);
        }
        let mut next = old.record.clone();
        let rest = old.domains.iter().filter(|d| d.host != host).cloned().collect();
        let until = registry.system().now().plus_seconds(longest_lifetime(&old.config));
        next.set_domains(rest, registry.base(), until);
        check_parts(&next, registry)?;
        Ok(next)
    });
    let tenant = changed.await?;
    Ok((tenant, removed.ok_or(TenantError::NotFound)?))
}
