//! Why a session can't be opened, refreshed or ended.

use crate::identity::hooks::HookError;
use crate::tenant::keys::keyring::KeyRingError;
use crate::tenant::verify::TokenError;
use kernel::{Problem, ProblemKind, StorageError};
use std::borrow::Cow;

/// Most bytes a session's `meta_data` may take as JSON.
pub const MAX_META_DATA: usize = 4_096;

/// Why a session can't be opened, refreshed or ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The token isn't accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The user doesn't belong to this workspace, or it is closed.
    #[error("not a member of the workspace")]
    NotAMember,
    /// A refresh token that was left behind long ago came back: the session is ended.
    #[error("a refresh token was used again")]
    Reused,
    /// It was opened with one factor, and the tenant wants two by now.
    #[error("a second factor is needed")]
    MfaRequired,
    /// There is no such session here.
    #[error("no such session")]
    NotFound,
    /// `If-Match` named another revision.
    #[error("the session was changed meanwhile")]
    Stale,
    /// `meta_data` would outgrow [`MAX_META_DATA`].
    #[error("too much meta data")]
    MetaDataTooLarge,
    /// A validator of the tenant denies it, or can't be asked.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] KeyRingError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for SessionError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Token(e) => e.kind(),
            Self::Hook(e) => e.kind(),
            Self::NotAMember => ProblemKind::Forbidden,
            Self::Reused | Self::MfaRequired => ProblemKind::Unauthenticated,
            Self::NotFound => ProblemKind::NotFound,
            Self::Stale => ProblemKind::PreconditionFailed,
            Self::MetaDataTooLarge => ProblemKind::Invalid,
            Self::Sign(_) => ProblemKind::Internal,
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Token(e) => e.code(),
            Self::Hook(e) => e.code(),
            Self::NotAMember => "PERMISSION_DENIED",
            Self::Reused => "REFRESH_TOKEN_REUSED",
            Self::MfaRequired => "MFA_REQUIRED",
            Self::NotFound => "NOT_FOUND",
            Self::Stale => "PRECONDITION_FAILED",
            Self::MetaDataTooLarge => "VALIDATION_ERROR",
            Self::Sign(_) => "INTERNAL_ERROR",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Token(e) => e.detail(),
            Self::Hook(e) => e.detail(),
            Self::NotAMember => "You don't belong to this workspace".into(),
            Self::Reused => "This refresh token was used before; the session has been ended".into(),
            Self::MfaRequired => "A second factor is needed; sign in again".into(),
            Self::NotFound => "Not found".into(),
            Self::Stale => "The object was changed since it was read".into(),
            Self::MetaDataTooLarge => format!("meta_data: at most {MAX_META_DATA} bytes").into(),
            Self::Sign(_) => "Internal error".into(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}
