//! What signing in by link looks like.

use crate::identity::identifiers::IdentifierKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A link to send.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RequestMagicLink {
    /// The address.
    pub identifier: String,
    /// `email`.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<IdentifierKind>,
    /// A page of the tenant to go to afterwards.
    pub redirect_url: Option<String>,
    /// The same as `redirect_url`.
    pub return_to: Option<String>,
}

/// A link is on its way, if there is somebody to send it to.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkSentView {
    /// What was done.
    pub message: &'static str,
    /// Seconds it works.
    pub expires_in: i64,
}

/// A link to use.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UseMagicLink {
    /// Its token.
    pub token: String,
}

/// Which link.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LinkParams {
    /// Its token.
    pub token: String,
}
