//! Why a client can't be made or changed.

use crate::access_control::delegation::DelegationError;
use kernel::problem::FieldError;
use kernel::{Problem, ProblemKind, StorageError};
use std::borrow::Cow;

/// Most clients of a tenant.
pub const MAX_CLIENTS: u64 = 10_000;

/// Why a client can't be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no such client here.
    #[error("no such client")]
    NotFound,
    /// `If-Match` named another revision.
    #[error("the client was changed meanwhile")]
    Stale,
    /// A member that can't be: its name in RFC 7591's vocabulary, and why.
    #[error("{0}: {1}")]
    Invalid(&'static str, Cow<'static, str>),
    /// It keeps no secret.
    #[error("a public client has no secret")]
    NoSecret,
    /// The tenant has [`MAX_CLIENTS`].
    #[error("too many clients")]
    TooMany,
    /// Scopes that can't be granted.
    #[error(transparent)]
    Scopes(#[from] DelegationError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for ClientError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::NotFound => ProblemKind::NotFound,
            Self::Stale => ProblemKind::PreconditionFailed,
            Self::Invalid(..) => ProblemKind::Invalid,
            Self::NoSecret | Self::TooMany => ProblemKind::Conflict,
            Self::Scopes(e) => e.kind(),
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Stale => "PRECONDITION_FAILED",
            Self::Invalid(..) => "VALIDATION_ERROR",
            Self::NoSecret | Self::TooMany => "CONFLICT",
            Self::Scopes(e) => e.code(),
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "Not found".into(),
            Self::Stale => "The object was changed since it was read".into(),
            Self::Invalid(field, why) => format!("{field}: {why}").into(),
            Self::NoSecret => "A public client has no secret".into(),
            Self::TooMany => format!("At most {MAX_CLIENTS} clients").into(),
            Self::Scopes(e) => e.detail(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(field, why) => {
                let loc = vec!["body".into(), (*field).into()];
                vec![FieldError { loc, msg: why.clone().into_owned(), kind: "value".into() }]
            }
            _ => Vec::new(),
        }
    }
}
