//! Effects: what must happen because of a write, committed with the write.
//!
//! Audit events, messages, webhooks and cache invalidations travel this way, so none is lost and none is
//! invented. A worker takes those that are due and settles them; invalidations are also a feed that every
//! instance reads by its own position.

use crate::Timestamp;
use serde_json::Value;

/// What an effect is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A security-relevant event for the audit log.
    Audit,
    /// A cache entry that is stale from now on; kept as a feed for ten minutes, never drained.
    Invalidation,
    /// A message to a person: mail, SMS.
    Message,
    /// A call to a tenant's webhook.
    Webhook,
    /// The end of a minute in which equal failures were counted.
    Tally,
    /// A checkpoint of the audit log that is to be signed.
    Checkpoint,
    /// The end of a session, of which applications are told.
    Logout,
}

impl Topic {
    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Invalidation => "invalidation",
            Self::Message => "message",
            Self::Webhook => "webhook",
            Self::Tally => "tally",
            Self::Checkpoint => "checkpoint",
            Self::Logout => "logout",
        }
    }

    /// Reads the stored name.
    pub fn from_stored(text: &str) -> Option<Self> {
        [
            Self::Audit,
            Self::Invalidation,
            Self::Message,
            Self::Webhook,
            Self::Tally,
            Self::Checkpoint,
            Self::Logout,
        ]
        .into_iter()
        .find(|t| t.as_str() == text)
    }
}

/// An effect to commit with a write.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// What it is about.
    pub topic: Topic,
    /// What the worker needs to know.
    pub payload: Value,
    /// Not before this time.
    pub due_at: Timestamp,
}

/// A place in the order of effects. Grows with every commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position(pub u64);

/// An effect as the store gives it back.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEffect {
    /// Its place, unique in the installation; also its name for idempotent application.
    pub position: Position,
    /// The name of the partition whose write caused it.
    pub partition: String,
    /// The effect.
    pub effect: Effect,
    /// How often it was tried before.
    pub attempts: u32,
}

/// What became of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Done: never given out again.
    Done,
    /// Failed: give it out again from this time on, with `attempts` one higher.
    RetryAt(Timestamp),
}
