//! `urn:ietf:params:oauth:grant-type:jwt-bearer` (RFC 7523 §2.1): an agent's own JWT for an access token.
//!
//! The agent is nobody's client: its JWT says who it is and is the grant at once, under the rules of
//! [`crate::identity::agents::auth`], but for `aud`, which must be this server (§3). There is no refresh token (RFC 7521 §4.1).

use super::issue::Tokens;
use super::request::{Target, asked_scope, required};
use crate::identity::agents::auth::{AgentAuthError, Terms, exchange_on};
use crate::integration::{Context, OauthError};
use kernel::Problem;
use protocol::oauth::{Params, scope};

/// The name of the grant.
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Answers an agent.
///
/// # Errors
/// `invalid_grant` for a JWT that isn't accepted, `invalid_scope` for scopes the agent doesn't hold.
pub(super) async fn exchange(ctx: Context<'_>, params: &Params) -> Result<Tokens, OauthError> {
    let assertion = required(params, "assertion")?;
    let own = ["", "/oauth/token"].map(|path| format!("{}{path}", ctx.issuer));
    let Target(resource) = Target::parse(params)?;
    let scopes = asked_scope(params)?.map(|words| scope::permissions(&words));
    let terms = Terms { audiences: Some(&own), resource, scopes };
    let signed_in = exchange_on(ctx.identity, ctx.tenant, ctx.issuer, (assertion, &terms), ctx.peer).await;
    let tokens = signed_in.map_err(refused)?.tokens;
    Ok(Tokens {
        access_token: tokens.access,
        token_type: "Bearer",
        expires_in: tokens.expires_in,
        refresh_token: None,
        issued_token_type: None,
        scope: tokens.claims.scopes.unwrap_or_default().join(" "),
        id_token: None,
    })
}

fn refused(error: AgentAuthError) -> OauthError {
    match error {
        AgentAuthError::Storage(e) => OauthError::Storage(e),
        AgentAuthError::Sign(e) => OauthError::Sign(e),
        AgentAuthError::Scopes(e) => OauthError::invalid_scope(e.detail()),
        AgentAuthError::Refused => {
            OauthError::invalid_grant("The assertion is no agent's, outdated, or used before")
        }
    }
}
