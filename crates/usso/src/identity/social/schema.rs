//! What social login accepts and answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where to go after signing in.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuthorizeParams {
    /// A page of the tenant; anything else is ignored.
    pub redirect_url: Option<String>,
    /// The same as `redirect_url`.
    pub return_to: Option<String>,
}

/// What a provider sends a browser back with.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CallbackParams {
    /// The transaction.
    pub state: Option<String>,
    /// What to redeem.
    pub code: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
}

/// A link to begin.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct BeginLink {
    /// Where to go at the end: a page of the tenant.
    pub redirect_url: Option<String>,
}

/// Where to send the browser.
#[derive(Debug, Serialize, ToSchema)]
pub struct BegunView {
    /// The provider's page.
    pub authorization_url: String,
    /// Seconds it may take.
    pub expires_in: i64,
}

/// What Telegram's widget hands to its page.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TelegramLogin {
    /// The account.
    pub id: i64,
    /// A name.
    pub first_name: Option<String>,
    /// Another.
    pub last_name: Option<String>,
    /// The name others find the account by.
    pub username: Option<String>,
    /// A picture.
    pub photo_url: Option<String>,
    /// When its owner agreed, in Unix seconds.
    pub auth_date: i64,
    /// What proves it.
    pub hash: String,
}
