//! Whether a user must be asked, what they are asked, and what their answer does.

use crate::identity::sessions::model::{Session, client_tag};
use crate::identity::sessions::service as sessions;
use crate::identity::users::consents::Consent;
use crate::integration::authorize::request::AuthorizationRequest;
use crate::integration::authorize::respond::Redirection;
use crate::integration::authorize::transaction::Transaction;
use crate::integration::authorize::{self};
use crate::integration::clients::model::Client;
use crate::integration::par::service as par;
use crate::integration::{Browser, Context, OauthCode, OauthError};
use crate::tenant::audit::Event;
use crate::tenant::verify::TokenError;
use crate::tenant::{Actor, TenantScope};
use kernel::{Change, ClientId, Effect, Query, Record, StorageError, Stored, TagMatch, UserId};
use std::sync::Arc;

/// How many sessions are ended at once.
const PAGE: u32 = 100;

/// How often a change is retried after losing against another.
const ATTEMPTS: u32 = 16;

/// Whether the user must be asked before a request is answered.
///
/// # Errors
/// When the database is away.
pub async fn is_needed(
    ctx: Context<'_>,
    (request, client): (&AuthorizationRequest, &Client),
    browser: &Browser,
) -> Result<bool, StorageError> {
    if request.prompt.consent {
        return Ok(true);
    }
    if client.is_first_party {
        return Ok(false);
    }
    Ok(!covers(ctx.tenant, (&browser.user.id, &client.id), &request.asked()).await?)
}

/// Whether a user has allowed a client all of this.
///
/// # Errors
/// When the database is away.
pub async fn covers(
    tenant: &TenantScope,
    (user, client): (&UserId, &ClientId),
    scope: &[String],
) -> Result<bool, StorageError> {
    let consent = tenant.records::<Consent>().get(&Consent::id_of(user, client)).await?;
    Ok(consent.is_some_and(|consent| consent.covers(scope)))
}

/// What a user is asked.
#[derive(Debug)]
pub struct Pending {
    /// The request.
    pub transaction: Transaction,
    /// Who asks.
    pub client: Arc<Stored<Client>>,
    /// Who is asked.
    pub browser: Browser,
}

/// What the person who is signed in is asked under this handle. Nothing is recorded.
///
/// # Errors
/// `invalid_request` when nothing waits under it; [`TokenError::Revoked`] when they must sign in first, once more, or as
/// somebody else.
pub async fn pending(ctx: Context<'_>, handle: &str, browser: Browser) -> Result<Pending, OauthError> {
    let waiting = authorize::waiting(ctx, handle).await?;
    let client = authorize::client_of(ctx, &waiting.transaction).await?;
    if waiting.transaction.obstacle(&browser, ctx.tenant.now()).is_some() {
        return Err(TokenError::Revoked.into());
    }
    Ok(Pending { transaction: waiting.transaction, client, browser })
}

/// The user's answer: remembers it and sends the client its code, or its refusal. Once.
///
/// # Errors
/// As [`pending`].
pub async fn decide(
    ctx: Context<'_>,
    handle: &str,
    browser: Browser,
    is_allowed: bool,
) -> Result<Redirection, OauthError> {
    let waiting = authorize::waiting(ctx, handle).await?;
    let Pending { transaction, client, browser } = pending(ctx, handle, browser).await?;
    if !waiting.take(ctx.tenant).await? {
        return Err(OauthError::invalid_request("This request was answered already"));
    }
    if !is_allowed {
        let denied = OauthError::Refused(OauthCode::AccessDenied, "The user did not allow it".into());
        let actor = Actor::User(browser.user.id.as_str().to_owned());
        Event::refused("consent.denied", actor, client.id.as_str(), ctx.peer).write(ctx.tenant).await?;
        // What was pushed is answered by that, too (RFC 9126 section 7.3).
        if let Some(id) = &transaction.request.pushed {
            par::use_up(ctx.tenant, id).await?;
        }
        return Redirection::refusal(&transaction.request, denied);
    }
    remember(ctx, (&browser.user.id, &client.id), &transaction.request.asked()).await?;
    authorize::finish(ctx, &transaction, &browser).await
}

async fn remember(
    ctx: Context<'_>,
    (user, client): (&UserId, &ClientId),
    scope: &[String],
) -> Result<(), StorageError> {
    let (tenant, now, id) = (ctx.tenant, ctx.tenant.now(), Consent::id_of(user, client));
    let given = || event(ctx, "consent.given", (user, client)).with("scope", scope.join(" ")).effect(tenant);
    let records = tenant.records::<Consent>();
    for _ in 0..ATTEMPTS {
        let known =
            records.update::<StorageError>(&id, |old| Ok(Change::Put(old.plus(scope, now), vec![given()])));
        if known.await?.is_some() {
            return Ok(());
        }
        let (user_id, client_id) = (user.clone(), client.clone());
        let first = Consent { id: id.clone(), user_id, client_id, scope: scope.to_vec(), given_at: now };
        match records.insert(first, vec![given()]).await {
            Err(StorageError::Exists) => {}
            other => return other.map(drop),
        }
    }
    Err(StorageError::Contended)
}

fn event<'a>(ctx: Context<'a>, name: &'static str, (user, client): (&UserId, &ClientId)) -> Event<'a> {
    Event::new(name, Actor::User(user.as_str().to_owned()), client.as_str(), ctx.peer)
        .with("user_id", user.as_str())
}

/// Takes back what a user has allowed a client, and ends every session it has with it. None: nothing was allowed.
///
/// # Errors
/// When the database is away.
pub async fn withdraw(
    ctx: Context<'_>,
    user: &UserId,
    client: &ClientId,
) -> Result<Option<Stored<Consent>>, StorageError> {
    let id = Consent::id_of(user, client);
    for _ in 0..ATTEMPTS {
        let Some(consent) = ctx.tenant.records::<Consent>().get(&id).await? else { return Ok(None) };
        // Sessions first: whoever is interrupted finds the consent still there, and withdraws it again.
        end_sessions(ctx, user, client).await?;
        let withdrawn: Effect = event(ctx, "consent.withdrawn", (user, client)).effect(ctx.tenant);
        match ctx.tenant.records::<Consent>().delete(&consent, vec![withdrawn]).await {
            Ok(()) => {
                // What was redeemed in between looked for the consent and may have found it.
                end_sessions(ctx, user, client).await?;
                return Ok(Some(consent));
            }
            Err(StorageError::Conflict) => {}
            Err(e) => return Err(e),
        }
    }
    Err(StorageError::Contended)
}

async fn end_sessions(ctx: Context<'_>, user: &UserId, client: &ClientId) -> Result<(), StorageError> {
    let tags = [format!("user:{user}"), client_tag(client), "active:true".to_owned()];
    let query = Query { limit: PAGE, ..Query::all(Session::KIND) }.with_all(tags.map(TagMatch::Is).to_vec());
    loop {
        let found = ctx.tenant.records::<Session>().page(query.clone()).await?.items;
        if found.is_empty() {
            return Ok(());
        }
        for session in found {
            let reason = ("session.consent_withdrawn", Actor::User(user.as_str().to_owned()));
            sessions::end(ctx.identity, ctx.tenant, &session.id, reason, ctx.peer).await.map_err(away)?;
        }
    }
}

fn away(error: sessions::SessionError) -> StorageError {
    match error {
        sessions::SessionError::Storage(e) => e,
        _ => StorageError::Contended,
    }
}
