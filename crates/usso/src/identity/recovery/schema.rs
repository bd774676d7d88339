//! What choosing a new password looks like.

use crate::identity::identifiers::IdentifierKind;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

/// A new password: with an identifier alone a way to it is sent; with a token, or a code, or in a session, it is set.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ResetPassword {
    /// Who wants one.
    pub identifier: Option<String>,
    /// What the identifier is, if it shall not be guessed.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<IdentifierKind>,
    /// The token of the link.
    pub secure_token: Option<String>,
    /// The same as `secure_token`.
    pub token: Option<String>,
    /// The code that was sent to the number.
    #[schema(value_type = Option<String>, format = Password)]
    pub code: Option<SecretString>,
    /// The password.
    #[schema(value_type = Option<String>, format = Password)]
    pub new_password: Option<SecretString>,
    /// The same as `new_password`.
    #[schema(value_type = Option<String>, format = Password)]
    pub password: Option<SecretString>,
}

/// Another password.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChangePassword {
    /// The present one; who has signed in within ten minutes may leave it out.
    #[schema(value_type = Option<String>, format = Password)]
    pub old_password: Option<SecretString>,
    /// The new one.
    #[schema(value_type = String, format = Password)]
    pub new_password: SecretString,
}
