//! What asking for codes looks like.

use crate::identity::identifiers::IdentifierKind;
use crate::identity::users::schema::UserView;
use crate::tenant::TenantScope;
use crate::tenant::messaging::budget::PAUSE;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A code to send.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RequestOtp {
    /// The address or number. A user name does in the middle of a sign-in, with `channel_type`.
    pub identifier: String,
    /// What it is, if it shall not be guessed.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<IdentifierKind>,
    /// `email` or `sms`; what fits the identifier by default.
    pub channel_type: Option<String>,
    /// `login`, or `verify_identifier`.
    pub purpose: Option<String>,
}

/// A code is on its way, if there is somebody to send it to.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeSentView {
    /// What was done.
    pub message: &'static str,
    /// Digits of the code.
    pub length: usize,
    /// Seconds it is good.
    pub expires_in: i64,
    /// Seconds before another may be asked for.
    pub resend_after: i64,
}

impl CodeSentView {
    /// A code of a tenant.
    pub fn of(tenant: &TenantScope, message: &'static str) -> Self {
        let settings = &tenant.profile().settings;
        Self { message, length: settings.otp_length, expires_in: settings.otp_timeout, resend_after: PAUSE }
    }
}

/// An identifier to prove.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Activate {
    /// The address or number.
    pub identifier: String,
    /// What it is, if it shall not be guessed.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<IdentifierKind>,
    /// The code that was sent; without it one is sent.
    #[schema(value_type = Option<String>, format = Password)]
    pub code: Option<SecretString>,
    /// The same as `code`.
    #[schema(value_type = Option<String>, format = Password)]
    pub secret: Option<SecretString>,
}

/// Where an identifier stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivationView {
    /// `active`, or `pending` while a code is on its way.
    pub status: &'static str,
    /// The user, for who is signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserView>,
    /// Seconds before another code may be asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resend_after: Option<i64>,
}
