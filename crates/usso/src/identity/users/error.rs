//! Why a user can't be created or changed.

use crate::access_control::delegation::DelegationError;
use crate::access_control::permission::PermissionDenied;
use crate::access_control::roles::effective::AssignError;
use crate::access_control::roles::service::RoleError;
use crate::identity::credentials::{HashError, PolicyViolation};
use crate::identity::identifiers::IdentifierError;
use crate::identity::workspaces::error::WorkspaceError;
use kernel::{Problem, ProblemKind, StorageError};
use protocol::seal::SealError;
use std::borrow::Cow;

/// Why a user can't be created or changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The password doesn't satisfy the tenant's policy.
    #[error("{0}")]
    WeakPassword(PolicyViolation),
    /// Somebody has this identifier.
    #[error("the identifier is taken")]
    IdentifierExists,
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// The caller may not do this with this user.
    #[error(transparent)]
    Denied(#[from] PermissionDenied),
    /// `If-Match` named another revision.
    #[error("the user was changed meanwhile")]
    Stale,
    /// A value that can't be.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// Not an identifier.
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
    /// It would be more than there may be (ruling D33).
    #[error("{0}")]
    TooMany(&'static str),
    /// The built-in system administrator.
    #[error("the system administrator can't be taken away")]
    Protected,
    /// What was proven when signing in is too long ago.
    #[error("the sign-in is too long ago")]
    NotRecent,
    /// Roles that can't be assigned.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// Memberships that can't be given or taken.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// Scopes that can't be granted.
    #[error(transparent)]
    Scopes(#[from] DelegationError),
    /// The hashing pool is overloaded, or the password can't be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// A secret can't be sealed or opened.
    #[error(transparent)]
    Sealed(SealError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for UserError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::WeakPassword(_) => ProblemKind::Invalid,
            Self::IdentifierExists => ProblemKind::Conflict,
            Self::NotFound => ProblemKind::NotFound,
            Self::Denied(e) => e.kind(),
            Self::Stale => ProblemKind::PreconditionFailed,
            Self::Invalid(_) | Self::Identifier(_) => ProblemKind::Invalid,
            Self::TooMany(_) | Self::Protected => ProblemKind::Conflict,
            Self::NotRecent => ProblemKind::Forbidden,
            Self::Role(e) => e.kind(),
            Self::Workspace(e) => e.kind(),
            Self::Scopes(e) => e.kind(),
            Self::Hash(e) => hash_kind(e),
            Self::Sealed(_) => ProblemKind::Internal,
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::WeakPassword(_) => "WEAK_PASSWORD",
            Self::IdentifierExists => "IDENTIFIER_EXISTS",
            Self::NotFound => "NOT_FOUND",
            Self::Denied(e) => e.code(),
            Self::Stale => "PRECONDITION_FAILED",
            Self::Invalid(_) => "VALIDATION_ERROR",
            Self::Identifier(_) => "INVALID_IDENTIFIER",
            Self::TooMany(_) | Self::Protected => "CONFLICT",
            Self::NotRecent => "RECENT_SIGN_IN_REQUIRED",
            Self::Role(e) => e.code(),
            Self::Workspace(e) => e.code(),
            Self::Scopes(e) => e.code(),
            Self::Sealed(_) => "INTERNAL_ERROR",
            Self::Hash(_) | Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::WeakPassword(violation) => violation.to_string().into(),
            Self::IdentifierExists => "This identifier is already in use".into(),
            Self::NotFound => "Not found".into(),
            Self::Denied(e) => e.detail(),
            Self::Stale => "The object was changed since it was read".into(),
            Self::Invalid(detail) => detail.clone(),
            Self::Identifier(e) => e.to_string().into(),
            Self::TooMany(detail) => (*detail).into(),
            Self::Protected => "The built-in system administrator can't be taken away".into(),
            Self::NotRecent => "Sign in again to do this".into(),
            Self::Role(e) => e.detail(),
            Self::Workspace(e) => e.detail(),
            Self::Scopes(e) => e.detail(),
            Self::Sealed(_) => "Internal error".into(),
            Self::Hash(_) | Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

/// How a hashing failure shows: overload passes, the rest is a defect.
pub fn hash_kind(error: &HashError) -> ProblemKind {
    match error {
        HashError::Overloaded { retry_after_seconds } => {
            ProblemKind::Unavailable { retry_after: *retry_after_seconds }
        }
        _ => ProblemKind::Internal,
    }
}

impl From<AssignError> for UserError {
    fn from(error: AssignError) -> Self {
        match error {
            AssignError::Scopes(e) => Self::Scopes(e),
            AssignError::Storage(e) => Self::Storage(e),
        }
    }
}
