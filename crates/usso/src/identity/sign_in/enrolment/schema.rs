//! What setting up a second factor looks like.

use crate::identity::users::credentials::authenticator::Enrolment;
use crate::identity::users::schema::{CredentialView, credential_view};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to set up.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Enrol {
    /// `totp`.
    pub method: String,
}

/// A code of an authenticator that is being set up.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ConfirmEnrolment {
    /// The authenticator.
    pub credential_id: String,
    /// What it shows.
    #[schema(value_type = String, format = Password)]
    pub code: SecretString,
}

/// An authenticator that waits for its first code. Its secret is shown this once.
#[derive(Serialize, ToSchema)]
pub struct AuthenticatorView {
    /// The credential.
    #[serde(flatten)]
    pub credential: CredentialView,
    /// The secret, to be typed into an authenticator app.
    pub secret: String,
    /// The same as a link an app on this device opens.
    pub otpauth_url: String,
    /// The same as a picture an app on another device reads: an SVG as `data:` URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qr: Option<String>,
}

impl AuthenticatorView {
    /// An authenticator of a tenant's user.
    pub fn of(tenant: &str, begun: &Enrolment) -> Self {
        let url = begun.otpauth_url.expose_secret();
        Self {
            credential: credential_view(tenant, &begun.user, &begun.credential),
            secret: begun.secret.expose_secret().to_owned(),
            otpauth_url: url.to_owned(),
            qr: crate::identity::picture::qr(url),
        }
    }
}
