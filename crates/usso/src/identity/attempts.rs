//! The budget of failed sign-ins (ruling D40): per identifier and client, durable.
//!
//! A client is an address (an IPv6 /64), or a device that has signed in to this account before. A known device has
//! its own budget, so a stranger's guessing never locks its owner out. Only failures count. The budget is read before
//! the secret is checked and again after it matched, so a burst of parallel guesses gains nothing.

use crate::tenant::audit::tally;
use crate::tenant::one_time::OneTime;
use crate::tenant::{ClientInfo, TenantScope};
use kernel::{Change, Effect, StorageError, Timestamp};
use serde_json::json;
use std::net::IpAddr;

const MINUTE: i64 = 60;

/// One budget: an identifier as seen from one client.
#[derive(Debug, Clone)]
pub struct Lane {
    id: String,
}

/// Who is trying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// An address nobody knows.
    Address(IpAddr),
    /// A device that has signed in to this account before.
    Device(String),
}

impl Lane {
    /// The budget of an identifier (its unique key) for a client.
    pub fn of(identifier: &str, client: &Client) -> Self {
        let client = match client {
            Client::Device(id) => format!("device:{id}"),
            Client::Address(ip) => ClientInfo::network_of(*ip),
        };
        Self { id: OneTime::id_for("attempts", &[identifier, &client]) }
    }
}

/// Seconds until the budget is fresh again, when it is used up.
///
/// # Errors
/// When the database is away.
pub async fn exhausted(tenant: &TenantScope, lane: &Lane) -> Result<Option<u64>, StorageError> {
    let Some(budget) = tenant.records::<OneTime>().get(&lane.id).await? else { return Ok(None) };
    let limit = u64::from(tenant.profile().settings.login_attempts_limit);
    let is_spent = failures(&budget) >= limit;
    Ok(is_spent.then(|| retry_after(budget.expires_at, tenant.now())))
}

/// Writes the event of a failure, which may be one of many, and counts it, with the event that tells of the last one the
/// budget allows. Answers the seconds until the budget is fresh, when this failure was more than it allows.
///
/// # Errors
/// When the database is away.
pub async fn record_failure(
    tenant: &TenantScope,
    lane: &Lane,
    (failed, locked): (Effect, Effect),
) -> Result<Option<u64>, StorageError> {
    let limit = u64::from(tenant.profile().settings.login_attempts_limit);
    tally::note(tenant, &failed).await?;
    let events = |count: u64| if count == limit { vec![locked.clone()] } else { Vec::new() };
    let records = tenant.records::<OneTime>();
    let window = tenant.profile().settings.login_attempts_window;
    let first = OneTime {
        id: lane.id.clone(),
        data: json!({ "failures": 1 }),
        expires_at: tenant.now().plus_seconds(window),
    };
    match records.insert(first, events(1)).await {
        Ok(_) => return Ok(None),
        Err(StorageError::Exists) => {}
        Err(e) => return Err(e),
    }
    let counted = records
        .update::<StorageError>(&lane.id, |old| {
            let count = failures(old) + 1;
            let data = json!({ "failures": count });
            Ok(Change::Put(OneTime { data, ..old.record.clone() }, events(count)))
        })
        .await?;
    // None: the window ended between the two steps, and a fresh one has room.
    let over = counted.filter(|budget| failures(budget) > limit);
    Ok(over.map(|budget| retry_after(budget.expires_at, tenant.now())))
}

/// Where failures come from that belong to no account.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// What they are failures of.
    pub purpose: &'static str,
    /// The address.
    pub ip: IpAddr,
    /// How many there may be in a minute.
    pub limit: u64,
}

/// Counts a failure of a source. Answers the seconds until the next minute when it has had as many as it may; those
/// beyond are not written. `spent`: the event of the last one.
///
/// # Errors
/// When the database is away.
pub async fn spend(
    tenant: &TenantScope,
    source: &Source,
    spent: Effect,
) -> Result<Option<u64>, StorageError> {
    let id = OneTime::id_for(source.purpose, &[&ClientInfo::network_of(source.ip)]);
    let records = tenant.records::<OneTime>();
    let now = tenant.now();
    if let Some(budget) = records.get(&id).await?
        && failures(&budget) >= source.limit
    {
        return Ok(Some(retry_after(budget.expires_at, now)));
    }
    let first =
        OneTime { id: id.clone(), data: json!({ "failures": 1 }), expires_at: now.plus_seconds(MINUTE) };
    match records.insert(first, Vec::new()).await {
        Err(StorageError::Exists) => {}
        written => return written.map(|_| None),
    }
    let counted = records.update::<StorageError>(&id, |old| {
        let count = failures(old) + 1;
        let effects = if count == source.limit { vec![spent.clone()] } else { Vec::new() };
        Ok(Change::Put(OneTime { data: json!({ "failures": count }), ..old.record.clone() }, effects))
    });
    match counted.await {
        // Many at once: they are being counted.
        Ok(_) | Err(StorageError::Contended) => Ok(None),
        Err(error) => Err(error),
    }
}

fn failures(budget: &OneTime) -> u64 {
    budget.data.get("failures").and_then(serde_json::Value::as_u64).unwrap_or(0)
}

fn retry_after(end: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(end.seconds_since(now) + 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(ip: &str) -> String {
        Lane::of("email:a@b.c", &Client::Address(ip.parse().unwrap())).id
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        assert_eq!(lane("2001:db8:1:2::1"), lane("2001:db8:1:2:ffff::9"));
        assert_ne!(lane("2001:db8:1:2::1"), lane("2001:db8:1:3::1"));
        assert_eq!(lane("::ffff:10.0.0.1"), lane("10.0.0.1"));
        assert_ne!(lane("10.0.0.2"), lane("10.0.0.1"));
    }

    #[test]
    fn a_lane_id_holds_no_address() {
        assert!(!lane("10.0.0.1").contains("10.0.0.1") && !lane("10.0.0.1").contains("a@b.c"));
    }
}
