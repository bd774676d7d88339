//! What credentials look like when they are made.

use crate::identity::sign_in::enrolment::schema::AuthenticatorView;
use crate::identity::users::schema::CredentialView;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A code of an authenticator that waits for it.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ConfirmCredential {
    /// What it shows.
    #[schema(value_type = String, format = Password)]
    pub code: SecretString,
}

/// Backup codes, shown this once.
#[derive(Serialize, ToSchema)]
pub struct BackupCodesView {
    /// The credential.
    #[serde(flatten)]
    pub credential: CredentialView,
    /// The codes. Each signs in once, in the place of an authenticator.
    pub codes: Vec<String>,
}

impl BackupCodesView {
    /// New codes.
    pub fn of(credential: CredentialView, codes: &[SecretString]) -> Self {
        let codes = codes.iter().map(|code| code.expose_secret().to_owned()).collect();
        Self { credential, codes }
    }
}

/// A new credential, with what is shown this once.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum NewCredentialView {
    /// An authenticator.
    Authenticator(AuthenticatorView),
    /// Backup codes.
    BackupCodes(BackupCodesView),
    /// Nothing is shown.
    Plain(CredentialView),
}
