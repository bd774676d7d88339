//! What invitations look like on the wire (contract 5.7).

use super::model::{Invitation, Invitee};
use crate::identity::identifiers::IdentifierKind;
use crate::identity::workspaces::model::Workspace;
use kernel::{Stored, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An invitation: by exactly one of `user_id`, `identifier`, `email`, `phone`.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateInvitation {
    /// Somebody of the tenant, who is a member at once.
    pub user_id: Option<String>,
    /// E-mail address, phone number or user name of somebody, who need not be known yet.
    pub identifier: Option<String>,
    /// What the identifier is, if it shall not be guessed.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<IdentifierKind>,
    /// The same as `identifier` of type `email`.
    pub email: Option<String>,
    /// The same as `identifier` of type `phone`.
    pub phone: Option<String>,
    /// Roles in the workspace: no more than the caller could give. Its default roles come with them.
    #[serde(default)]
    pub roles: Vec<String>,
    /// How long it can be accepted, in days; 7 by default.
    pub expires_in_days: Option<u32>,
    /// Until when it can be accepted.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// A new term for an invitation that is sent again.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ResendInvitation {
    /// How long it can be accepted, in days; 7 by default.
    pub expires_in_days: Option<u32>,
    /// Until when it can be accepted.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// An invitation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WorkspaceInvitationView {
    /// `invitation_…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// Where to.
    pub workspace_id: String,
    /// Who was invited by id, or answered.
    pub user_id: Option<String>,
    /// The identifier that was invited.
    pub identifier: Option<String>,
    /// What it is.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<IdentifierKind>,
    /// The roles it gives, as far as the inviter still may when it is accepted; the default ones aside.
    pub roles: Vec<String>,
    /// `pending`, `accepted`, `declined` or `expired`.
    pub status: &'static str,
    /// Who invites.
    pub invited_by: String,
    /// Until when it can be answered.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Whether it was just taken back.
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

impl WorkspaceInvitationView {
    /// An invitation of a tenant.
    pub fn of(tenant_id: &str, invitation: &Stored<Invitation>, now: Timestamp) -> Self {
        let (identifier, kind) = match &invitation.invitee {
            Invitee::User { .. } => (None, None),
            Invitee::Identifier { kind, value } => (Some(value.clone()), Some(*kind)),
        };
        Self {
            id: invitation.id.as_str().to_owned(),
            uid: invitation.id.as_str().to_owned(),
            tenant_id: tenant_id.to_owned(),
            workspace_id: invitation.workspace_id.as_str().to_owned(),
            user_id: invitation.user().map(|id| id.as_str().to_owned()),
            identifier,
            kind,
            roles: invitation.roles.clone(),
            status: invitation.status(now),
            invited_by: invitation.invited_by.as_str().to_owned(),
            expires_at: invitation.expires_at,
            is_deleted: false,
            meta_data: None,
            created_at: invitation.created_at,
            updated_at: invitation.updated_at,
        }
    }
}

/// An invitation that was just made or sent again, with its token.
#[derive(Serialize, ToSchema)]
pub struct SentInvitationView {
    /// The invitation.
    #[serde(flatten)]
    pub invitation: WorkspaceInvitationView,
    /// What the invitee answers with: told this once. Absent when they are a member already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Where the invitee sees what they are invited to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation_url: Option<String>,
}

/// What whoever has a token sees of its invitation.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitedView {
    /// Where to.
    pub workspace_id: String,
    /// What that is called.
    pub workspace_name: String,
    /// The identifier that was invited.
    pub identifier: Option<String>,
    /// Until when it can be answered.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl InvitedView {
    /// An invitation to a workspace.
    pub fn of(workspace: &Workspace, invitation: &Invitation) -> Self {
        let identifier = match &invitation.invitee {
            Invitee::User { .. } => None,
            Invitee::Identifier { value, .. } => Some(value.clone()),
        };
        Self {
            workspace_id: workspace.id.as_str().to_owned(),
            workspace_name: workspace.name.clone(),
            identifier,
            expires_at: invitation.expires_at,
        }
    }
}
