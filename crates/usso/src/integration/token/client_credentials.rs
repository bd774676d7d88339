//! `client_credentials` (RFC 6749 §4.4): a client in its own name. No session, no refresh token, no id token; nothing is
//! written.

use super::Bearer;
use super::issue::{Issue, Subject, Tokens, access};
use super::request::{CredentialsGrant, Target};
use crate::integration::{Context, OauthError};
use protocol::oauth::scope::OPENID;

/// Makes an access token for what the client asks for, or for all it may.
///
/// # Errors
/// `invalid_scope` for what it may not, `invalid_target`.
pub(super) fn issue(
    ctx: Context<'_>,
    who: Bearer<'_>,
    grant: CredentialsGrant,
    target: Target,
) -> Result<Tokens, OauthError> {
    let client = who.client;
    let asked = grant.scope.unwrap_or_else(|| client.scopes.clone());
    let allowed = client.allowed(&asked);
    if allowed.len() < asked.len() {
        return Err(OauthError::invalid_scope("This client may not ask for all of these"));
    }
    // There is no user to tell anything of.
    let scope: Vec<String> = allowed.into_iter().filter(|word| !OPENID.contains(&word.as_str())).collect();
    let what = Issue {
        subject: Subject::Client,
        client,
        scope: &scope,
        audience: target.audience(ctx, client)?,
        cnf: who.confirmation(),
        act: None,
        until: None,
        refresh: false,
        id_token: None,
    };
    access(ctx, &what)
}
