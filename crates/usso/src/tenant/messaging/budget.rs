//! How many messages are sent: each costs money and patience.
//!
//! Per identifier and kind of message there is a pause between two, and a few in a window (ruling D40); per client and per
//! tenant there are budgets for whoever asks for many. All of them are durable and count whether the account exists or not.

use crate::tenant::one_time::OneTime;
use crate::tenant::{ClientInfo, TenantScope};
use kernel::{Change, StorageError, Timestamp};
use serde_json::json;
use std::net::IpAddr;

/// Seconds between two messages of a kind to one identifier.
pub const PAUSE: i64 = 60;
/// Messages to one identifier …
const PER_IDENTIFIER: u64 = 3;
/// … and messages one client may ask for …
const PER_CLIENT: u64 = 20;
/// … in so many seconds.
const WINDOW: i64 = 300;
const DAY: i64 = 86_400;

/// Takes one message out of the budgets: seconds to wait when there is none.
///
/// # Errors
/// When the database is away.
pub async fn take(
    tenant: &TenantScope,
    (kind, identifier): (&str, &str),
    client: IpAddr,
) -> Result<Option<u64>, StorageError> {
    let per_day = tenant.profile().settings.messages_per_day;
    let client = ClientInfo::network_of(client);
    let budgets = [
        (OneTime::id_for("message_pause", &[kind, identifier]), 1, PAUSE),
        (OneTime::id_for("messages_to", &[identifier]), PER_IDENTIFIER, WINDOW),
        (OneTime::id_for("messages_of", &[&client]), PER_CLIENT, WINDOW),
        (OneTime::id_for("messages_per_day", &[]), per_day, DAY),
    ];
    for (id, limit, window) in &budgets {
        if let Some(wait) = spend(tenant, id, (*limit, *window)).await? {
            return Ok(Some(wait));
        }
    }
    Ok(None)
}

/// One more in a budget that may hold so many in so many seconds.
async fn spend(
    tenant: &TenantScope,
    id: &str,
    (limit, window): (u64, i64),
) -> Result<Option<u64>, StorageError> {
    let (records, now) = (tenant.records::<OneTime>(), tenant.now());
    let first =
        OneTime { id: id.to_owned(), data: json!({ "spent": 1 }), expires_at: now.plus_seconds(window) };
    match records.insert(first, Vec::new()).await {
        Ok(_) => return Ok(None),
        Err(StorageError::Exists) => {}
        Err(e) => return Err(e),
    }
    let mut wait = None;
    records
        .update::<StorageError>(id, |old| {
            let spent = old.data.get("spent").and_then(serde_json::Value::as_u64).unwrap_or(0);
            if spent >= limit {
                wait = Some(remaining(old.expires_at, now));
                return Ok(Change::Keep);
            }
            wait = None;
            let next = OneTime { data: json!({ "spent": spent + 1 }), ..old.record.clone() };
            Ok(Change::Put(next, Vec::new()))
        })
        .await?;
    Ok(wait)
}

fn remaining(end: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(end.seconds_since(now) + 1).unwrap_or(1)
}
