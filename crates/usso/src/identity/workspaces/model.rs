//! The record of a workspace.

use kernel::{Record, Timestamp, UserId, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A group of people within a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    /// `ws_` and the slug.
    pub id: WorkspaceId,
    /// For addresses.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Picture.
    pub logo_url: Option<String>,
    /// Settings of the applications.
    pub settings: Map<String, Value>,
    /// Whatever its owners keep with it.
    pub meta_data: Map<String, Value>,
    /// The roles whoever joins is given.
    pub default_roles: Vec<String>,
    /// Who manages it; they count while they are members.
    pub owners: Vec<UserId>,
    /// Whether anything is given in it.
    pub is_active: bool,
    /// When its deletion began; from then on it is gone, and its id is free once the last membership is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

impl Record for Workspace {
    const KIND: &'static str = "workspace";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn tags(&self) -> Vec<String> {
        if self.deleted_at.is_some() {
            return Vec::new();
        }
        let (id, slug) = (id_tag(self.id.as_str()), format!("slug:{}", self.slug));
        vec![id, slug, format!("active:{}", self.is_active), Self::THERE.to_owned()]
    }

    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![("name", self.name.clone())]
    }
}

impl Workspace {
    /// The tag of those that are not deleted; those have none.
    pub const THERE: &'static str = "there";

    /// Whether a membership in it gives anything.
    pub fn is_open(&self) -> bool {
        self.is_active && self.deleted_at.is_none()
    }

    /// Whether a user is listed among its owners.
    pub fn lists(&self, user: &UserId) -> bool {
        self.owners.contains(user)
    }
}

/// The tag a workspace is found by in lists.
pub fn id_tag(id: &str) -> String {
    format!("id:{id}")
}
