//! What roles look like on the wire (contract 5.7, 6.7).

use super::model::Role;
use crate::tenant::patch::given;
use kernel::{Stored, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A new role.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateRole {
    /// Display name.
    pub name: String,
    /// What users and tokens carry; made of the name by default.
    pub slug: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it grants: no more than the caller holds.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whether it grants anything; true by default.
    pub is_active: Option<bool>,
    /// The only workspace it counts in; every one by default.
    pub workspace_id: Option<String>,
}

/// A change of a role; what is absent stays. The slug never changes.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateRole {
    /// Display name.
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub description: Option<Option<String>>,
    /// What it grants.
    pub scopes: Option<Vec<String>>,
    /// Whether it grants anything.
    pub is_active: Option<bool>,
    /// The only workspace it counts in; `null` for every one.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub workspace_id: Option<Option<String>>,
}

/// A role.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RoleView {
    /// `role_…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// Display name.
    pub name: String,
    /// What users and tokens carry.
    pub slug: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it grants.
    pub scopes: Vec<String>,
    /// Whether it grants anything.
    pub is_active: bool,
    /// The only workspace it counts in.
    pub workspace_id: Option<String>,
    /// Always null: none is kept.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Value>,
    /// Always false: a deleted role is gone.
    pub is_deleted: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl RoleView {
    /// A role of a tenant.
    pub fn of(tenant_id: &str, role: &Stored<Role>) -> Self {
        Self {
            id: role.id.as_str().to_owned(),
            uid: role.id.as_str().to_owned(),
            tenant_id: tenant_id.to_owned(),
            name: role.name.clone(),
            slug: role.slug.clone(),
            description: role.description.clone(),
            scopes: role.scopes.clone(),
            is_active: role.is_active,
            workspace_id: role.workspace_id.clone(),
            is_deleted: false,
            meta_data: None,
            created_at: role.created_at,
            updated_at: role.updated_at,
        }
    }
}
