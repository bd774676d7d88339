//! What one process remembers of API keys: the keys in use, and how often they were used since that was last written.

use super::model::{ApiKey, ApiKeyUsage, secret_key};
use super::secret::Digest;
use crate::tenant::TenantScope;
use kernel::cache::Cache;
use kernel::{KeyId, StorageError, Stored, TenantId, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many keys are kept.
const CACHED: usize = 20_000;

type Place = (TenantId, KeyId);

/// The keys in use.
pub struct ApiKeys {
    /// Which key has which digest. That never changes; whether the key still exists, `keys` knows.
    ids: Cache<(TenantId, Digest), KeyId>,
    keys: Cache<Place, Arc<Stored<ApiKey>>>,
    used: Mutex<HashMap<Place, ApiKeyUsage>>,
}

impl Default for ApiKeys {
    fn default() -> Self {
        Self { ids: Cache::new(CACHED), keys: Cache::new(CACHED), used: Mutex::default() }
    }
}

impl ApiKeys {
    /// The key with this digest, from memory if that counts.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find(
        &self,
        tenant: &TenantScope,
        digest: &Digest,
        memory_counts: bool,
    ) -> Result<Option<Arc<Stored<ApiKey>>>, StorageError> {
        let place = (tenant.id().clone(), *digest);
        if let Some(id) = self.ids.get(&place) {
            return self.get(tenant, &id, memory_counts).await;
        }
        let stamp = self.ids.stamp(&place);
        let Some(key) = tenant.records::<ApiKey>().find(&secret_key(digest)).await? else { return Ok(None) };
        self.ids.insert(place, key.id.clone(), stamp);
        Ok(Some(Arc::new(key)))
    }

    /// A key by its id, from memory if that counts.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn get(
        &self,
        tenant: &TenantScope,
        id: &KeyId,
        memory_counts: bool,
    ) -> Result<Option<Arc<Stored<ApiKey>>>, StorageError> {
        let place = (tenant.id().clone(), id.clone());
        if memory_counts && let Some(key) = self.keys.get(&place) {
            return Ok(Some(key));
        }
        let stamp = self.keys.stamp(&place);
        let Some(key) = tenant.records::<ApiKey>().get(id.as_str()).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.keys.insert(place, key.clone(), stamp);
        Ok(Some(key))
    }

    /// Forgets a key.
    pub fn drop_key(&self, tenant: &TenantId, id: &KeyId) {
        self.keys.invalidate(&(tenant.clone(), id.clone()));
    }

    /// Forgets all keys, but not how often they were used.
    pub fn clear(&self) {
        self.ids.clear();
        self.keys.clear();
    }

    /// Counts a use.
    pub fn count(&self, tenant: &TenantId, id: &KeyId, now: Timestamp) {
        let use_now = ApiKeyUsage { id: id.clone(), count: 1, last_used_at: now };
        self.count_back((tenant.clone(), id.clone()), &use_now);
    }

    /// Takes what was counted, to write it.
    pub fn take_counts(&self) -> Vec<(Place, ApiKeyUsage)> {
        std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }

    /// Puts a count back that could not be written.
    pub fn count_back(&self, place: Place, usage: &ApiKeyUsage) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.entry(place).and_modify(|u| *u = u.plus(usage)).or_insert_with(|| usage.clone());
    }
}
