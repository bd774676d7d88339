//! What a session looks like on the wire (contract 6.4).

use crate::access_control::roles::effective::Effective;
use crate::identity::sessions::model::Session;
use kernel::{Stored, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The device of a session.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeviceInfo {
    /// Its agent; empty when it named none.
    pub user_agent: String,
    /// The address it signed in from.
    pub ip_address: String,
    /// Where that is, when known.
    pub location: Option<String>,
}

/// A session. The refresh token is never shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SessionView {
    /// `session:…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// Whose it is; of an agent's session, who made the agent.
    pub user_id: String,
    /// The agent that acts in it.
    pub agent_id: Option<String>,
    /// The active workspace.
    pub workspace_id: Option<String>,
    /// The device.
    pub device_info: DeviceInfo,
    /// The device's agent.
    pub user_agent: String,
    /// The address it signed in from.
    pub ip: String,
    /// Where that is, when known.
    pub location: Option<String>,
    /// Whether it lives.
    pub is_active: bool,
    /// Whether the caller is using it.
    pub is_current: bool,
    /// The audience of its access tokens.
    pub aud: Option<String>,
    /// The roles that count in it now; none once it has ended.
    pub roles: Vec<String>,
    /// What it may now; nothing once it has ended.
    pub scopes: Vec<String>,
    /// How the user proved who they are.
    pub amr: Vec<String>,
    /// How strongly.
    pub acr: String,
    /// When it was last refreshed.
    #[schema(value_type = String, format = DateTime)]
    pub last_used_at: Timestamp,
    /// How long it may last, in minutes.
    pub max_age_minutes: i64,
    /// `regular_login`, `oauth_session` …
    pub session_type: String,
    /// The OAuth client that acts in it.
    pub client_id: Option<String>,
    /// What that client was given.
    pub scope: Option<String>,
    /// Whatever the user keeps with it.
    #[schema(value_type = Object)]
    pub meta_data: Map<String, Value>,
    /// Whether it was ended.
    pub is_deleted: bool,
    /// When it ends at the latest.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When the user signed in.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl SessionView {
    /// A session of a tenant, as the session `current` sees it, and what it comes to while it lives.
    pub fn of(
        tenant_id: &str,
        session: &Stored<Session>,
        (current, location): (&str, Option<String>),
        held: Option<Effective>,
    ) -> Self {
        let is_live = held.is_some();
        let held = held.unwrap_or_default();
        let user_agent = session.user_agent.clone().unwrap_or_default();
        Self {
            id: session.id.as_str().to_owned(),
            uid: session.id.as_str().to_owned(),
            tenant_id: tenant_id.to_owned(),
            user_id: session.user_id.as_str().to_owned(),
            agent_id: session.agent_id.as_ref().map(|id| id.as_str().to_owned()),
            workspace_id: session.workspace_id.clone(),
            device_info: DeviceInfo {
                user_agent: user_agent.clone(),
                ip_address: session.ip.clone(),
                location: location.clone(),
            },
            user_agent,
            ip: session.ip.clone(),
            location,
            is_active: is_live,
            is_current: session.id.as_str() == current,
            aud: session.aud.clone(),
            roles: held.roles,
            scopes: held.scopes,
            amr: session.amr.clone(),
            acr: session.acr.clone(),
            last_used_at: session.used_at,
            max_age_minutes: session.expires_at.seconds_since(session.created_at) / 60,
            session_type: session.session_type.clone(),
            client_id: session.grant.as_ref().map(|grant| grant.client_id.as_str().to_owned()),
            scope: session.grant.as_ref().map(|grant| grant.scope.join(" ")),
            meta_data: session.meta_data.clone(),
            is_deleted: session.revoked_at.is_some(),
            expires_at: session.expires_at,
            created_at: session.created_at,
            updated_at: session.updated_at,
        }
    }
}

/// A change of a session.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct UpdateSession {
    /// Merged into what is kept; `null` removes a member.
    #[schema(value_type = Object)]
    pub meta_data: Map<String, Value>,
}
