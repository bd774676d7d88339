//! What the catalog looks like on the wire (contract 5.11).

use super::model::{CatalogEntry, ServiceScopes};
use kernel::{Stored, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The scopes of a service, in place of those it had.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PutServiceScopes {
    /// All of them.
    pub scopes: Vec<CatalogEntry>,
}

/// The scopes of a service.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServiceScopesView {
    /// The service's name.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The same as `id`.
    pub service: String,
    /// The tenant.
    pub tenant_id: String,
    /// Its scopes.
    pub scopes: Vec<CatalogEntry>,
    /// When it first registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed them.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl ServiceScopesView {
    /// A service of a tenant.
    pub fn of(tenant_id: &str, found: &Stored<ServiceScopes>) -> Self {
        Self {
            id: found.service.clone(),
            uid: found.service.clone(),
            service: found.service.clone(),
            tenant_id: tenant_id.to_owned(),
            scopes: found.scopes.clone(),
            created_at: found.created_at,
            updated_at: found.updated_at,
        }
    }
}
