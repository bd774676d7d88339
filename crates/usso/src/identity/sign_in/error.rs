//! Why somebody can't sign in.

use crate::identity::credentials::HashError;
use crate::identity::identifiers::IdentifierError;
use crate::identity::referrals::service::ReferralError;
use crate::identity::sessions::service::SessionError;
use crate::identity::users::error::{UserError, hash_kind};
use kernel::problem::FieldError;
use kernel::{Problem, ProblemKind, StorageError};
use std::borrow::Cow;

/// Why somebody can't sign in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The identifier can't be one.
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
    /// No such account, or not its secret: nobody learns which.
    #[error("wrong identifier or secret")]
    InvalidCredentials,
    /// The budget of failed attempts is used up (ruling D40).
    #[error("too many failed attempts")]
    RateLimited {
        /// Seconds until the budget is fresh.
        retry_after: u64,
    },
    /// The right secret, but the account may not sign in.
    #[error("the account is not active")]
    AccountInactive,
    /// This tenant's people don't register themselves.
    #[error("registration is disabled")]
    RegistrationDisabled,
    /// The method isn't open here.
    #[error("the method {0} is not open")]
    MethodNotAllowed(String),
    /// The account can't be made.
    #[error(transparent)]
    User(#[from] UserError),
    /// The referral code can't be used.
    #[error(transparent)]
    Referral(#[from] ReferralError),
    /// The session can't be opened.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The hashing pool is overloaded.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for SignInError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Identifier(_) | Self::MethodNotAllowed(_) => ProblemKind::Invalid,
            Self::InvalidCredentials => ProblemKind::Unauthenticated,
            Self::RateLimited { retry_after } => ProblemKind::TooManyRequests { retry_after: *retry_after },
            Self::AccountInactive | Self::RegistrationDisabled => ProblemKind::Forbidden,
            Self::User(e) => e.kind(),
            Self::Referral(e) => e.kind(),
            Self::Session(e) => e.kind(),
            Self::Hash(e) => hash_kind(e),
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Identifier(_) => "INVALID_IDENTIFIER",
            Self::InvalidCredentials => "INVALID_CREDENTIALS",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::AccountInactive => "ACCOUNT_INACTIVE",
            Self::RegistrationDisabled => "REGISTRATION_DISABLED",
            Self::MethodNotAllowed(_) => "METHOD_NOT_AVAILABLE",
            Self::User(e) => e.code(),
            Self::Referral(e) => e.code(),
            Self::Session(e) => e.code(),
            Self::Hash(_) | Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Identifier(e) => e.to_string().into(),
            Self::InvalidCredentials => "Wrong identifier or password".into(),
            Self::RateLimited { .. } => "Too many failed attempts, try again later".into(),
            Self::AccountInactive => "This account is not active".into(),
            Self::RegistrationDisabled => "Registration is disabled".into(),
            Self::MethodNotAllowed(_) => "This sign-in method is not available here".into(),
            Self::User(e) => e.detail(),
            Self::Referral(e) => e.detail(),
            Self::Session(e) => e.detail(),
            Self::Hash(_) | Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        let field = |name: &'static str, msg: String| {
            vec![FieldError { loc: vec!["body".into(), name.into()], msg, kind: "value".into() }]
        };
        match self {
            Self::Identifier(e) => field("identifier", e.to_string()),
            Self::Referral(e @ ReferralError::Refused) => field("referral_code", e.to_string()),
            Self::User(UserError::WeakPassword(e)) => field("secret", e.to_string()),
            _ => Vec::new(),
        }
    }
}
