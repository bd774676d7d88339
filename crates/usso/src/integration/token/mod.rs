//! The token endpoint (RFC 6749 §3.2): a client says who it is, and trades a grant for tokens.
//!
//! ```text
//! request.rs             the request as a type, read once; what is there twice is refused
//! authorization_code.rs  a code, once, with its proof key
//! refresh_token.rs       by generations (rulings D2, D21)
//! client_credentials.rs  in the client's own name, without a session
//! session.rs             the session that a user's grant becomes
//! issue.rs               the one function that makes tokens: what stands in them is told to it, nothing else decides
//! id_token.rs            what it says of a user's sign-in (OpenID Connect Core §2)
//! ```
//!
//! A further grant is a file, a variant of [`GrantType`] and of [`request::Grant`], and an arm here; discovery and
//! registration follow by themselves.

pub mod authorization_code;
pub mod client_credentials;
pub mod id_token;
pub mod issue;
pub mod refresh_token;
pub mod request;
pub mod routes;
pub mod session;

use super::clients::authenticate::authenticate;
use super::clients::model::{Client, GrantType};
use super::{Context, OauthError};
use issue::Tokens;
use protocol::oauth::Params;
use request::{Grant, TokenRequest};

/// A call of the token endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The form.
    pub params: &'a Params,
}

/// Answers a call.
///
/// # Errors
/// As the standards call them, see [`OauthError`].
pub async fn exchange(ctx: Context<'_>, call: Call<'_>) -> Result<Tokens, OauthError> {
    request::once(call.params)?;
    let client = authenticate(ctx, call.authorization, call.params).await?.client;
    let request = TokenRequest::parse(call.params)?;
    may_use(&client, request.grant.kind())?;
    match request.grant {
        Grant::AuthorizationCode(grant) => {
            authorization_code::redeem(ctx, &client, grant, request.target).await
        }
        Grant::RefreshToken(grant) => refresh_token::refresh(ctx, &client, grant, request.target).await,
        Grant::ClientCredentials(grant) => client_credentials::issue(ctx, &client, grant, request.target),
    }
}

fn may_use(client: &Client, grant: GrantType) -> Result<(), OauthError> {
    if client.may_use(grant) {
        return Ok(());
    }
    Err(OauthError::unauthorized_client(format!("This client may not use the grant {}", grant.as_str())))
}
