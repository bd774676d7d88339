//! The record of a gateway's route.

use kernel::{GatewayRouteId, Key, Record};
use serde::{Deserialize, Serialize};

/// Where a route leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Upstream {
    /// The application's API.
    pub api_url: Option<String>,
    /// Its pages for administrators.
    pub dashboard_url: Option<String>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayRoute {
    /// `gatewayroute_…`.
    pub id: GatewayRouteId,
    /// The name in the path; it never changes.
    pub slug: String,
    /// Which scopes the application asks for.
    pub scopes: Vec<String>,
    /// What people see.
    pub title: String,
    /// What it is.
    pub description: Option<String>,
    /// Its picture.
    pub icon: Option<String>,
    /// Where it leads.
    pub upstream: Upstream,
    /// Whether portals show it.
    pub front_visible: bool,
}

impl Record for GatewayRoute {
    const KIND: &'static str = "gateway_route";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn keys(&self) -> Vec<Key> {
        vec![Key::new("slug", &self.slug)]
    }

    fn tags(&self) -> Vec<String> {
        vec![format!("visible:{}", self.front_visible)]
    }

    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![("title", self.title.clone())]
    }
}
