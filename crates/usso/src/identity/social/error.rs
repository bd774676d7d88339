//! Why a social login fails.

use crate::identity::sign_in::SignInError;
use crate::identity::users::error::UserError;
use kernel::{Problem, ProblemKind, StorageError};
use std::borrow::Cow;

/// Why a social login fails.
#[derive(Debug, thiserror::Error)]
pub enum SocialError {
    /// The tenant has no such provider.
    #[error("no such provider")]
    NotFound,
    /// The provider's settings don't suffice.
    #[error("the provider isn't set up: {0}")]
    Misconfigured(&'static str),
    /// The transaction isn't one of ours, of this browser, of now, or it was used. Which is not told.
    #[error("the sign-in was not begun here, or too long ago, or is finished")]
    State,
    /// The provider, or whoever sat there, said no.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// What the provider answered doesn't stand up to the checks.
    #[error("the provider's answer is not acceptable: {0}")]
    Invalid(&'static str),
    /// The provider doesn't answer.
    #[error("the provider doesn't answer")]
    Unreachable,
    /// Nobody here is linked to it, and it proves no address that could tell who is meant. Whether somebody here has the address
    /// is not told.
    #[error("nobody is linked, and no address is proven")]
    SignInFirst,
    /// The account at the provider belongs to somebody else here.
    #[error("linked to another account")]
    LinkTaken,
    /// Linking needs the session it was begun in, and that it is recent.
    #[error("the session is over, or was begun too long ago")]
    NotRecent,
    /// An account is needed, and people don't make them themselves here.
    #[error("registration is disabled")]
    RegistrationRequired,
    /// Nobody signs in this way here.
    #[error("social login is not open")]
    NotOpen,
    /// The account's part of it.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// Sealing or signing failed.
    #[error("sealing failed")]
    Crypto,
}

impl From<UserError> for SocialError {
    fn from(error: UserError) -> Self {
        Self::SignIn(error.into())
    }
}

impl From<StorageError> for SocialError {
    fn from(error: StorageError) -> Self {
        Self::SignIn(error.into())
    }
}

impl SocialError {
    /// Its name for pages: `?error=` of the page that says why signing in failed.
    pub fn slug(&self) -> String {
        match self {
            Self::Refused(error) if error == "access_denied" => error.clone(),
            other => other.code().to_ascii_lowercase(),
        }
    }
}

impl Problem for SocialError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::NotFound => ProblemKind::NotFound,
            Self::State | Self::Refused(_) | Self::Invalid(_) => ProblemKind::Unauthenticated,
            Self::Unreachable => ProblemKind::Unavailable { retry_after: 5 },
            Self::SignInFirst | Self::LinkTaken | Self::Misconfigured(_) => ProblemKind::Conflict,
            Self::NotRecent | Self::RegistrationRequired => ProblemKind::Forbidden,
            Self::NotOpen => ProblemKind::Invalid,
            Self::SignIn(e) => e.kind(),
            Self::Crypto => ProblemKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Misconfigured(_) => "PROVIDER_MISCONFIGURED",
            Self::State => "STATE_INVALID",
            Self::Refused(_) | Self::Invalid(_) => "PROVIDER_REFUSED",
            Self::Unreachable => "PROVIDER_UNAVAILABLE",
            Self::SignInFirst => "SIGN_IN_FIRST",
            Self::LinkTaken => "CONFLICT",
            Self::NotRecent => "RECENT_SIGN_IN_REQUIRED",
            Self::RegistrationRequired => "REGISTRATION_DISABLED",
            Self::NotOpen => "METHOD_NOT_AVAILABLE",
            Self::SignIn(e) => e.code(),
            Self::Crypto => "INTERNAL_ERROR",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "Not found".into(),
            Self::Misconfigured(what) => format!("The provider is not set up: {what}").into(),
            Self::State => {
                "This sign-in was not begun in this browser, or too long ago, or is finished".into()
            }
            Self::Refused(_) => "The provider refused".into(),
            Self::Invalid(_) => "The provider's answer is not acceptable".into(),
            Self::Unreachable => "The provider does not answer; try another way to sign in".into(),
            Self::SignInFirst => {
                "The provider proves no address that could be used here: sign in another way, then link it"
                    .into()
            }
            Self::LinkTaken => "Linked to another account here".into(),
            Self::NotRecent => "Sign in again to link a provider".into(),
            Self::RegistrationRequired => "Registration is disabled".into(),
            Self::NotOpen => "This sign-in method is not available here".into(),
            Self::SignIn(e) => e.detail(),
            Self::Crypto => "Internal error".into(),
        }
    }
}
