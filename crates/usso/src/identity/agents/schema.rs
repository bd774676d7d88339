//! What agents look like on the wire (contract 5.6, 6.6b).

use super::model::Agent;
use crate::identity::sign_in::schema::{ClaimsView, TokenView, TokensView};
use crate::identity::tokens::TokenPair;
use crate::tenant::patch::given;
use crate::tenant::verify::Claims;
use kernel::{Stored, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A new agent.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateAgent {
    /// Display name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it may: no more than the caller.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The workspace it acts in.
    pub workspace_id: Option<String>,
    /// `EdDSA` or `Ed25519`, in any case: the only algorithm of agents.
    pub alg: Option<String>,
    /// Its public key, SPKI in PEM. Without one a pair is made, and the private half told once.
    pub verify_key: Option<String>,
}

/// A change of an agent; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateAgent {
    /// Display name.
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub description: Option<Option<String>>,
    /// What it may.
    pub scopes: Option<Vec<String>>,
    /// Whether it may sign in; switching it off ends its sessions.
    pub is_active: Option<bool>,
    /// The workspace it acts in; `null` for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub workspace_id: Option<Option<String>>,
    /// Another public key; its sessions end.
    pub verify_key: Option<String>,
}

/// An agent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AgentView {
    /// `service:…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The same as `id`.
    pub client_id: String,
    /// `agent`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The tenant.
    pub tenant_id: String,
    /// Who made it.
    pub user_id: String,
    /// Display name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The workspace it acts in.
    pub workspace_id: Option<String>,
    /// What it may.
    pub scopes: Vec<String>,
    /// Always empty: agents have scopes.
    pub roles: Vec<String>,
    /// `EdDSA`.
    pub alg: &'static str,
    /// Its public key: SPKI in PEM.
    pub verify_key: String,
    /// The hexadecimal SHA-256 of the SPKI: what its tokens have as `kid`.
    pub kid: String,
    /// Whether it may sign in.
    pub is_active: bool,
    /// Whether it was removed.
    pub is_deleted: bool,
    /// When it last acted, by a token or a key; written every ten seconds.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
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

impl AgentView {
    /// An agent of a tenant.
    pub fn of(tenant_id: &str, agent: &Stored<Agent>, last_used_at: Option<Timestamp>) -> Self {
        let id = agent.id.as_str().to_owned();
        Self {
            uid: id.clone(),
            client_id: id.clone(),
            id,
            kind: "agent",
            tenant_id: tenant_id.to_owned(),
            user_id: agent.user_id.as_str().to_owned(),
            name: agent.name.clone(),
            description: agent.description.clone(),
            workspace_id: agent.workspace_id.clone(),
            scopes: agent.scopes.clone(),
            roles: Vec::new(),
            alg: "EdDSA",
            verify_key: agent.verify_key.clone(),
            kid: agent.kid.clone(),
            is_active: agent.is_active,
            is_deleted: false,
            last_used_at,
            meta_data: None,
            created_at: agent.created_at,
            updated_at: agent.updated_at,
        }
    }
}

/// Tokens of an agent, under every name the published clients read.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentLoginView {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds the access token lives.
    pub expires_in: i64,
    /// `completed`.
    pub status: &'static str,
    /// The tokens under their short names.
    pub tokens: TokensView,
    /// The tokens under their long names.
    pub token: TokenView,
    /// The access token's claims.
    #[serde(flatten)]
    pub claims: ClaimsView,
}

impl AgentLoginView {
    /// A fresh pair.
    pub fn of(tokens: TokenPair) -> Self {
        let refresh = Some(tokens.refresh.clone());
        Self {
            tokens: TokensView { access: tokens.access.clone(), refresh: refresh.clone() },
            token: TokenView { access_token: tokens.access.clone(), refresh_token: refresh },
            access_token: tokens.access,
            refresh_token: tokens.refresh,
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            status: "completed",
            claims: tokens.claims.into(),
        }
    }
}

/// What an agent may ask for.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentScopesView {
    /// `service:…`.
    pub id: String,
    /// The same as `id`.
    pub agent_id: String,
    /// The tenant.
    pub tenant_id: String,
    /// The workspace it acts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// All it may.
    pub scopes: Vec<String>,
    /// Always empty: agents have scopes.
    pub roles: Vec<String>,
}

impl AgentScopesView {
    /// An agent of a tenant.
    pub fn of(tenant_id: &str, agent: &Agent) -> Self {
        let id = agent.id.as_str().to_owned();
        Self {
            agent_id: id.clone(),
            id,
            tenant_id: tenant_id.to_owned(),
            workspace_id: agent.workspace_id.clone(),
            scopes: agent.scopes.clone(),
            roles: Vec::new(),
        }
    }
}

/// The caller, when it is an agent: what its access token says.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentMeView {
    /// `service:…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The same as `id`.
    pub user_id: String,
    /// What the agent is called.
    pub name: String,
    /// `agent`.
    pub sub_type: &'static str,
    /// `access`.
    pub token_type: &'static str,
    /// The access token's claims; its scopes as far as they are held now.
    #[serde(flatten)]
    pub claims: ClaimsView,
}

impl AgentMeView {
    /// An agent by an access token that may this now.
    pub fn of(agent: &Agent, claims: Claims, scopes: Vec<String>) -> Self {
        let id = agent.id.as_str().to_owned();
        Self {
            uid: id.clone(),
            user_id: id.clone(),
            id,
            name: agent.name.clone(),
            sub_type: "agent",
            token_type: "access",
            claims: Claims { scopes: Some(scopes), ..claims }.into(),
        }
    }
}

/// An agent that was just made, and all it needs to sign in.
#[derive(Serialize, ToSchema)]
pub struct CreatedAgentView {
    /// The agent.
    #[serde(flatten)]
    pub view: AgentView,
    /// The private key the server made: PKCS#8 in PEM, in this answer and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<String>,
    /// Where it exchanges what it signs for tokens.
    pub auth_uri: String,
    /// The same as `auth_uri`.
    pub token_uri: String,
}

impl CreatedAgentView {
    /// A new agent of the issuer addressed.
    pub fn of(view: AgentView, private_key: Option<&str>, issuer: &str) -> Self {
        let auth_uri = format!("{issuer}/api/sso/v1/agents/auth");
        let private_key = private_key.map(str::to_owned);
        Self { view, private_key, token_uri: auth_uri.clone(), auth_uri }
    }
}
