//! The end of a tenant: switched off at once, restorable for [`GRACE_DAYS`], then gone with everything in it.

use super::model::Tenant;
use super::service::{Authority, TenantError, change};
use crate::tenant::audit::Event;
use crate::tenant::coherence::Stale;
use crate::tenant::registry::Registry;
use crate::tenant::{Actor, ClientInfo};
use kernel::{Query, Record, StorageError, Stored, TagMatch, TenantId};

/// How long a deleted tenant can be restored, in days.
pub const GRACE_DAYS: i64 = 30;

const DAY: i64 = 86_400;

/// How many records are removed in one write, so that others' writes needn't wait long.
const AT_ONCE: u32 = 500;

/// How many deleted tenants are looked at together.
const PAGE: u32 = 100;

/// Deletes a tenant: it is served no more, and its sessions end. Its names stay its own until the grace is over.
///
/// # Errors
/// [`TenantError::DefaultTenant`]; [`TenantError::NotFound`], also for one that is deleted already.
pub async fn delete(
    registry: &Registry,
    id: &TenantId,
    if_match: Option<&str>,
    authority: Authority<'_>,
) -> Result<Stored<Tenant>, TenantError> {
    if *id == TenantId::default_tenant() {
        return Err(TenantError::DefaultTenant);
    }
    let event = Event::new("tenant.deleted", authority.actor.clone(), id.as_str(), authority.client);
    change(registry, id, if_match, event.effect(registry.system()), |old| {
        if old.deleted_at.is_some() {
            return Err(TenantError::NotFound);
        }
        let (deleted_at, session_epoch) = (Some(registry.system().now()), old.session_epoch + 1);
        Ok(Tenant { is_active: false, session_epoch, deleted_at, ..old.record.clone() })
    })
    .await
}

/// Takes a deletion back while the grace lasts. The sessions stay ended.
///
/// # Errors
/// [`TenantError::NotFound`]; [`TenantError::Taken`] for a tenant that isn't deleted.
pub async fn restore(
    registry: &Registry,
    id: &TenantId,
    authority: Authority<'_>,
) -> Result<Stored<Tenant>, TenantError> {
    let event = Event::new("tenant.restored", authority.actor.clone(), id.as_str(), authority.client);
    change(registry, id, None, event.effect(registry.system()), |old| match old.deleted_at {
        None => Err(TenantError::Taken("The tenant is not deleted".to_owned())),
        // It may be half gone already.
        Some(_) if is_due(registry, old) => Err(TenantError::NotFound),
        // The beginning of an import, not a tenant.
        Some(_) if old.keys.keys().is_empty() => Err(TenantError::NotFound),
        Some(_) => Ok(Tenant { is_active: true, deleted_at: None, ..old.record.clone() }),
    })
    .await
}

fn is_due(registry: &Registry, tenant: &Tenant) -> bool {
    let end = tenant.deleted_at.map(|at| at.plus_seconds(GRACE_DAYS * DAY));
    end.is_some_and(|end| end <= registry.system().now())
}

/// Removes the tenants whose grace is over, with all their records; the tenant's own record goes last, so that whatever
/// stops this in the middle, it goes on the next time. Events still to be carried out should have been.
///
/// # Errors
/// When the database is away.
pub async fn bury(registry: &Registry) -> Result<(), StorageError> {
    let system = registry.system();
    let mut query = Query::all(Tenant::KIND).with_all(vec![TagMatch::Is(Tenant::DELETED.to_owned())]);
    query.limit = PAGE;
    loop {
        let page = system.records::<Tenant>().page(query.clone()).await?.items;
        for tenant in &page {
            if is_due(registry, tenant) {
                remove(registry, tenant).await?;
            } else {
                query.offset += 1;
            }
        }
        if page.len() < PAGE as usize {
            return Ok(());
        }
    }
}

async fn remove(registry: &Registry, tenant: &Stored<Tenant>) -> Result<(), StorageError> {
    let system = registry.system();
    while system.drop_tenant(&tenant.id, AT_ONCE).await? > 0 {
        tokio::task::yield_now().await;
    }
    let client = ClientInfo::local();
    let event = Event::new("tenant.removed", Actor::System, tenant.id.as_str(), &client).effect(system);
    let hosts = tenant.domains.iter().map(|d| d.host.clone()).collect();
    let stale = Stale::Tenant { id: tenant.id.clone(), hosts }.effect(system);
    system.records::<Tenant>().delete(tenant, vec![event, stale]).await?;
    registry.forget(&tenant.id, tenant.domains.iter().map(|d| d.host.as_str()));
    tracing::info!(tenant = %tenant.id, "a deleted tenant was removed");
    Ok(())
}
