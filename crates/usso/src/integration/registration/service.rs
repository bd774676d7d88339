//! Registering, reading, replacing and removing, each by whoever may.

use crate::identity::attempts::{self, Source};
use crate::integration::clients::error::ClientError;
use crate::integration::clients::model::Client;
use crate::integration::clients::schema::ClientMetadata;
use crate::integration::clients::secret;
use crate::integration::clients::service::{self as clients, Created, Granter};
use crate::integration::{Context, OauthCode, OauthError, outbound};
use crate::tenant::Actor;
use crate::tenant::audit::Event;
use crate::tenant::settings::ClientRegistration;
use kernel::{ClientId, Problem, Stored};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// How many clients may register themselves from one network …
const MOST: u64 = 20;
/// … within this many seconds.
const WINDOW: i64 = 3_600;

/// Registers a client. `scopes`: what whoever lets it register holds; none when nobody does.
///
/// # Errors
/// `access_denied` when the tenant takes no clients like this; `invalid_client_metadata`, `invalid_redirect_uri`.
pub async fn register(
    ctx: Context<'_>,
    said: ClientMetadata,
    (actor, scopes): (&Actor, Option<&[String]>),
) -> Result<Created, OauthError> {
    let denied = |detail: &'static str| OauthError::Refused(OauthCode::AccessDenied, detail.into());
    match (ctx.tenant.profile().settings.oauth_registration, scopes) {
        (ClientRegistration::Off, _) => return Err(denied("Clients don't register themselves here")),
        (ClientRegistration::Token, None) => {
            return Err(OauthError::Token(crate::tenant::verify::TokenError::Invalid));
        }
        (ClientRegistration::Open, None) => limit(ctx).await?,
        (ClientRegistration::Token | ClientRegistration::Open, Some(_)) => {}
    }
    let said = modest(ctx, said).await?;
    let granter = Granter { scopes: scopes.unwrap_or_default(), actor, client: ctx.peer };
    let made = clients::create(ctx.integration, ctx.tenant, None, &said, granter).await;
    made.map_err(refused)
}

/// What a client says of itself, without what only administrators say.
async fn modest(ctx: Context<'_>, said: ClientMetadata) -> Result<ClientMetadata, OauthError> {
    if said.subject_type.as_deref().is_some_and(|kind| kind != "public") {
        return Err(metadata("subject_type: only public"));
    }
    if let Some(uri) = &said.sector_identifier_uri {
        sector(ctx, uri, said.redirect_uris.as_deref().unwrap_or_default()).await?;
    }
    Ok(ClientMetadata { is_first_party: None, is_active: None, audiences: None, ..said })
}

/// The document at this address must list every redirection URI (OpenID Connect Registration §5).
async fn sector(ctx: Context<'_>, uri: &str, redirect_uris: &[String]) -> Result<(), OauthError> {
    let is_web = uri.starts_with("https://") && protocol::oauth::uri::check_web(uri).is_ok();
    let document = if is_web { outbound::document(ctx.internet, uri).await.ok() } else { None };
    let listed: Option<Vec<String>> = document.and_then(|document| serde_json::from_slice(&document).ok());
    let is_listed = listed.is_some_and(|listed| redirect_uris.iter().all(|uri| listed.contains(uri)));
    if is_listed { Ok(()) } else { Err(metadata("sector_identifier_uri: does not list every redirect_uri")) }
}

fn metadata(detail: &'static str) -> OauthError {
    OauthError::Refused(OauthCode::InvalidClientMetadata, detail.into())
}

/// Why a client can't be made, in the words of RFC 7591 §3.2.2.
fn refused(error: ClientError) -> OauthError {
    let detail = error.detail();
    match error {
        ClientError::Storage(e) => OauthError::Storage(e),
        ClientError::Invalid("redirect_uris", _) => {
            OauthError::Refused(OauthCode::InvalidRedirectUri, detail)
        }
        ClientError::NotFound => OauthError::Token(crate::tenant::verify::TokenError::Invalid),
        _ => OauthError::Refused(OauthCode::InvalidClientMetadata, detail),
    }
}

async fn limit(ctx: Context<'_>) -> Result<(), OauthError> {
    let source = Source { purpose: "client_registration", ip: ctx.peer.ip, limit: MOST, window: WINDOW };
    let target = ctx.tenant.id().as_str();
    let event = Event::refused("client.registration_limited", Actor::Anonymous, target, ctx.peer);
    match attempts::spend(ctx.tenant, &source, event.effect(ctx.tenant)).await? {
        Some(retry_after) => Err(OauthError::TooMany { retry_after }),
        None => Ok(()),
    }
}

/// The client whose own token this is. Which of both is wrong is not told.
///
/// # Errors
/// `invalid_token`.
pub async fn own(ctx: Context<'_>, id: &str, token: &str) -> Result<Stored<Client>, OauthError> {
    let found = clients::get(ctx.tenant, id).await.map_err(refused)?;
    if is_own(&found, token) { Ok(found) } else { Err(refused(ClientError::NotFound)) }
}

fn is_own(client: &Client, token: &str) -> bool {
    let digest = protocol::b64url::encode(secret::digest(token));
    let own = client.registration_digest.as_deref().unwrap_or_default();
    client.is_active && bool::from(own.as_bytes().ct_eq(digest.as_bytes()))
}

/// Replaces what a client says of itself, and its token with a new one (RFC 7592 §2.2).
///
/// # Errors
/// As [`register`] and [`own`].
pub async fn replace(
    ctx: Context<'_>,
    (id, token): (&ClientId, &str),
    said: ClientMetadata,
) -> Result<(Stored<Client>, SecretString), OauthError> {
    let said = modest(ctx, said).await?;
    let next = secret::registration_token(ctx.tenant.token::<32>());
    let digest = protocol::b64url::encode(secret::digest(next.expose_secret()));
    let actor = Actor::Client { client: id.as_str().to_owned(), user: None };
    let author = (&actor, ctx.peer);
    let client = clients::replace(ctx.integration, ctx.tenant, id, (&said, digest), author, |old| {
        if is_own(old, token) { Ok(()) } else { Err(ClientError::NotFound) }
    })
    .await
    .map_err(refused)?;
    Ok((client, next))
}

/// Removes a client by its own token.
///
/// # Errors
/// As [`own`].
pub async fn remove(ctx: Context<'_>, (id, token): (&ClientId, &str)) -> Result<(), OauthError> {
    let actor = Actor::Client { client: id.as_str().to_owned(), user: None };
    let check = |old: &Stored<Client>| if is_own(old, token) { Ok(()) } else { Err(ClientError::NotFound) };
    let removed = clients::delete(ctx.integration, ctx.tenant, id, (&actor, ctx.peer), check).await;
    removed.map(drop).map_err(refused)
}
