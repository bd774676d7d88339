//! What routes of a gateway look like on the wire (contract 5.11).

use super::model::{GatewayRoute, Upstream};
use crate::tenant::patch::given;
use kernel::{Stored, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A new route.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateGatewayRoute {
    /// The name in the path.
    pub slug: String,
    /// What people see.
    pub title: String,
    /// Which scopes the application asks for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its picture.
    pub icon: Option<String>,
    /// Where it leads.
    pub upstream: Option<Upstream>,
    /// Whether portals show it; true by default.
    pub front_visible: Option<bool>,
}

/// A change of a route; what is absent stays. The slug never changes.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct UpdateGatewayRoute {
    /// What people see.
    pub title: Option<String>,
    /// Which scopes the application asks for.
    pub scopes: Option<Vec<String>>,
    /// What it is.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub description: Option<Option<String>>,
    /// Its picture.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub icon: Option<Option<String>>,
    /// Where it leads.
    pub upstream: Option<Upstream>,
    /// Whether portals show it.
    pub front_visible: Option<bool>,
}

/// A route.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GatewayRouteView {
    /// `gatewayroute_…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// The name in the path.
    pub slug: String,
    /// What people see.
    pub title: String,
    /// Which scopes the application asks for.
    pub scopes: Vec<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its picture.
    pub icon: Option<String>,
    /// Where it leads.
    pub upstream: Upstream,
    /// Whether portals show it.
    pub front_visible: bool,
    /// Always false: a deleted route is gone.
    pub is_deleted: bool,
    /// Always null: none is kept.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Value>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl GatewayRouteView {
    /// A route of a tenant.
    pub fn of(tenant_id: &str, route: &Stored<GatewayRoute>) -> Self {
        let id = route.id.as_str().to_owned();
        Self {
            uid: id.clone(),
            id,
            tenant_id: tenant_id.to_owned(),
            slug: route.slug.clone(),
            title: route.title.clone(),
            scopes: route.scopes.clone(),
            description: route.description.clone(),
            icon: route.icon.clone(),
            upstream: route.upstream.clone(),
            front_visible: route.front_visible,
            is_deleted: false,
            meta_data: None,
            created_at: route.created_at,
            updated_at: route.updated_at,
        }
    }
}
