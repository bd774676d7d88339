//! Why somebody can't sign in.

use crate::identity::captcha::error::CaptchaError;
use crate::identity::credentials::HashError;
use crate::identity::hooks::HookError;
use crate::identity::identifiers::{IdentifierError, IdentifierKind};
use crate::identity::links::LinkError;
use crate::identity::referrals::service::ReferralError;
use crate::identity::sessions::service::SessionError;
use crate::identity::users::error::{UserError, hash_kind};
use crate::tenant::messaging::service::MessagingError;
use crate::tenant::verify::TokenError;
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
    /// Nobody was named, and no unfinished sign-in says who is meant.
    #[error("no identifier")]
    NoIdentifier,
    /// Nobody signs in with identifiers of this kind here.
    #[error("no sign-in by {0}")]
    IdentifierNotAllowed(IdentifierKind),
    /// A second factor is needed, and there is no way to one.
    #[error("a second factor is needed and can't be had")]
    NoSecondFactor,
    /// Nothing can be sent to identifiers of this kind.
    #[error("a {0} can't be reached")]
    NotReachable(IdentifierKind),
    /// A link that can't be used (any more).
    #[error("the link can't be used")]
    LinkUnusable,
    /// A captcha is to be solved first.
    #[error(transparent)]
    Captcha(#[from] CaptchaError),
    /// There is no way to send it.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    /// The method isn't open here.
    #[error("the method {0} is not open")]
    MethodNotAllowed(String),
    /// The account can't be made.
    #[error(transparent)]
    User(#[from] UserError),
    /// The referral code can't be used.
    #[error(transparent)]
    Referral(#[from] ReferralError),
    /// The token of an unfinished sign-in isn't accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A validator of the tenant denies it, or can't be asked.
    #[error(transparent)]
    Hook(#[from] HookError),
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
            Self::Identifier(_)
            | Self::MethodNotAllowed(_)
            | Self::NoIdentifier
            | Self::NotReachable(_)
            | Self::IdentifierNotAllowed(_) => ProblemKind::Invalid,
            Self::InvalidCredentials | Self::LinkUnusable => ProblemKind::Unauthenticated,
            Self::RateLimited { retry_after } => ProblemKind::TooManyRequests { retry_after: *retry_after },
            Self::AccountInactive | Self::RegistrationDisabled | Self::NoSecondFactor => {
                ProblemKind::Forbidden
            }
            Self::User(e) => e.kind(),
            Self::Referral(e) => e.kind(),
            Self::Captcha(e) => e.kind(),
            Self::Messaging(e) => e.kind(),
            Self::Token(e) => e.kind(),
            Self::Session(e) => e.kind(),
            Self::Hook(e) => e.kind(),
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
            Self::LinkUnusable => "LINK_INVALID",
            Self::NoIdentifier | Self::NotReachable(_) => "VALIDATION_ERROR",
            Self::NoSecondFactor => "MFA_REQUIRED",
            Self::MethodNotAllowed(_) | Self::IdentifierNotAllowed(_) => "METHOD_NOT_AVAILABLE",
            Self::User(e) => e.code(),
            Self::Referral(e) => e.code(),
            Self::Captcha(e) => e.code(),
            Self::Messaging(e) => e.code(),
            Self::Token(e) => e.code(),
            Self::Session(e) => e.code(),
            Self::Hook(e) => e.code(),
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
            Self::NoIdentifier => "identifier: is required".into(),
            Self::NoSecondFactor => {
                "A second factor is needed, and this account has none; ask an administrator".into()
            }
            Self::MethodNotAllowed(_) => "This sign-in method is not available here".into(),
            Self::IdentifierNotAllowed(kind) => format!("Nobody signs in with a {kind} here").into(),
            Self::User(e) => e.detail(),
            Self::Referral(e) => e.detail(),
            Self::LinkUnusable => "This link can't be used: it was used before, or it is too old".into(),
            Self::NotReachable(kind) => format!("Nothing can be sent to a {kind}").into(),
            Self::Captcha(e) => e.detail(),
            Self::Messaging(e) => e.detail(),
            Self::Token(e) => e.detail(),
            Self::Session(e) => e.detail(),
            Self::Hook(e) => e.detail(),
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

impl From<LinkError> for SignInError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Unusable => Self::LinkUnusable,
            LinkError::Sign(e) => Self::Session(e.into()),
            LinkError::Storage(e) => Self::Storage(e),
        }
    }
}
