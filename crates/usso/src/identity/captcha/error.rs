//! Why a captcha isn't accepted.

use kernel::{Problem, ProblemKind, StorageError};
use protocol::seal::SealError;
use std::borrow::Cow;

/// Why a captcha isn't accepted.
#[derive(Debug, thiserror::Error)]
pub enum CaptchaError {
    /// None was solved where one is needed.
    #[error("a captcha is required")]
    Required,
    /// Not a solution that counts.
    #[error("the captcha was not accepted: {0}")]
    Invalid(&'static str),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The tenant's key can't be derived.
    #[error(transparent)]
    Key(#[from] SealError),
}

impl Problem for CaptchaError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Required => ProblemKind::Forbidden,
            Self::Invalid(_) => ProblemKind::Invalid,
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
            Self::Key(_) => ProblemKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Required => "CAPTCHA_REQUIRED",
            Self::Invalid(_) => "CAPTCHA_INVALID",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
            Self::Key(_) => "INTERNAL_ERROR",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Required => "Solve a captcha first".into(),
            Self::Invalid(why) => format!("The captcha was not accepted: {why}").into(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
            Self::Key(_) => "Internal error".into(),
        }
    }
}
