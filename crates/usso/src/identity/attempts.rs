//! The budgets of failed attempts, durable.
//!
//! The short one is per identifier and client (ruling D40). A client is an address (an IPv6 /64), or a device that has
//! signed in to this account before. The long one is per account and factor: a hundred failures in a row, wherever they
//! come from, and the factor rests for a day; that keeps even a code of six digits out of reach of somebody with many
//! addresses and much time (NIST SP 800-63B section 3.2.2). Once there are more failures in that row than one client has free, each
//! doubles the pause before the next, up to a quarter of an hour: eighteen tries in the first hour, whoever shares them. A known
//! device has both budgets for itself, so a stranger's guessing never locks its owner out. Only failures count. A budget is read
//! before the secret is checked and again after it matched, so a burst of parallel guesses gains nothing.

use crate::tenant::audit::tally;
use crate::tenant::one_time::OneTime;
use crate::tenant::{ClientInfo, TenantScope};
use kernel::{Change, Effect, StorageError, Timestamp};
use serde_json::json;
use std::net::IpAddr;

/// Failures in a row after which a factor rests.
pub const MAX_IN_A_ROW: u64 = 100;
/// How long it rests, in seconds.
const REST: i64 = 86_400;
/// How long failures are remembered after the last, in seconds.
const REMEMBERED: i64 = 30 * 86_400;

/// Failures in a row without a pause, unless a tenant gives one client more.
const FREE: u64 = 5;
/// The longest pause, in seconds.
const LONGEST_PAUSE: i64 = 900;

/// Two budgets: of an identifier as seen from one client, and of an account's factor.
#[derive(Debug, Clone)]
pub struct Lane {
    id: String,
    factor: String,
}

/// Who is trying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// An address nobody knows.
    Address(IpAddr),
    /// A device that has signed in to this account before.
    Device(String),
}

/// What is being guessed.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The identifier (its unique key).
    pub identifier: &'a str,
    /// The account, if there is one.
    pub account: Option<&'a str>,
    /// The factor.
    pub method: &'a str,
}

impl Lane {
    /// The budgets of a target for a client.
    pub fn of(target: Target<'_>, client: &Client) -> Self {
        let (client, lane) = match client {
            Client::Device(id) => (format!("device:{id}"), format!("device:{id}")),
            Client::Address(ip) => (ClientInfo::network_of(*ip), "strangers".to_owned()),
        };
        // An unknown identifier has the budget an account would have.
        let account = target.account.unwrap_or(target.identifier);
        Self {
            id: OneTime::id_for("attempts", &[target.identifier, &client]),
            factor: OneTime::id_for("in_a_row", &[account, target.method, &lane]),
        }
    }
}

/// Seconds until there is room again, when a budget is used up.
///
/// # Errors
/// When the database is away.
pub async fn exhausted(tenant: &TenantScope, lane: &Lane) -> Result<Option<u64>, StorageError> {
    let limit = u64::from(tenant.profile().settings.login_attempts_limit);
    let (records, now) = (tenant.records::<OneTime>(), tenant.now());
    let of_client = records.get(&lane.id).await?.filter(|budget| failures(budget) >= limit);
    let of_client = of_client.map(|budget| budget.expires_at);
    let in_a_row = records.get(&lane.factor).await?.map(|row| ends(&row, limit));
    let end = of_client.into_iter().chain(in_a_row).max().filter(|end| now < *end);
    Ok(end.map(|end| retry_after(end, now)))
}

/// When the next try of a row of failures may come.
fn ends(row: &OneTime, limit: u64) -> Timestamp {
    let count = failures(row);
    if count >= MAX_IN_A_ROW {
        return row.expires_at;
    }
    let last = row.data.get("last").and_then(serde_json::Value::as_i64).unwrap_or_default();
    Timestamp::from_unix_seconds(last).plus_seconds(pause(count, FREE.max(limit)))
}

/// Seconds between a failure and the next try, when it is the so-manieth in a row and so many are free.
fn pause(count: u64, free: u64) -> i64 {
    match count.checked_sub(free + 1) {
        Some(beyond) => 1i64
            .checked_shl(u32::try_from(beyond).unwrap_or(u32::MAX))
            .map_or(LONGEST_PAUSE, |s| if s <= 0 { LONGEST_PAUSE } else { s.min(LONGEST_PAUSE) }),
        None => 0,
    }
}

/// How often an identifier was failed with from this client lately.
///
/// # Errors
/// When the database is away.
pub async fn lately(tenant: &TenantScope, lane: &Lane) -> Result<u64, StorageError> {
    Ok(tenant.records::<OneTime>().get(&lane.id).await?.map_or(0, |budget| failures(&budget)))
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
    let window = tenant.profile().settings.login_attempts_window;
    let now = tenant.now();
    tally::note(tenant, &failed).await?;
    let events = |count: u64| if count == limit { vec![locked.clone()] } else { Vec::new() };
    let fixed = |old: Option<Timestamp>, _| old.unwrap_or_else(|| now.plus_seconds(window));
    let counted = count(tenant, &lane.id, (events, fixed)).await?;
    let over =
        |(failures, end): (u64, Timestamp), limit: u64| (failures > limit).then(|| retry_after(end, now));
    // The answer to one of a burst beyond the budget says nothing of the guess: it is none in the row.
    if let Some(wait) = over(counted, limit) {
        return Ok(Some(wait));
    }
    let resting = |count: u64| match count == MAX_IN_A_ROW {
        true => vec![locked.clone()],
        false => Vec::new(),
    };
    let rolling = |old: Option<Timestamp>, count: u64| match old {
        Some(end) if count > MAX_IN_A_ROW => end,
        _ if count == MAX_IN_A_ROW => now.plus_seconds(REST),
        _ => now.plus_seconds(REMEMBERED),
    };
    let in_a_row = count(tenant, &lane.factor, (resting, rolling)).await?;
    Ok(over(in_a_row, MAX_IN_A_ROW))
}

/// One more failure in a budget: how many there are now, and until when they count.
async fn count(
    tenant: &TenantScope,
    id: &str,
    (events, end): (impl Fn(u64) -> Vec<Effect>, impl Fn(Option<Timestamp>, u64) -> Timestamp),
) -> Result<(u64, Timestamp), StorageError> {
    let (records, last) = (tenant.records::<OneTime>(), tenant.now().unix_seconds());
    let data = |failures: u64| json!({ "failures": failures, "last": last });
    let first = OneTime { id: id.to_owned(), data: data(1), expires_at: end(None, 1) };
    let ends = first.expires_at;
    match records.insert(first, events(1)).await {
        Ok(_) => return Ok((1, ends)),
        Err(StorageError::Exists) => {}
        Err(e) => return Err(e),
    }
    let counted = records
        .update::<StorageError>(id, |old| {
            let count = failures(old) + 1;
            let next = OneTime {
                id: id.to_owned(),
                data: data(count),
                expires_at: end(Some(old.expires_at), count),
            };
            Ok(Change::Put(next, events(count)))
        })
        .await?;
    // None: the window ended between the two steps, and a fresh one has room.
    Ok(counted.map_or((1, ends), |budget| (failures(&budget), budget.expires_at)))
}

/// Where failures come from that belong to no account.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// What they are failures of.
    pub purpose: &'static str,
    /// The address.
    pub ip: IpAddr,
    /// How many there may be …
    pub limit: u64,
    /// … within this many seconds.
    pub window: i64,
}

impl Source {
    fn id(&self) -> String {
        OneTime::id_for(self.purpose, &[&ClientInfo::network_of(self.ip)])
    }
}

/// Seconds until a source may fail again, when it has had as many failures as it may.
///
/// # Errors
/// When the database is away.
pub async fn spent(tenant: &TenantScope, source: &Source) -> Result<Option<u64>, StorageError> {
    let budget = tenant.records::<OneTime>().get(&source.id()).await?;
    let spent = budget.filter(|budget| failures(budget) >= source.limit);
    Ok(spent.map(|budget| retry_after(budget.expires_at, tenant.now())))
}

/// Counts a failure of a source. Answers the seconds until it may fail again when it has had as many as it may; those
/// beyond are not written. `spent`: the event of the last one.
///
/// # Errors
/// When the database is away.
pub async fn spend(
    tenant: &TenantScope,
    source: &Source,
    spent: Effect,
) -> Result<Option<u64>, StorageError> {
    let now = tenant.now();
    if let Some(wait) = self::spent(tenant, source).await? {
        return Ok(Some(wait));
    }
    let events = |count: u64| if count == source.limit { vec![spent.clone()] } else { Vec::new() };
    let fixed = |old: Option<Timestamp>, _| old.unwrap_or_else(|| now.plus_seconds(source.window));
    match count(tenant, &source.id(), (events, fixed)).await {
        // Many at once: they are being counted.
        Ok(_) | Err(StorageError::Contended) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A success ends the row of failures.
///
/// # Errors
/// When the database is away.
pub async fn succeeded(tenant: &TenantScope, lane: &Lane) -> Result<(), StorageError> {
    let records = tenant.records::<OneTime>();
    let Some(budget) = records.get(&lane.factor).await? else { return Ok(()) };
    match records.delete(&budget, Vec::new()).await {
        // Failures that came in meanwhile stay.
        Ok(()) | Err(StorageError::Conflict) => Ok(()),
        Err(e) => Err(e),
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

    fn lane(ip: &str) -> Lane {
        let target = Target { identifier: "email:a@b.c", account: Some("user:a"), method: "password" };
        Lane::of(target, &Client::Address(ip.parse().unwrap()))
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        assert_eq!(lane("2001:db8:1:2::1").id, lane("2001:db8:1:2:ffff::9").id);
        assert_ne!(lane("2001:db8:1:2::1").id, lane("2001:db8:1:3::1").id);
        assert_eq!(lane("::ffff:10.0.0.1").id, lane("10.0.0.1").id);
        assert_ne!(lane("10.0.0.2").id, lane("10.0.0.1").id);
    }

    #[test]
    fn pw_08_the_pause_doubles_to_a_quarter_of_an_hour() {
        let pauses: Vec<i64> = (1..=20).map(|count| pause(count, FREE)).collect();
        let doubling = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
        assert_eq!(pauses[..5], [0; 5]);
        assert_eq!(pauses[5..15], doubling);
        assert_eq!(pauses[15..], [LONGEST_PAUSE; 5]);
        assert_eq!(pause(u64::MAX, FREE), LONGEST_PAUSE);
        // Tries within a time: 18 in the first hour; of a day's, the stop at 100 comes first.
        let within = |seconds: i64| {
            let (mut tries, mut at) = (0, 0);
            while at <= seconds {
                tries += 1;
                at += pause(tries, FREE);
            }
            tries
        };
        assert_eq!(within(3_600), 18);
        assert!(within(86_400) > MAX_IN_A_ROW && within(86_400) < 112);
        // A tenant that gives one client more free ones gives the row as many.
        assert_eq!((pause(50, 50), pause(51, 50)), (0, 1));
    }

    #[test]
    fn strangers_share_the_long_budget() {
        assert_eq!(lane("10.0.0.2").factor, lane("10.0.0.1").factor);
    }

    #[test]
    fn a_lane_id_holds_no_address() {
        let id = lane("10.0.0.1").id;
        assert!(!id.contains("10.0.0.1") && !id.contains("a@b.c"));
    }
}
