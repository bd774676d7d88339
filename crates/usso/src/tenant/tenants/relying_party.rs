//! A tenant as a relying party of Web Authentication (Level 3): the RP id its passkeys are made for, and the origins they
//! may be used at.
//!
//! The id is the host of the first registration and stays (ruling D30): a passkey can't be moved to another. The tenant's
//! other domains work through related origins (§5.11), which browsers read at the RP id's `/.well-known/webauthn`.

use super::model::Tenant;
use super::service::TenantError;
use crate::tenant::TenantScope;
use crate::tenant::audit::Event;
use crate::tenant::coherence::Stale;
use crate::tenant::issuer::Addressed;
use crate::tenant::registry::Registry;
use crate::tenant::{Actor, ClientInfo};
use kernel::Change;
use std::net::Ipv4Addr;

/// The RP id of a tenant: the one that was settled, or what it will be if somebody registers a passkey now. None for a
/// tenant that is reached at addresses only, which can't be one (§5.1.2, "effective domain").
pub fn rp_id(tenant: &TenantScope, addressed: &Addressed) -> Option<String> {
    let record = &tenant.profile().tenant;
    if let Some(settled) = &record.rp_id {
        return Some(settled.clone());
    }
    let own = record.domains.iter().filter(|d| d.is_proven).map(|d| d.host.as_str());
    let asked = match addressed {
        Addressed::Host(host) => Some(&**host),
        Addressed::Path | Addressed::Header => None,
    };
    asked.into_iter().chain(own).find(|host| is_name(host)).map(str::to_owned)
}

/// Whether a host is a name and no address.
fn is_name(host: &str) -> bool {
    !host.starts_with('[') && host.parse::<Ipv4Addr>().is_err()
}

/// Settles the RP id: the first one stays. Answers the one that holds.
///
/// # Errors
/// [`TenantError::NotFound`], and when the database refuses.
pub async fn settle(
    registry: &Registry,
    tenant: &TenantScope,
    wanted: &str,
    (actor, client): (&Actor, &ClientInfo),
) -> Result<String, TenantError> {
    if let Some(settled) = &tenant.profile().tenant.rp_id {
        return Ok(settled.clone());
    }
    let (system, id) = (registry.system(), tenant.id());
    let event = Event::new("tenant.rp_id_settled", actor.clone(), id.as_str(), client).with("rp_id", wanted);
    let event = event.effect(system);
    let mut hosts: Vec<String> = Vec::new();
    let settled = system
        .records::<Tenant>()
        .update::<TenantError>(id.as_str(), |old| {
            if old.rp_id.is_some() {
                return Ok(Change::Keep);
            }
            hosts = old.domains.iter().map(|d| d.host.clone()).collect();
            let stale = Stale::Tenant { id: id.clone(), hosts: hosts.clone() };
            let next = Tenant { rp_id: Some(wanted.to_owned()), ..old.record.clone() };
            Ok(Change::Put(next, vec![event.clone(), stale.effect(system)]))
        })
        .await;
    registry.forget(id, hosts.iter().map(String::as_str));
    let settled = settled?.ok_or(TenantError::NotFound)?;
    settled.record.rp_id.ok_or(TenantError::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_no_relying_party() {
        assert!(is_name("localhost") && is_name("a.example"));
        assert!(!is_name("127.0.0.1") && !is_name("[::1]"));
    }
}
