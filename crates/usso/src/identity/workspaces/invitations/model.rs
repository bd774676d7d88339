//! The record of an invitation.

use crate::identity::identifiers::IdentifierKind;
use kernel::{InvitationId, Key, Record, Timestamp, UserId, WorkspaceId};
use serde::{Deserialize, Serialize};

/// Seconds an invitation is kept after it ended, so that its token is answered "over" rather than "unknown".
const KEPT: i64 = 30 * 86_400;

/// Seconds after its end in which one that was being accepted can be finished.
const FINISH: i64 = 3_600;

/// Who is invited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Invitee {
    /// Somebody of the tenant.
    User {
        /// Who.
        id: UserId,
    },
    /// Whoever has this identifier.
    Identifier {
        /// What it is.
        kind: IdentifierKind,
        /// Its normalised value.
        value: String,
    },
}

/// Where an invitation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// It can be answered.
    Pending,
    /// Somebody is accepting it, and nobody else can; they become a member before it is accepted.
    Claimed {
        /// Who.
        by: UserId,
    },
    /// Its invitee is a member.
    Accepted {
        /// Who.
        by: UserId,
    },
    /// Its invitee would rather not.
    Declined {
        /// Who.
        by: UserId,
    },
}

/// An invitation to a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// `invitation_…`.
    pub id: InvitationId,
    /// Where to.
    pub workspace_id: WorkspaceId,
    /// Who is invited.
    pub invitee: Invitee,
    /// The roles the inviter gives.
    pub roles: Vec<String>,
    /// Who invites.
    pub invited_by: UserId,
    /// The workspace in which the inviter holds what they give.
    pub invited_in: Option<String>,
    /// The token's digest.
    pub token_hash: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
}

impl Record for Invitation {
    const KIND: &'static str = "invitation";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn keys(&self) -> Vec<Key> {
        self.token_hash.iter().map(|hash| Key::new("token", hash)).collect()
    }

    fn tags(&self) -> Vec<String> {
        let waits = matches!(self.state, State::Pending | State::Claimed { .. });
        let workspace = format!("workspace:{}", self.workspace_id);
        vec![workspace, format!("pending:{waits}"), self.invitee.tag()]
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at.plus_seconds(KEPT))
    }
}

impl Invitee {
    /// The tag invitations of the same invitee have.
    pub fn tag(&self) -> String {
        match self {
            Self::User { id } => format!("invitee:{id}"),
            Self::Identifier { kind, value } => format!("invitee:{kind}:{value}"),
        }
    }
}

impl Invitation {
    /// Whether this user can answer it now.
    pub fn waits_for(&self, user: &UserId, now: Timestamp) -> bool {
        match &self.state {
            State::Pending => now < self.expires_at,
            // What they began they can finish, but not for ever.
            State::Claimed { by } => by == user && now < self.expires_at.plus_seconds(FINISH),
            State::Accepted { .. } | State::Declined { .. } => false,
        }
    }

    /// Its status on the wire.
    pub fn status(&self, now: Timestamp) -> &'static str {
        match self.state {
            State::Accepted { .. } => "accepted",
            State::Declined { .. } => "declined",
            State::Pending | State::Claimed { .. } if now < self.expires_at => "pending",
            State::Pending | State::Claimed { .. } => "expired",
        }
    }

    /// The invitee or whoever answered, if known.
    pub fn user(&self) -> Option<&UserId> {
        match (&self.state, &self.invitee) {
            (State::Accepted { by } | State::Declined { by }, _) => Some(by),
            (_, Invitee::User { id }) => Some(id),
            _ => None,
        }
    }
}

/// A token's digest, as it is kept.
pub fn digest(token: &str) -> String {
    protocol::b64url::encode(protocol::sha256(token.as_bytes()))
}
