//! Changes of a tenant's key set: rotation, retirement, emergency revocation. Each is one write of the tenant's record.

use super::{KeyUse, TenantKey, service};
use crate::tenant::audit::Event;
use crate::tenant::registry::Registry;
use crate::tenant::tenants::model::Tenant;
use crate::tenant::tenants::service::{Authority, TenantError, change, get};
use crate::tenant::{Actor, ClientInfo};
use kernel::{Stored, TenantId};
use protocol::jose::Algorithm;

/// Publishes a new key, which signs once verifiers can know it; the one before stays published until the last token it
/// signed has expired.
///
/// # Errors
/// [`TenantError::Taken`] while the newest key waits for its turn, or as many are published as may be.
pub async fn rotate(
    registry: &Registry,
    id: &TenantId,
    algorithm: Option<Algorithm>,
    authority: Authority<'_>,
) -> Result<Stored<Tenant>, TenantError> {
    let current = get(registry, id).await?;
    let algorithm = algorithm.unwrap_or(current.algorithm);
    has_room(registry, &current)?;
    let key = fresh(registry, &current, (algorithm, KeyUse::Access)).await?;
    let event = Event::new("tenant.key_published", authority.actor.clone(), id.as_str(), authority.client)
        .with("published_key", key.id.as_str());
    change(registry, id, None, event.effect(registry.system()), |old| {
        // Another change may have published one while this one was being made.
        has_room(registry, old)?;
        let (mut next, times) = (old.record.clone(), registry.succession());
        next.algorithm = algorithm;
        let sign_from = next.keys.sign_from(KeyUse::Access, times, key.published_at);
        next.keys.publish(TenantKey { sign_from, ..key.clone() }, times, registry.system().now());
        Ok(next)
    })
    .await
}

/// Makes a key leave in order: what has no successor gets one. The last token it signed stays valid.
///
/// # Errors
/// [`TenantError::NotFound`] for a key that isn't published; as [`rotate`].
pub async fn retire(
    registry: &Registry,
    id: &TenantId,
    kid: &str,
    authority: Authority<'_>,
) -> Result<Stored<Tenant>, TenantError> {
    let current = get(registry, id).await?;
    let key = published(registry, &current, kid).ok_or(TenantError::NotFound)?;
    if current.keys.newest(key.usage).is_some_and(|newest| newest.id == key.id) {
        rotate(registry, id, None, authority).await
    } else {
        Ok(current)
    }
}

/// Takes a key away at once, with everything it signed: every session of the tenant whose tokens it signed has to sign in
/// again. Verifiers that keep the key set learn of it when they fetch it next.
///
/// # Errors
/// [`TenantError::NotFound`] for a key that isn't published.
pub async fn revoke(
    registry: &Registry,
    id: &TenantId,
    kid: &str,
    authority: Authority<'_>,
) -> Result<Stored<Tenant>, TenantError> {
    let current = get(registry, id).await?;
    let key = published(registry, &current, kid).ok_or(TenantError::NotFound)?;
    let algorithm = if key.usage == KeyUse::Access { current.algorithm } else { key.algorithm };
    // Whether it is needed shows only while writing, and then there is no time to make it.
    let spare = fresh(registry, &current, (algorithm, key.usage)).await?;
    let event = Event::new("tenant.key_revoked", authority.actor.clone(), id.as_str(), authority.client)
        .with("revoked_key", kid);
    change(registry, id, None, event.effect(registry.system()), |old| {
        let (mut next, now) = (old.record.clone(), registry.system().now());
        let is_gone = next.keys.revoke(kid, spare.clone(), registry.succession(), now);
        if is_gone { Ok(next) } else { Err(TenantError::NotFound) }
    })
    .await
}

/// Makes the tenant's first key for id tokens, if it has none and doesn't sign with the algorithm anyway. It signs at once,
/// for no verifier can know an earlier one.
///
/// # Errors
/// When it can't be made or stored.
pub async fn ensure(registry: &Registry, id: &TenantId, algorithm: Algorithm) -> Result<(), TenantError> {
    // Making an RSA key takes a processor a while: whoever comes meanwhile waits for that one.
    let _turn = registry.making_keys().lock().await;
    let current = get(registry, id).await?;
    let is_there = |tenant: &Tenant| {
        // As of now: another may have made one while this one was being made.
        let now = registry.system().now();
        let signs = |usage| tenant.keys.signer(usage, now).is_some_and(|key| key.algorithm == algorithm);
        signs(KeyUse::Access) || signs(KeyUse::IdToken)
    };
    if is_there(&current) {
        return Ok(());
    }
    let key = fresh(registry, &current, (algorithm, KeyUse::IdToken)).await?;
    let client = ClientInfo::local();
    let event = Event::new("tenant.key_published", Actor::System, id.as_str(), &client)
        .with("published_key", key.id.as_str());
    change(registry, id, None, event.effect(registry.system()), |old| {
        if is_there(old) {
            return Err(TenantError::Taken("The tenant has a key for id tokens".to_owned()));
        }
        let mut next = old.record.clone();
        next.keys.publish(key.clone(), registry.succession(), registry.system().now());
        Ok(next)
    })
    .await
    .map(drop)
    .or_else(|error| if matches!(error, TenantError::Taken(_)) { Ok(()) } else { Err(error) })
}

/// A key that verifiers see.
fn published<'a>(registry: &Registry, tenant: &'a Tenant, kid: &str) -> Option<&'a TenantKey> {
    let (times, now) = (registry.succession(), registry.system().now());
    let mut keys = tenant.keys.keys().iter();
    keys.find(|key| key.id.as_str() == kid && tenant.keys.is_published(key, times, now))
}

fn has_room(registry: &Registry, tenant: &Tenant) -> Result<(), TenantError> {
    let now = registry.system().now();
    let room = tenant.keys.has_room(KeyUse::Access, registry.succession(), now);
    room.map_err(|why| TenantError::Taken(why.to_string()))
}

async fn fresh(
    registry: &Registry,
    tenant: &Tenant,
    what: (Algorithm, KeyUse),
) -> Result<TenantKey, TenantError> {
    let set = (&tenant.keys, registry.succession());
    Ok(service::generate(registry.system(), &tenant.id, what, set, registry.seal()).await?)
}
