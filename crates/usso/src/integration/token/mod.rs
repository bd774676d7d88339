//! The token endpoint (RFC 6749 §3.2): a client says who it is, and trades a grant for tokens.
//!
//! ```text
//! request.rs             the request as a type, read once; what is there twice is refused
//! authorization_code.rs  a code, once, with its proof key
//! refresh_token.rs       by generations (rulings D2, D21)
//! client_credentials.rs  in the client's own name, without a session
//! device_code.rs         what somebody approved who entered a device's code
//! exchange.rs            somebody's token for one to call on with
//! jwt_bearer.rs          an agent's own JWT, without a client
//! session.rs             the session that a user's grant becomes
//! possession.rs          the key that tokens are bound to
//! issue.rs               the one function that makes tokens: what stands in them is told to it, nothing else decides
//! id_token.rs            what it says of a user's sign-in (OpenID Connect Core §2)
//! ```
//!
//! A further grant is a file, a variant of [`GrantType`] and of [`request::Grant`], and an arm here; discovery and
//! registration follow by themselves.

pub mod authorization_code;
pub mod client_credentials;
pub mod device_code;
pub mod exchange;
pub mod id_token;
pub mod issue;
pub mod jwt_bearer;
pub mod possession;
pub mod refresh_token;
pub mod request;
pub mod routes;
pub mod session;

use super::clients::authenticate::authenticate;
use super::clients::model::{Client, GrantType};
use super::{Context, OauthError};
use crate::tenant::verify::Confirmation;
use issue::Tokens;
use protocol::oauth::Params;
use protocol::oauth::dpop::Proof;
use request::{Grant, TokenRequest};

/// A call of the token endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The form.
    pub params: &'a Params,
    /// The proof of possession that came along.
    pub proof: Option<&'a Proof>,
}

/// Answers a call.
///
/// # Errors
/// As the standards call them, see [`OauthError`].
pub async fn answer(ctx: Context<'_>, call: Call<'_>) -> Result<Tokens, OauthError> {
    request::once(call.params)?;
    if call.params.get("grant_type") == Some(jwt_bearer::GRANT) {
        return jwt_bearer::exchange(ctx, call.params).await;
    }
    let client = authenticate(ctx, call.authorization, call.params).await?.client;
    let request = TokenRequest::parse(call.params)?;
    may_use(&client, request.grant.kind())?;
    let jkt = possession::proven(ctx, &client, call.proof).await?;
    let who = Bearer { client: &client, jkt: jkt.as_deref() };
    match request.grant {
        Grant::AuthorizationCode(grant) => authorization_code::redeem(ctx, who, grant, request.target).await,
        Grant::RefreshToken(grant) => refresh_token::refresh(ctx, who, grant, request.target).await,
        Grant::ClientCredentials(grant) => client_credentials::issue(ctx, who, grant, request.target),
        Grant::DeviceCode(grant) => device_code::redeem(ctx, who, grant, request.target).await,
        Grant::Exchange(grant) => exchange::exchange(ctx, who, grant, request.target).await,
    }
}

/// Who asks for tokens, and by which key they prove to hold them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bearer<'a> {
    /// The client.
    client: &'a Client,
    /// The thumbprint of the key.
    jkt: Option<&'a str>,
}

impl Bearer<'_> {
    /// What stands in an access token of the key it is bound to.
    fn confirmation(&self) -> Option<Confirmation> {
        self.jkt.map(|jkt| Confirmation { jkt: jkt.to_owned() })
    }
}

fn may_use(client: &Client, grant: GrantType) -> Result<(), OauthError> {
    if client.may_use(grant) {
        return Ok(());
    }
    Err(OauthError::unauthorized_client(format!("This client may not use the grant {}", grant.as_str())))
}
