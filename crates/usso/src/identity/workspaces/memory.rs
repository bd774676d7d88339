//! What one process remembers of workspaces: whether they are open.

use super::model::Workspace;
use crate::tenant::TenantScope;
use crate::tenant::coherence::Stale;
use kernel::cache::Cache;
use kernel::{StorageError, TenantId, WorkspaceId};

/// How many workspaces are kept.
const CACHED: usize = 100_000;

/// The workspaces in use.
pub struct Workspaces(Cache<(TenantId, String), bool>);

impl Default for Workspaces {
    fn default() -> Self {
        Self(Cache::new(CACHED))
    }
}

impl Workspaces {
    /// Whether a membership in it gives anything: it is there, active, and the tenant has workspaces.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn is_open(
        &self,
        tenant: &TenantScope,
        id: &str,
        memory_counts: bool,
    ) -> Result<bool, StorageError> {
        if !tenant.profile().settings.workspace_enabled {
            return Ok(false);
        }
        let place = (tenant.id().clone(), id.to_owned());
        if memory_counts && let Some(known) = self.0.get(&place) {
            return Ok(known);
        }
        let stamp = self.0.stamp(&place);
        let found = tenant.records::<Workspace>().get(id).await?;
        let is_open = found.is_some_and(|workspace| workspace.is_open());
        self.0.insert(place, is_open, stamp);
        Ok(is_open)
    }

    /// Forgets a workspace that was changed, here and on every instance.
    pub fn forget(&self, tenant: &TenantScope, id: &WorkspaceId) {
        self.drop_workspace(tenant.id(), id);
        stale_workspace(tenant, id).announce(tenant);
    }

    /// Forgets a workspace here.
    pub fn drop_workspace(&self, tenant: &TenantId, id: &WorkspaceId) {
        self.0.invalidate(&(tenant.clone(), id.as_str().to_owned()));
    }

    /// Forgets everything here.
    pub fn clear(&self) {
        self.0.clear();
    }
}

/// What changing a workspace makes stale.
pub fn stale_workspace(tenant: &TenantScope, id: &WorkspaceId) -> Stale {
    Stale::Workspace { tenant: tenant.id().clone(), id: id.clone() }
}
