//! What members of a workspace look like on the wire (contract 5.7).

use crate::identity::identifiers::IdentifierKind;
use crate::identity::users::model::{User, UserIdentifier};
use crate::identity::workspaces::access::is_owner;
use crate::identity::workspaces::model::Workspace;
use kernel::{Stored, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A change of a membership; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateMember {
    /// The roles in this workspace, all of them; further ones must be the caller's to give.
    pub roles: Option<Vec<String>>,
    /// Whether the member is an owner.
    pub is_owner: Option<bool>,
}

/// A name a member is known by.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MemberIdentifierView {
    /// `email`, `phone`, `username` …
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: IdentifierKind,
    /// The normalised value.
    pub identifier: String,
    /// Whether the member proved it is theirs.
    pub verified: bool,
}

/// A member of a workspace.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MemberView {
    /// The user's id.
    pub user_id: String,
    /// The workspace.
    pub workspace_id: String,
    /// The tenant.
    pub tenant_id: String,
    /// Display name.
    pub name: Option<String>,
    /// The roles in this workspace.
    pub roles: Vec<String>,
    /// Whether the member is an owner.
    pub is_owner: bool,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub joined_at: Option<Timestamp>,
    /// The names the member is known by.
    pub identifiers: Vec<MemberIdentifierView>,
}

impl MemberView {
    /// A member of a workspace.
    pub fn of(tenant_id: &str, workspace: &Workspace, user: &Stored<User>) -> Self {
        let id = workspace.id.as_str();
        Self {
            user_id: user.id.as_str().to_owned(),
            workspace_id: id.to_owned(),
            tenant_id: tenant_id.to_owned(),
            name: user.name.clone(),
            roles: user.workspace_roles.get(id).cloned().unwrap_or_default(),
            is_owner: is_owner(workspace, user),
            joined_at: user.workspace_joined_at.get(id).copied(),
            identifiers: user.identifiers.iter().map(identifier_view).collect(),
        }
    }
}

fn identifier_view(own: &UserIdentifier) -> MemberIdentifierView {
    MemberIdentifierView {
        kind: own.kind,
        identifier: own.value.clone(),
        verified: own.verified_at.is_some(),
    }
}
