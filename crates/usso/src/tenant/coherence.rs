//! What the caches of other instances must forget.
//!
//! A change of something cached commits an invalidation with itself, which every instance reads from the feed within
//! a second, and is published after it, which is sooner. Losing a message loses nothing but time.

use kernel::{
    AgentId, ClientId, Effect, KeyId, Scope, SessionId, TenantId, Timestamp, Topic, UserId, WorkspaceId,
};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicI64, Ordering};

/// The channel invalidations are published on.
pub const CHANNEL: &str = "invalidation";

/// How long caches may be trusted after the feed was last read, in seconds: this long a confirmed session goes on when
/// the database is away.
pub const TRUST_SECONDS: i64 = 60;

/// Something that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Stale {
    /// A session that was ended or changed otherwise than by a refresh.
    Session {
        /// Whose.
        tenant: TenantId,
        /// Which.
        id: SessionId,
    },
    /// A user.
    User {
        /// Whose.
        tenant: TenantId,
        /// Which.
        id: UserId,
    },
    /// An agent.
    Agent {
        /// Whose.
        tenant: TenantId,
        /// Which.
        id: AgentId,
    },
    /// An API key.
    ApiKey {
        /// Whose.
        tenant: TenantId,
        /// Which.
        id: KeyId,
    },
    /// An OAuth client.
    Client {
        /// Whose.
        tenant: TenantId,
        /// Which.
        id: ClientId,
    },
    /// A role.
    Role {
        /// Whose.
        tenant: TenantId,
        /// What users and tokens carry.
        slug: String,
    },
    /// A workspace.
    Workspace {
        /// Whose.
        tenant: TenantId,
        /// Which.
        id: WorkspaceId,
    },
    /// A tenant: its settings, keys and domains.
    Tenant {
        /// Which.
        id: TenantId,
        /// The hosts it had and has.
        hosts: Vec<String>,
    },
    /// Whatever is in memory: a tenant came in whose records may be remembered from earlier days.
    Everything,
}

impl Stale {
    /// The effect to commit with the change.
    pub fn effect(&self, scope: &Scope) -> Effect {
        let payload = serde_json::to_value(self).unwrap_or_default();
        Effect { topic: Topic::Invalidation, payload, due_at: scope.now() }
    }

    /// Tells the other instances at once, without waiting for the message to leave.
    pub fn announce(self, scope: &Scope) {
        let Ok(message) = serde_json::to_vec(&self) else { return };
        let scope = scope.clone();
        tokio::spawn(async move {
            if let Err(error) = scope.publish(CHANNEL, &message).await {
                tracing::debug!(%error, "an invalidation goes by the feed alone");
            }
        });
    }
}

/// How far the caches can be trusted.
#[derive(Debug)]
pub struct Freshness {
    /// Microseconds since the epoch; `ALONE` when nobody else writes.
    read_at: AtomicI64,
}

const ALONE: i64 = i64::MAX;

impl Default for Freshness {
    /// That of the only instance: its caches hear of every change.
    fn default() -> Self {
        Self { read_at: AtomicI64::new(ALONE) }
    }
}

impl Freshness {
    /// The feed was read to its end, beginning at this time.
    pub fn read(&self, at: Timestamp) {
        self.read_at.store(at.unix_micros(), Ordering::Relaxed);
    }

    /// Whether nobody else writes: what the caches hold is what is stored.
    pub fn is_alone(&self) -> bool {
        self.read_at.load(Ordering::Relaxed) == ALONE
    }

    /// Whether what the caches hold still counts.
    pub fn holds(&self, now: impl FnOnce() -> Timestamp) -> bool {
        let at = self.read_at.load(Ordering::Relaxed);
        at == ALONE || now() <= Timestamp::from_unix_micros(at).plus_seconds(TRUST_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_count_for_a_minute_after_the_feed_was_read() {
        let (freshness, at) = (Freshness::default(), Timestamp::from_unix_seconds(1_000));
        assert!(freshness.holds(|| at.plus_seconds(1_000_000)), "the only instance hears of everything");
        freshness.read(at);
        assert!(freshness.holds(|| at.plus_seconds(60)));
        assert!(!freshness.holds(|| at.plus_seconds(61)));
    }
}
