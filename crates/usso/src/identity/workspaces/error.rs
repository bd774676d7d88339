//! Why something can't be done with a workspace.

use crate::access_control::delegation::DelegationError;
use crate::access_control::permission::PermissionDenied;
use crate::access_control::roles::effective::AssignError;
use crate::access_control::roles::service::RoleError;
use crate::identity::identifiers::IdentifierError;
use kernel::{Problem, ProblemKind, StorageError};
use std::borrow::Cow;

/// Why something can't be done with a workspace, its members or invitations.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The tenant has switched workspaces off.
    #[error("workspaces are switched off")]
    Disabled,
    /// There is no such thing here.
    #[error("no such workspace, member or invitation")]
    NotFound,
    /// The caller sees it, but may not do this.
    #[error(transparent)]
    Denied(#[from] PermissionDenied),
    /// Only somebody else may answer this invitation.
    #[error("the invitation is for somebody else")]
    NotInvited,
    /// An invitation is answered by a person, not by a program or somebody in their name.
    #[error("not here in person")]
    NotAPerson,
    /// Used up, declined or expired, and known to the caller.
    #[error("the invitation is over")]
    Gone,
    /// `If-Match` named another revision.
    #[error("the object was changed meanwhile")]
    Stale,
    /// A value that can't be.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// It clashes with what is there.
    #[error("{0}")]
    Conflict(Cow<'static, str>),
    /// Not an identifier.
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
    /// Roles that can't be granted.
    #[error(transparent)]
    Scopes(#[from] DelegationError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl WorkspaceError {
    /// The last owner would go.
    pub(super) const LAST_OWNER: Self =
        Self::Conflict(Cow::Borrowed("The last owner can't go: make another one first"));
}

impl From<AssignError> for WorkspaceError {
    fn from(error: AssignError) -> Self {
        match error {
            AssignError::Scopes(e) => Self::Scopes(e),
            AssignError::Storage(e) => Self::Storage(e),
        }
    }
}

impl From<RoleError> for WorkspaceError {
    fn from(error: RoleError) -> Self {
        match error {
            RoleError::Scopes(e) => Self::Scopes(e),
            RoleError::Storage(e) => Self::Storage(e),
            other => Self::Invalid(other.detail()),
        }
    }
}

impl Problem for WorkspaceError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Disabled | Self::NotInvited | Self::NotAPerson => ProblemKind::Forbidden,
            Self::NotFound => ProblemKind::NotFound,
            Self::Denied(e) => e.kind(),
            Self::Gone => ProblemKind::Gone,
            Self::Stale => ProblemKind::PreconditionFailed,
            Self::Invalid(_) | Self::Identifier(_) => ProblemKind::Invalid,
            Self::Conflict(_) => ProblemKind::Conflict,
            Self::Scopes(e) => e.kind(),
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Disabled => "WORKSPACES_DISABLED",
            Self::NotFound => "NOT_FOUND",
            Self::Denied(e) => e.code(),
            Self::NotInvited | Self::NotAPerson => "PERMISSION_DENIED",
            Self::Gone => "GONE",
            Self::Stale => "PRECONDITION_FAILED",
            Self::Invalid(_) => "VALIDATION_ERROR",
            Self::Identifier(_) => "INVALID_IDENTIFIER",
            Self::Conflict(_) => "CONFLICT",
            Self::Scopes(e) => e.code(),
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Disabled => "Workspaces are switched off here".into(),
            Self::NotFound => "Not found".into(),
            Self::Denied(e) => e.detail(),
            Self::NotInvited => "This invitation is for somebody else".into(),
            Self::NotAPerson => "An invitation is answered by who signs in themself".into(),
            Self::Gone => "This invitation was used or has expired".into(),
            Self::Stale => "The object was changed since it was read".into(),
            Self::Invalid(detail) | Self::Conflict(detail) => detail.clone(),
            Self::Identifier(e) => e.to_string().into(),
            Self::Scopes(e) => e.detail(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}
