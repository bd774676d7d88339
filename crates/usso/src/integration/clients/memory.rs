//! What one process remembers of clients.

use super::model::Client;
use crate::tenant::TenantScope;
use crate::tenant::coherence::Stale;
use kernel::cache::Cache;
use kernel::{ClientId, StorageError, Stored, TenantId};
use std::sync::Arc;

/// How many clients are kept.
const CACHED: usize = 20_000;

/// The clients in use.
pub struct Clients(Cache<(TenantId, ClientId), Arc<Stored<Client>>>);

impl Default for Clients {
    fn default() -> Self {
        Self(Cache::new(CACHED))
    }
}

impl Clients {
    /// A client by its id, from memory if that counts.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn get(
        &self,
        tenant: &TenantScope,
        id: &ClientId,
        memory_counts: bool,
    ) -> Result<Option<Arc<Stored<Client>>>, StorageError> {
        let place = (tenant.id().clone(), id.clone());
        if memory_counts && let Some(client) = self.0.get(&place) {
            return Ok(Some(client));
        }
        let stamp = self.0.stamp(&place);
        let Some(client) = tenant.records::<Client>().get(id.as_str()).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.0.insert(place, client.clone(), stamp);
        Ok(Some(client))
    }

    /// Forgets a client that was changed, here and on every instance.
    pub fn forget(&self, tenant: &TenantScope, id: &ClientId) {
        self.drop_client(tenant.id(), id);
        stale_client(tenant, id).announce(tenant);
    }

    /// Forgets a client here.
    pub fn drop_client(&self, tenant: &TenantId, id: &ClientId) {
        self.0.invalidate(&(tenant.clone(), id.clone()));
    }

    /// Forgets everything here.
    pub fn clear(&self) {
        self.0.clear();
    }
}

/// What changing a client makes stale.
pub fn stale_client(tenant: &TenantScope, id: &ClientId) -> Stale {
    Stale::Client { tenant: tenant.id().clone(), id: id.clone() }
}
