//! What a user has allowed an OAuth client: part of what is kept about them, and gone when they are.
//!
//! The rules are the integration layer's (`integration::consents`).

use kernel::{ClientId, Record, Timestamp, UserId};
use protocol::b64url;
use serde::{Deserialize, Serialize};

/// A consent: one a user and client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// `consent_…`, made of both.
    pub id: String,
    /// Whose.
    pub user_id: UserId,
    /// For which client.
    pub client_id: ClientId,
    /// The words of `scope` that were allowed, all times together.
    pub scope: Vec<String>,
    /// When last.
    pub given_at: Timestamp,
}

impl Record for Consent {
    const KIND: &'static str = "oauth_consent";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> Vec<String> {
        vec![format!("user:{}", self.user_id), format!("client:{}", self.client_id)]
    }
}

impl Consent {
    /// The id of the one consent of this user for this client.
    pub fn id_of(user: &UserId, client: &ClientId) -> String {
        let digest = protocol::sha256(format!("{user}|{client}").as_bytes());
        format!("consent_{}", b64url::encode(digest.get(..16).unwrap_or_default()))
    }

    /// Whether all of this was allowed.
    pub fn covers(&self, scope: &[String]) -> bool {
        scope.iter().all(|word| self.scope.contains(word))
    }

    /// The consent with more allowed.
    #[must_use]
    pub fn plus(&self, scope: &[String], now: Timestamp) -> Self {
        let more = scope.iter().filter(|word| !self.scope.contains(word)).cloned();
        let scope = self.scope.iter().cloned().chain(more).collect();
        Self { scope, given_at: now, ..self.clone() }
    }
}
