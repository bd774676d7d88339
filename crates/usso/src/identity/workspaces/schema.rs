//! What workspaces look like on the wire (contract 5.7, 6.7).

use super::model::Workspace;
use crate::tenant::patch::given;
use kernel::{Stored, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A new workspace.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateWorkspace {
    /// Display name.
    pub name: String,
    /// What the id is made of, after `ws_`; made of the name by default.
    pub slug: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Picture: an address on the web.
    pub logo_url: Option<String>,
    /// Settings of the applications.
    #[schema(value_type = Option<Object>)]
    pub settings: Option<Map<String, Value>>,
    /// Whatever is to be kept with it.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Map<String, Value>>,
    /// The roles whoever joins is given: no more than the caller could give.
    #[serde(default)]
    pub default_roles: Vec<String>,
}

/// A change of a workspace; what is absent stays. The slug never changes.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateWorkspace {
    /// Display name.
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub description: Option<Option<String>>,
    /// Picture: an address on the web.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub logo_url: Option<Option<String>>,
    /// Settings of the applications; members that are `null` are removed.
    #[schema(value_type = Option<Object>)]
    pub settings: Option<Map<String, Value>>,
    /// Whatever is to be kept with it; members that are `null` are removed.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Map<String, Value>>,
    /// The roles whoever joins from now on is given.
    pub default_roles: Option<Vec<String>>,
    /// Whether anything is given in it; not for owners to change.
    pub is_active: Option<bool>,
}

/// A workspace.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WorkspaceView {
    /// `ws_…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// Display name.
    pub name: String,
    /// For addresses.
    pub slug: String,
    /// What it is for.
    pub description: Option<String>,
    /// Picture.
    pub logo_url: Option<String>,
    /// Settings of the applications.
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// Whatever is kept with it.
    #[schema(value_type = Object)]
    pub meta_data: Map<String, Value>,
    /// The roles whoever joins is given.
    pub default_roles: Vec<String>,
    /// The ids of its owners.
    #[schema(value_type = Vec<String>)]
    pub owners: Vec<UserId>,
    /// Whether anything is given in it.
    pub is_active: bool,
    /// Always false: a deleted workspace is gone.
    pub is_deleted: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl WorkspaceView {
    /// A workspace of a tenant.
    pub fn of(tenant_id: &str, workspace: &Stored<Workspace>) -> Self {
        Self {
            id: workspace.id.as_str().to_owned(),
            uid: workspace.id.as_str().to_owned(),
            tenant_id: tenant_id.to_owned(),
            name: workspace.name.clone(),
            slug: workspace.slug.clone(),
            description: workspace.description.clone(),
            logo_url: workspace.logo_url.clone(),
            settings: workspace.settings.clone(),
            meta_data: workspace.meta_data.clone(),
            default_roles: workspace.default_roles.clone(),
            owners: workspace.owners.clone(),
            is_active: workspace.is_active,
            is_deleted: workspace.deleted_at.is_some(),
            created_at: workspace.created_at,
            updated_at: workspace.updated_at,
        }
    }
}
