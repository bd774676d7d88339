//! Why a key can't be made, changed or used.

use super::service::MAX_KEYS;
use crate::access_control::delegation::DelegationError;
use kernel::{Problem, ProblemKind, StorageError};
use std::borrow::Cow;

/// Why a key can't be made, changed or used.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// Not a key of this tenant that may be used. Which check failed is not told.
    #[error("invalid API key")]
    Refused,
    /// There is no such key here.
    #[error("no such API key")]
    NotFound,
    /// `If-Match` named another revision.
    #[error("the API key was changed meanwhile")]
    Stale,
    /// A value that can't be.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// The user has [`MAX_KEYS`].
    #[error("too many API keys")]
    TooMany,
    /// The key a request was made with must outlive what it makes.
    #[error("longer than the API key it is made with")]
    Outlives,
    /// Scopes that can't be granted.
    #[error(transparent)]
    Scopes(#[from] DelegationError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for ApiKeyError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Refused => ProblemKind::Unauthenticated,
            Self::NotFound => ProblemKind::NotFound,
            Self::Stale => ProblemKind::PreconditionFailed,
            Self::Invalid(_) => ProblemKind::Invalid,
            Self::TooMany => ProblemKind::Conflict,
            Self::Outlives => ProblemKind::Forbidden,
            Self::Scopes(e) => e.kind(),
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Refused => "API_KEY_INVALID",
            Self::NotFound => "NOT_FOUND",
            Self::Stale => "PRECONDITION_FAILED",
            Self::Invalid(_) => "VALIDATION_ERROR",
            Self::TooMany => "CONFLICT",
            Self::Outlives => "PERMISSION_DENIED",
            Self::Scopes(e) => e.code(),
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Refused => "Invalid API key".into(),
            Self::NotFound => "Not found".into(),
            Self::Stale => "The object was changed since it was read".into(),
            Self::Invalid(detail) => detail.clone(),
            Self::TooMany => format!("At most {MAX_KEYS} API keys per user").into(),
            Self::Outlives => "An API key can't give a key more time than it has itself".into(),
            Self::Scopes(e) => e.detail(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}
