//! The record of an agent.

use crate::identity::sessions::model::Session;
use crate::identity::users::model::User;
use crate::tenant::TenantScope;
use kernel::{AgentId, Key, Record, Stored, UserId};
use protocol::scope;
use serde::{Deserialize, Serialize};

/// A program with a key of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// `service:…`.
    pub id: AgentId,
    /// Who made it.
    pub user_id: UserId,
    /// Display name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The workspace it acts in.
    pub workspace_id: Option<String>,
    /// What it may.
    pub scopes: Vec<String>,
    /// Its public key: SPKI in PEM.
    pub verify_key: String,
    /// The hexadecimal SHA-256 of that SPKI, by which its tokens name the key.
    pub kid: String,
    /// Whether it may sign in and use what it holds.
    pub is_active: bool,
    /// Bumped to end every session of the agent (ruling D26).
    pub session_epoch: u64,
}

impl Record for Agent {
    const KIND: &'static str = "agent";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn keys(&self) -> Vec<Key> {
        vec![kid_key(&self.kid)]
    }

    fn tags(&self) -> Vec<String> {
        let workspace = self.workspace_id.iter().map(|id| format!("workspace:{id}"));
        workspace.chain([format!("user:{}", self.user_id), format!("active:{}", self.is_active)]).collect()
    }

    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![("name", self.name.clone())]
    }
}

/// The key an agent is found by.
pub fn kid_key(kid: &str) -> Key {
    Key::new("kid", kid)
}

impl Agent {
    /// What it holds in one of its sessions now: no more than it may, and than the session was opened for.
    pub fn held_in(&self, session: &Session) -> Vec<String> {
        match &session.scopes {
            Some(cap) => scope::common(cap, &self.scopes).into_iter().map(str::to_owned).collect(),
            None => self.scopes.clone(),
        }
    }

    /// Somebody who exists nowhere else, owns nothing and belongs nowhere: for what asks of every caller which user it is.
    pub fn stand_in(&self, tenant: &TenantScope) -> Stored<User> {
        User::stand_in(tenant, &self.name)
    }

    /// The agent with another public key; what was signed with the old one ends.
    #[must_use]
    pub fn with_key(&self, verify_key: String, kid: String) -> Self {
        if kid == self.kid {
            return self.clone();
        }
        Self { verify_key, kid, session_epoch: self.session_epoch.saturating_add(1), ..self.clone() }
    }

    /// The agent, switched on or off; off ends its sessions for good.
    #[must_use]
    pub fn activated(&self, is_active: bool) -> Self {
        let ends = self.is_active && !is_active;
        Self { is_active, session_epoch: self.session_epoch.saturating_add(u64::from(ends)), ..self.clone() }
    }
}
