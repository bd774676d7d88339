//! Why a passkey isn't registered or doesn't sign anybody in.

use crate::identity::users::error::UserError;
use crate::tenant::tenants::service::TenantError;
use kernel::{Problem, ProblemKind, StorageError};
use protocol::seal::SealError;
use std::borrow::Cow;

/// Why a passkey isn't registered or doesn't sign anybody in.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// The tenant doesn't allow them, or has no host name they could be made for.
    #[error("passkeys are not available here")]
    NotAvailable,
    /// What the authenticator answered is no good; which check failed is told, for it is the user's own doing.
    #[error("the new passkey was refused: {0}")]
    NotRegistered(Cow<'static, str>),
    /// Somebody has it already.
    #[error("the passkey is registered")]
    Exists,
    /// Not an assertion that signs anybody in; which check failed is not told.
    #[error("the passkey was refused: {0}")]
    Refused(Cow<'static, str>),
    /// The user can't be changed.
    #[error(transparent)]
    User(#[from] UserError),
    /// The RP id can't be settled.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The tenant's key can't be derived.
    #[error(transparent)]
    Key(#[from] SealError),
    /// A passkey can't be written down.
    #[error("a passkey can't be serialised: {0}")]
    Format(#[source] serde_json::Error),
}

impl Problem for PasskeyError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::NotAvailable | Self::NotRegistered(_) => ProblemKind::Invalid,
            Self::Exists => ProblemKind::Conflict,
            Self::Refused(_) => ProblemKind::Unauthenticated,
            Self::User(e) => e.kind(),
            Self::Tenant(e) => e.kind(),
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
            Self::Key(_) | Self::Format(_) => ProblemKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotAvailable => "METHOD_NOT_AVAILABLE",
            Self::NotRegistered(_) => "PASSKEY_INVALID",
            Self::Exists => "CONFLICT",
            Self::Refused(_) => "INVALID_CREDENTIALS",
            Self::User(e) => e.code(),
            Self::Tenant(e) => e.code(),
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
            Self::Key(_) | Self::Format(_) => "INTERNAL_ERROR",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::NotAvailable => "Passkeys are not available here".into(),
            Self::NotRegistered(why) => format!("The passkey was not registered: {why}").into(),
            Self::Exists => "This passkey is registered already".into(),
            Self::Refused(_) => "The passkey was not accepted".into(),
            Self::User(e) => e.detail(),
            Self::Tenant(e) => e.detail(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
            Self::Key(_) | Self::Format(_) => "Internal error".into(),
        }
    }
}
