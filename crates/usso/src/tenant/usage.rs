//! How often a tenant is asked: counted in memory, written from time to time, a record for each day.

use kernel::{Change, Record, Scope, StorageError, Stored, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How long a day's count is kept, in days.
const KEPT: i64 = 90;

const DAY: i64 = 86_400;

/// The requests of one day (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantUsage {
    /// The day: `2027-01-15`.
    pub id: String,
    /// How many requests named the tenant, whatever became of them.
    pub requests: u64,
    /// When this is forgotten.
    pub expires_at: Timestamp,
}

impl Record for TenantUsage {
    const KIND: &'static str = "tenant_usage";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// The day of a time.
pub fn day(at: Timestamp) -> String {
    at.to_rfc3339().chars().take(10).collect()
}

/// The requests of each tenant that are not written yet.
#[derive(Debug, Default)]
pub struct Requests {
    tenants: Mutex<HashMap<TenantId, Arc<AtomicU64>>>,
}

impl Requests {
    /// A tenant's counter.
    pub fn of(&self, tenant: &TenantId) -> Arc<AtomicU64> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.entry(tenant.clone()).or_default().clone()
    }

    /// Takes what was counted, to write it, and lets go of tenants nobody has open.
    pub fn take(&self) -> Vec<(TenantId, u64)> {
        let mut counted = Vec::new();
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, counter| {
            let count = counter.swap(0, Ordering::Relaxed);
            if count > 0 {
                counted.push((id.clone(), count));
            }
            count > 0 || Arc::strong_count(counter) > 1
        });
        counted
    }
}

/// Adds to what was written of a tenant's requests today.
///
/// # Errors
/// When the database is away.
pub async fn write(tenant: &Scope, requests: u64) -> Result<(), StorageError> {
    let (records, now) = (tenant.records::<TenantUsage>(), tenant.now());
    let today = TenantUsage { id: day(now), requests, expires_at: now.plus_seconds(KEPT * DAY) };
    let add = |old: &Stored<TenantUsage>| {
        let requests = old.requests.saturating_add(requests);
        Ok(Change::Put(TenantUsage { requests, ..old.record.clone() }, Vec::new()))
    };
    if records.update::<StorageError>(&today.id, add).await?.is_some() {
        return Ok(());
    }
    match records.insert(today.clone(), Vec::new()).await {
        // Another instance was first.
        Err(StorageError::Exists) => records.update::<StorageError>(&today.id, add).await.map(drop),
        written => written.map(drop),
    }
}
