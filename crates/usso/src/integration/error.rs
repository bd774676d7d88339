//! Errors in the words of the standards.

use crate::identity::hooks::HookError;
use crate::identity::sessions::service::SessionError;
use crate::tenant::keys::keyring::KeyRingError;
use crate::tenant::verify::TokenError;
use kernel::{Problem, ProblemKind, StorageError};
use std::borrow::Cow;

/// What the standards call what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OauthCode {
    /// RFC 6749 §4.1.2.1, §5.2.
    InvalidRequest,
    /// RFC 6749 §5.2.
    InvalidClient,
    /// RFC 6749 §5.2.
    InvalidGrant,
    /// RFC 6749 §4.1.2.1, §5.2.
    UnauthorizedClient,
    /// RFC 6749 §5.2.
    UnsupportedGrantType,
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType,
    /// RFC 6749 §4.1.2.1, §5.2.
    InvalidScope,
    /// RFC 6749 §4.1.2.1.
    AccessDenied,
    /// RFC 8707 §2.
    InvalidTarget,
    /// RFC 6750 §3.1.
    InsufficientScope,
    /// OpenID Connect Core §3.1.2.6.
    LoginRequired,
    /// OpenID Connect Core §3.1.2.6.
    ConsentRequired,
    /// OpenID Connect Core §3.1.2.6.
    AccountSelectionRequired,
    /// OpenID Connect Core §3.1.2.6.
    RegistrationNotSupported,
    /// OpenID Connect Core §3.1.2.6.
    RequestNotSupported,
    /// OpenID Connect Core §3.1.2.6.
    RequestUriNotSupported,
    /// OpenID Connect Core, Unmet Authentication Requirements.
    UnmetAuthenticationRequirements,
    /// RFC 9101 §6.2, RFC 9126 §2.2.
    InvalidRequestUri,
    /// RFC 9449 §5.
    InvalidDpopProof,
    /// RFC 8628 §3.5.
    AuthorizationPending,
    /// RFC 8628 §3.5.
    SlowDown,
    /// RFC 8628 §3.5.
    ExpiredToken,
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata,
}

impl OauthCode {
    /// As the standards spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::InvalidTarget => "invalid_target",
            Self::InsufficientScope => "insufficient_scope",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::InvalidClient => "INVALID_CLIENT",
            Self::InvalidGrant => "INVALID_GRANT",
            Self::UnauthorizedClient => "UNAUTHORIZED_CLIENT",
            Self::UnsupportedGrantType => "UNSUPPORTED_GRANT_TYPE",
            Self::UnsupportedResponseType => "UNSUPPORTED_RESPONSE_TYPE",
            Self::InvalidScope => "INVALID_SCOPE",
            Self::AccessDenied => "ACCESS_DENIED",
            Self::InvalidTarget => "INVALID_TARGET",
            Self::InsufficientScope => "INSUFFICIENT_SCOPE",
            Self::LoginRequired => "LOGIN_REQUIRED",
            Self::ConsentRequired => "CONSENT_REQUIRED",
            Self::AccountSelectionRequired => "ACCOUNT_SELECTION_REQUIRED",
            Self::RegistrationNotSupported => "REGISTRATION_NOT_SUPPORTED",
            Self::RequestNotSupported => "REQUEST_NOT_SUPPORTED",
            Self::RequestUriNotSupported => "REQUEST_URI_NOT_SUPPORTED",
            Self::UnmetAuthenticationRequirements => "UNMET_AUTHENTICATION_REQUIREMENTS",
            Self::InvalidRequestUri => "INVALID_REQUEST_URI",
            Self::InvalidDpopProof => "INVALID_DPOP_PROOF",
            Self::AuthorizationPending => "AUTHORIZATION_PENDING",
            Self::SlowDown => "SLOW_DOWN",
            Self::ExpiredToken => "EXPIRED_TOKEN",
            Self::InvalidRedirectUri => "INVALID_REDIRECT_URI",
            Self::InvalidClientMetadata => "INVALID_CLIENT_METADATA",
        }
    }
}

/// Why a client doesn't get what it asks for.
#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    /// The standards have a word for it, and we a sentence.
    #[error("{code}: {detail}", code = .0.as_str(), detail = .1)]
    Refused(OauthCode, Cow<'static, str>),
    /// Too many failures from where it comes.
    #[error("too many failures")]
    TooMany {
        /// Seconds until it makes sense to try again.
        retry_after: u64,
    },
    /// A token that isn't accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] KeyRingError),
    /// A key couldn't be made.
    #[error("no key for id tokens: {0}")]
    Key(String),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl OauthError {
    /// What the standards call it; none for what is nobody's fault.
    pub fn oauth_code(&self) -> Option<OauthCode> {
        match self {
            Self::Refused(code, _) => Some(*code),
            _ => None,
        }
    }
}

/// Shorthands, one for each code that is used in many places.
macro_rules! shorthand {
    ($($name:ident $code:ident),+) => {
        impl OauthError {
            $(
                #[doc = concat!("`", stringify!($name), "` with a sentence.")]
                pub fn $name(detail: impl Into<Cow<'static, str>>) -> Self {
                    Self::Refused(OauthCode::$code, detail.into())
                }
            )+
        }
    };
}

shorthand!(
    invalid_request InvalidRequest,
    invalid_client InvalidClient,
    invalid_grant InvalidGrant,
    invalid_scope InvalidScope,
    unauthorized_client UnauthorizedClient,
    invalid_target InvalidTarget,
    invalid_request_uri InvalidRequestUri,
    invalid_dpop_proof InvalidDpopProof
);

impl Problem for OauthError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Refused(OauthCode::InvalidClient, _) => ProblemKind::Unauthenticated,
            Self::Refused(OauthCode::InsufficientScope, _) => ProblemKind::Forbidden,
            Self::Refused(..) => ProblemKind::Invalid,
            Self::TooMany { retry_after } => ProblemKind::TooManyRequests { retry_after: *retry_after },
            Self::Token(e) => e.kind(),
            Self::Sign(_) | Self::Key(_) => ProblemKind::Internal,
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Refused(code, _) => code.code(),
            Self::TooMany { .. } => "RATE_LIMITED",
            Self::Token(e) => e.code(),
            Self::Sign(_) | Self::Key(_) => "INTERNAL_ERROR",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Refused(_, detail) => detail.clone(),
            Self::TooMany { .. } => "Too many failures; try again later".into(),
            Self::Token(e) => e.detail(),
            Self::Sign(_) | Self::Key(_) => "Internal error".into(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

/// A validator's no is, to a client, a grant that is none, in the validator's words.
impl From<HookError> for OauthError {
    fn from(error: HookError) -> Self {
        match error {
            HookError::Denied(_) => Self::invalid_grant(error.detail()),
            HookError::Unavailable => Self::Storage(StorageError::Unavailable("a validator".to_owned())),
            HookError::Storage(e) => Self::Storage(e),
        }
    }
}

/// What a session says no to is, to a client, a grant that is none.
impl From<SessionError> for OauthError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Storage(e) => Self::Storage(e),
            SessionError::Sign(e) => Self::Sign(e),
            SessionError::Reused => {
                Self::invalid_grant("This refresh token was used before; what came of it has ended")
            }
            SessionError::Hook(e) => e.into(),
            SessionError::MfaRequired => Self::invalid_grant("A second factor is needed; sign in again"),
            _ => Self::invalid_grant("The refresh token is invalid, expired, revoked, or another client's"),
        }
    }
}
