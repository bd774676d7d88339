//! The records of an API key and of its use.

use kernel::{AgentId, Key, KeyId, Record, Timestamp, UserId};
use protocol::b64url;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::secret::Digest;
use crate::identity::agents::model::Agent;
use crate::identity::users::model::User;

/// A key. Once expired it is gone.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// `key_…`.
    pub id: KeyId,
    /// For whom it acts; of an agent's key, who made it.
    pub user_id: UserId,
    /// The agent it acts for. Then it doesn't act for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The workspace it acts in.
    pub workspace_id: Option<String>,
    /// What its owner calls it.
    pub name: Option<String>,
    /// What it may, as far as its user may.
    pub scopes: Vec<String>,
    /// The digest of its secret.
    pub secret_hash: String,
    /// What of the secret may be shown.
    pub pattern: String,
    /// Whether it may be used.
    pub is_active: bool,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// The key it was made with, without which it is worth nothing.
    pub parent: Option<KeyId>,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

impl Record for ApiKey {
    const KIND: &'static str = "api_key";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn keys(&self) -> Vec<Key> {
        vec![Key::new("secret", &self.secret_hash)]
    }

    fn tags(&self) -> Vec<String> {
        let agent = self.agent_id.iter().map(agent_tag);
        agent.chain([format!("user:{}", self.user_id), format!("active:{}", self.is_active)]).collect()
    }

    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![("name", self.name.clone().unwrap_or_default())]
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

/// The tag of an agent's keys.
pub fn agent_tag(id: &AgentId) -> String {
    format!("agent:{id}")
}

/// The key a digest is found under.
pub fn secret_key(digest: &Digest) -> Key {
    Key::new("secret", &b64url::encode(digest))
}

impl ApiKey {
    /// Whether its secret has this digest.
    pub fn has_digest(&self, digest: &Digest) -> bool {
        self.secret_hash.as_bytes().ct_eq(b64url::encode(digest).as_bytes()).into()
    }

    /// Whether it may be used now, its user and the key it was made with aside.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.is_active && self.expires_at.is_none_or(|end| now < end)
    }
}

/// For whom a key is made.
#[derive(Debug, Clone, Copy)]
pub enum Bearer<'a> {
    /// A user.
    User(&'a User),
    /// An agent, and the user to whom its key belongs.
    Agent(&'a Agent, &'a UserId),
}

impl Bearer<'_> {
    /// To whom the key belongs.
    pub fn user_id(&self) -> &UserId {
        match self {
            Self::User(user) => &user.id,
            Self::Agent(_, maker) => maker,
        }
    }

    /// Whether it may act in a workspace.
    pub fn belongs_to(&self, workspace: &str) -> bool {
        match self {
            Self::User(user) => user.workspace(Some(workspace)).is_some(),
            Self::Agent(agent, _) => agent.workspace_id.as_deref() == Some(workspace),
        }
    }
}

/// How a key was used. A record of its own: counting must not get in the way of changing the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyUsage {
    /// The key.
    pub id: KeyId,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_used_at: Timestamp,
}

impl Record for ApiKeyUsage {
    const KIND: &'static str = "api_key_usage";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }
}

impl ApiKeyUsage {
    /// Both taken together.
    #[must_use]
    pub fn plus(&self, more: &Self) -> Self {
        Self {
            id: self.id.clone(),
            count: self.count.saturating_add(more.count),
            last_used_at: self.last_used_at.max(more.last_used_at),
        }
    }
}
