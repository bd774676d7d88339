//! What API keys look like on the wire (contract 5.6, 6.6).

use super::model::{ApiKey, ApiKeyUsage};
use super::service::{Holder, Owner};
use crate::tenant::patch::given;
use kernel::{Stored, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A new API key.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateApiKey {
    /// What to call it.
    pub name: Option<String>,
    /// What it may; all that the caller may by default.
    pub scopes: Option<Vec<String>>,
    /// The workspace it acts in: one of the caller's.
    pub workspace_id: Option<String>,
    /// When it ends; never by default.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// In how many days it ends, instead of `expires_at`.
    pub expires_in_days: Option<u32>,
    /// The agent it acts for, instead of the caller: one the caller made or may change.
    pub agent_id: Option<String>,
}

/// A change of an API key.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateApiKey {
    /// What to call it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub name: Option<Option<String>>,
    /// What it may.
    pub scopes: Option<Vec<String>>,
    /// Whether it may be used.
    pub is_active: Option<bool>,
    /// When it ends; `null` for never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Option<Timestamp>>,
}

/// A key to check.
#[derive(Deserialize, ToSchema)]
pub struct VerifyApiKey {
    /// The secret.
    #[schema(value_type = String)]
    pub api_key: SecretString,
}

/// An API key; its secret is shown only in the answer that made it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApiKeyView {
    /// `key_…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// For whom it acts; of an agent's key, who made it.
    pub user_id: String,
    /// The agent it acts for.
    pub agent_id: Option<String>,
    /// The workspace it acts in.
    pub workspace_id: Option<String>,
    /// What its owner calls it.
    pub name: Option<String>,
    /// The beginning and the end of its secret.
    pub api_key_pattern: String,
    /// What it may, as far as its user may.
    pub scopes: Vec<String>,
    /// Whether it may be used.
    pub is_active: bool,
    /// Whether it was ended for good.
    pub is_deleted: bool,
    /// When it ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, some seconds behind.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// How often it was used, some seconds behind.
    pub usage_count: u64,
    /// Always null: no limit.
    #[schema(value_type = Option<Object>)]
    pub rate_limit: Option<Value>,
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

impl ApiKeyView {
    /// A key of a tenant and how it was used.
    pub fn of(tenant_id: &str, key: &Stored<ApiKey>, usage: Option<&ApiKeyUsage>) -> Self {
        Self {
            id: key.id.as_str().to_owned(),
            uid: key.id.as_str().to_owned(),
            tenant_id: tenant_id.to_owned(),
            user_id: key.user_id.as_str().to_owned(),
            agent_id: key.agent_id.as_ref().map(|id| id.as_str().to_owned()),
            workspace_id: key.workspace_id.clone(),
            name: key.name.clone(),
            api_key_pattern: key.pattern.clone(),
            scopes: key.scopes.clone(),
            is_active: key.is_active,
            is_deleted: false,
            expires_at: key.expires_at,
            last_used_at: usage.map(|usage| usage.last_used_at),
            usage_count: usage.map_or(0, |usage| usage.count),
            rate_limit: None,
            meta_data: None,
            created_at: key.created_at,
            updated_at: key.updated_at,
        }
    }
}

/// A key that was just made, with its secret, which can't be shown again.
#[derive(Serialize, ToSchema)]
pub struct CreatedApiKeyView {
    /// The key.
    #[serde(flatten)]
    pub view: ApiKeyView,
    /// The secret.
    pub api_key: String,
    /// The same as `api_key`.
    pub key: String,
}

impl CreatedApiKeyView {
    /// A new key and its secret.
    pub fn of(view: ApiKeyView, secret: &SecretString) -> Self {
        let secret = secret.expose_secret();
        Self { view, api_key: secret.to_owned(), key: secret.to_owned() }
    }
}

/// Whoever a key stands for, as the claims of an access token would say it.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyHolderView {
    /// The user or agent.
    pub sub: String,
    /// The same as `sub`.
    pub user_id: String,
    /// What the key is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `api_key`.
    pub sub_type: &'static str,
    /// `access`.
    pub token_type: &'static str,
    /// The tenant.
    pub tenant_id: String,
    /// The workspace the key acts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// Always empty: a key holds scopes, which may be less than its user's roles grant.
    pub roles: Vec<String>,
    /// What the key may now.
    pub scopes: Vec<String>,
    /// Issuer.
    pub iss: String,
    /// When the key was made, seconds.
    pub iat: i64,
    /// When the key ends, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// `api_key`.
    pub amr: [&'static str; 1],
    /// How strongly.
    pub acr: &'static str,
    /// Further claims: none.
    #[schema(value_type = Object)]
    pub claims: Map<String, Value>,
}

impl KeyHolderView {
    /// The holder of a key in a tenant.
    pub fn of(tenant_id: &str, issuer: String, holder: Holder) -> Self {
        let Holder { key, owner, scopes, workspace } = holder;
        let (sub, owner_name) = match &owner {
            Owner::User(user) => (user.id.as_str().to_owned(), None),
            Owner::Agent(agent) => (agent.id.as_str().to_owned(), Some(agent.name.clone())),
        };
        Self {
            user_id: sub.clone(),
            sub,
            name: key.name.clone().or(owner_name),
            sub_type: "api_key",
            token_type: "access",
            tenant_id: tenant_id.to_owned(),
            workspace_id: workspace,
            roles: Vec::new(),
            scopes,
            iss: issuer,
            iat: key.created_at.unix_seconds(),
            exp: key.expires_at.map(Timestamp::unix_seconds),
            amr: ["api_key"],
            acr: "usso:acr:1",
            claims: Map::new(),
        }
    }
}
