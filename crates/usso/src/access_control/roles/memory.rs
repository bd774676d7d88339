//! What one process remembers of roles: by slug, also that there is none.

use super::model::{Role, counts_in, slug_key};
use crate::tenant::TenantScope;
use crate::tenant::coherence::Stale;
use kernel::cache::Cache;
use kernel::{StorageError, TenantId};
use std::sync::Arc;

/// How many roles are kept.
const CACHED: usize = 100_000;

/// The roles in use.
pub struct Roles(Cache<(TenantId, String), Option<Arc<Given>>>);

/// What a role gives: all of it that is kept.
#[derive(Debug)]
pub struct Given {
    /// Its scopes.
    pub scopes: Box<[String]>,
    is_active: bool,
    workspace_id: Option<Box<str>>,
}

impl Given {
    /// Whether it counts in this workspace, or outside of any.
    pub fn counts_in(&self, workspace: Option<&str>) -> bool {
        counts_in((self.is_active, self.workspace_id.as_deref()), workspace)
    }
}

impl From<Role> for Given {
    fn from(role: Role) -> Self {
        let workspace_id = role.workspace_id.map(String::into_boxed_str);
        Self { scopes: role.scopes.into_boxed_slice(), is_active: role.is_active, workspace_id }
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self(Cache::new(CACHED))
    }
}

impl Roles {
    /// The role of a slug, from memory if that counts.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find(
        &self,
        tenant: &TenantScope,
        slug: &str,
        memory_counts: bool,
    ) -> Result<Option<Arc<Given>>, StorageError> {
        let place = (tenant.id().clone(), slug.to_owned());
        if memory_counts && let Some(known) = self.0.get(&place) {
            return Ok(known);
        }
        let stamp = self.0.stamp(&place);
        let found = tenant.records::<Role>().find(&slug_key(slug)).await?;
        let found = found.map(|stored| Arc::new(Given::from(stored.record)));
        self.0.insert(place, found.clone(), stamp);
        Ok(found)
    }

    /// Forgets a role that was changed, here and on every instance.
    pub fn forget(&self, tenant: &TenantScope, slug: &str) {
        self.drop_role(tenant.id(), slug);
        stale_role(tenant, slug).announce(tenant);
    }

    /// Forgets a role here.
    pub fn drop_role(&self, tenant: &TenantId, slug: &str) {
        self.0.invalidate(&(tenant.clone(), slug.to_owned()));
    }

    /// Forgets everything here.
    pub fn clear(&self) {
        self.0.clear();
    }
}

/// What changing a role makes stale.
pub fn stale_role(tenant: &TenantScope, slug: &str) -> Stale {
    Stale::Role { tenant: tenant.id().clone(), slug: slug.to_owned() }
}
