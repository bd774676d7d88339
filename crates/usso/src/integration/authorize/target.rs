//! Where an answer may go at all. Until client and redirection URI are known, nothing is sent anywhere: what is wrong is shown
//! to the user (RFC 6749 §4.1.2.1, RFC 9700 §4.11).

use super::request::ResponseMode;
use super::respond::Redirection;
use crate::integration::clients::model::Client;
use crate::integration::clients::service;
use crate::integration::{Context, OauthError};
use kernel::{ClientId, Stored};
use protocol::oauth::Params;
use std::sync::Arc;

/// A client and one of its own redirection URIs.
#[derive(Debug, Clone)]
pub struct Target {
    /// The client.
    pub client: Arc<Stored<Client>>,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// Whether the request named that.
    pub was_named: bool,
    /// How it travels, as far as that can be told yet.
    pub mode: ResponseMode,
    /// Given back as it came.
    pub state: Option<String>,
}

/// Finds out where the answer to a request may go.
///
/// # Errors
/// Sentences that stay the same, to be shown and not sent.
pub(crate) async fn find(ctx: Context<'_>, params: &Params) -> Result<Target, OauthError> {
    let client = client(ctx, params).await?;
    let (redirect_uri, was_named) = redirect_uri(&client, params)?;
    let mode = params.get("response_mode").and_then(ResponseMode::parse).unwrap_or_default();
    Ok(Target { client, redirect_uri, was_named, mode, state: params.get("state").map(str::to_owned) })
}

async fn client(ctx: Context<'_>, params: &Params) -> Result<Arc<Stored<Client>>, OauthError> {
    let unknown = || OauthError::invalid_request("The application that sent you here is not known here");
    let id = params.get("client_id").ok_or_else(unknown)?;
    let id = ClientId::parse(id).map_err(|_| unknown())?;
    service::live(ctx.identity, ctx.integration, ctx.tenant, &id).await?.ok_or_else(unknown)
}

/// The URI named, if it is registered; the only registered one, if none was named. OpenID Connect wants it named
/// (Core §3.1.2.1).
fn redirect_uri(client: &Client, params: &Params) -> Result<(String, bool), OauthError> {
    let wrong = "The address to go back to is not registered for this application";
    match params.get("redirect_uri") {
        Some(given) if client.redirect_uri(given).is_some() => Ok((given.to_owned(), true)),
        None if params.has("redirect_uri") => Err(OauthError::invalid_request(wrong)),
        Some(_) => Err(OauthError::invalid_request(wrong)),
        None => match client.redirect_uris.as_slice() {
            [only] if !is_oidc(params) && !client.fapi2 => Ok((only.clone(), false)),
            _ => Err(OauthError::invalid_request("The request does not say which address to go back to")),
        },
    }
}

fn is_oidc(params: &Params) -> bool {
    params.all("scope").any(|scope| scope.split(' ').any(|word| word == "openid"))
}

impl Target {
    /// Sends an error to the client, if it is one the standards have a word for.
    ///
    /// # Errors
    /// The others are nobody's business but ours.
    pub fn refuse(&self, issuer: &str, error: OauthError) -> Result<Redirection, OauthError> {
        let place = (self.redirect_uri.as_str(), self.mode);
        Redirection::error(place, (self.state.as_deref(), issuer), error)
    }
}
