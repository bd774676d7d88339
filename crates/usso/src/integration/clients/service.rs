//! Making, changing and ending clients.

use super::error::{ClientError, MAX_CLIENTS};
use super::memory::stale_client;
use super::model::{AuthMethod, Client};
use super::schema::ClientMetadata;
use super::secret::{self, Digest};
use crate::access_control::delegation::may_grant;
use crate::identity::Identity;
use crate::integration::Integration;
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, ClientId, Query, Record, StorageError, Stored, Timestamp};
use protocol::oauth::scope;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

/// How long a secret stays good after it got a successor, in seconds, if nobody says: a day.
const OVERLAP: u32 = 86_400;

/// How long it may at most: 30 days.
pub const MAX_OVERLAP: u32 = 30 * 86_400;

/// How often a deletion is retried after losing against a change.
const DELETE_ATTEMPTS: u32 = 16;

/// Who makes or changes a client.
#[derive(Debug, Clone, Copy)]
pub struct Granter<'a> {
    /// What they hold now; nobody gives a client more.
    pub scopes: &'a [String],
    /// As the author of an event.
    pub actor: &'a Actor,
    /// Where they are.
    pub client: &'a ClientInfo,
}

/// A client that was just made, and what can't be told again.
pub struct Created {
    /// The client.
    pub client: Stored<Client>,
    /// Its secret, if it keeps one.
    pub secret: Option<SecretString>,
    /// With this it manages itself.
    pub registration: SecretString,
}

/// What a tenant's administrator holds.
const EVERYTHING: &str = "*:*";

/// Makes a client.
///
/// # Errors
/// [`ClientError::Invalid`], [`ClientError::Scopes`] for scopes the granter doesn't hold, [`ClientError::TooMany`].
pub async fn create(
    integration: &Integration,
    tenant: &TenantScope,
    user_id: Option<String>,
    said: &ClientMetadata,
    granter: Granter<'_>,
) -> Result<Created, ClientError> {
    let now = tenant.now();
    let id = ClientId::generate(now, tenant.random());
    let client = Client::new(id.clone(), user_id).with(said, tenant.profile().tenant.algorithm)?;
    may_have(granter, &client)?;
    let count = tenant.records::<Client>().page(Query { limit: 1, ..Query::all(Client::KIND) }).await?;
    if count.total >= MAX_CLIENTS {
        return Err(ClientError::TooMany);
    }
    let keeps_secret = client.auth_methods.iter().any(|method| method.needs_secret());
    let secret = keeps_secret.then(|| secret::secret(tenant.token::<32>()));
    let registration = secret::registration_token(tenant.token::<32>());
    let client = match &secret {
        Some(secret) => client.with_secret(&secret::digest(secret.expose_secret()), (now, now)),
        None => client,
    };
    let client = Client { registration_digest: Some(digest_text(&registration)), ..client };
    let event = Event::new("client.created", granter.actor.clone(), id.as_str(), granter.client)
        .with("scopes", client.scopes.clone())
        .with("is_first_party", client.is_first_party)
        .effect(tenant);
    let client = tenant.records::<Client>().insert(client, vec![event]).await?;
    integration.clients().forget(tenant, &id);
    Ok(Created { client, secret, registration })
}

/// Whoever makes or changes a client could act as it: they must hold what it has. A first-party client names its users'
/// roles and asks nobody.
fn may_have(granter: Granter<'_>, client: &Client) -> Result<(), ClientError> {
    may_grant(granter.scopes, &scope::permissions(&client.scopes))?;
    if client.is_first_party {
        may_grant(granter.scopes, &[EVERYTHING.to_owned()])?;
    }
    Ok(())
}

fn digest_text(secret: &SecretString) -> String {
    protocol::b64url::encode(secret::digest(secret.expose_secret()))
}

/// A client as it is stored.
///
/// # Errors
/// [`ClientError::NotFound`].
pub async fn get(tenant: &TenantScope, id: &str) -> Result<Stored<Client>, ClientError> {
    let id = ClientId::parse(id).map_err(|_| ClientError::NotFound)?;
    tenant.records::<Client>().get(id.as_str()).await?.ok_or(ClientError::NotFound)
}

/// A client that may do something, from memory if possible.
///
/// # Errors
/// When the database is away.
pub async fn live(
    identity: &Identity,
    integration: &Integration,
    tenant: &TenantScope,
    id: &ClientId,
) -> Result<Option<Arc<Stored<Client>>>, StorageError> {
    let memory_counts = identity.freshness().holds(|| tenant.now());
    Ok(integration.clients().get(tenant, id, memory_counts).await?.filter(|client| client.is_active))
}

/// Changes a client.
///
/// # Errors
/// [`ClientError::Invalid`], [`ClientError::Scopes`], [`ClientError::NotFound`], and what `check` says of the client found.
pub async fn update(
    integration: &Integration,
    tenant: &TenantScope,
    id: &ClientId,
    said: &ClientMetadata,
    (granter, check): (Granter<'_>, impl Fn(&Stored<Client>) -> Result<(), ClientError>),
) -> Result<Stored<Client>, ClientError> {
    let own = tenant.profile().tenant.algorithm;
    changed(integration, tenant, id, |old| {
        check(old)?;
        let next = old.record.clone().with(said, own)?;
        // Secrets come and go with the way the client says who it is.
        let next = if next.is_public() { Client { secrets: Vec::new(), ..next } } else { next };
        if next != old.record {
            may_have(granter, &old.record)?;
            may_have(granter, &next)?;
        }
        let event = Event::new("client.updated", granter.actor.clone(), id.as_str(), granter.client)
            .with("scopes", next.scopes.clone())
            .with("is_first_party", next.is_first_party)
            .with("is_active", next.is_active);
        Ok((next, event))
    })
    .await
}

/// Replaces all that a client says of itself, and the digest of the token it manages itself with. What only administrators
/// say stays, and so do its secrets while it keeps any.
///
/// # Errors
/// As [`update`].
pub async fn replace(
    integration: &Integration,
    tenant: &TenantScope,
    id: &ClientId,
    (said, registration): (&ClientMetadata, String),
    (actor, peer): (&Actor, &ClientInfo),
    check: impl Fn(&Stored<Client>) -> Result<(), ClientError>,
) -> Result<Stored<Client>, ClientError> {
    let own = tenant.profile().tenant.algorithm;
    changed(integration, tenant, id, |old| {
        check(old)?;
        let kept = Client {
            is_first_party: old.is_first_party,
            audiences: old.audiences.clone(),
            secrets: old.secrets.clone(),
            registration_digest: Some(registration.clone()),
            ..Client::new(old.id.clone(), old.user_id.clone())
        };
        let next = kept.with(said, own)?;
        let next = if next.is_public() { Client { secrets: Vec::new(), ..next } } else { next };
        let next = Client {
            require_pkce: next.require_pkce || old.require_pkce,
            require_pushed_authorization_requests: next.require_pushed_authorization_requests
                || old.require_pushed_authorization_requests,
            dpop_bound_access_tokens: next.dpop_bound_access_tokens || old.dpop_bound_access_tokens,
            fapi2: next.fapi2 || old.fapi2,
            ..next
        };
        // What administrators made stays as strict, and as far-reaching, as they made it.
        if old.user_id.is_some() {
            if !next.grant_types.iter().all(|grant| old.may_use(*grant)) {
                return Err(ClientError::Invalid("grant_types", "only an administrator adds grants".into()));
            }
            if next.is_public() && !old.is_public() {
                let why = "only an administrator lets it go without a proof of who it is";
                return Err(ClientError::Invalid("token_endpoint_auth_method", why.into()));
            }
        }
        // It grants nothing to itself.
        let granted = scope::permissions(&old.scopes);
        may_grant(&granted, &scope::permissions(&next.scopes))?;
        let event = Event::new("client.updated", actor.clone(), id.as_str(), peer);
        Ok((next.clone(), event.with("scopes", next.scopes)))
    })
    .await
}

/// Gives a client a new secret. The present one stays good for some seconds, or not at all.
///
/// # Errors
/// [`ClientError::NoSecret`] for a public client; values out of bounds; [`ClientError::NotFound`].
pub async fn rotate_secret(
    integration: &Integration,
    tenant: &TenantScope,
    id: &ClientId,
    overlap: Option<u32>,
    granter: Granter<'_>,
) -> Result<(Stored<Client>, SecretString, Timestamp), ClientError> {
    let overlap = overlap.unwrap_or(OVERLAP);
    if overlap > MAX_OVERLAP {
        return Err(ClientError::Invalid("overlap_seconds", "at most 30 days".into()));
    }
    let (now, secret) = (tenant.now(), secret::secret(tenant.token::<32>()));
    let (digest, until): (Digest, _) =
        (secret::digest(secret.expose_secret()), now.plus_seconds(overlap.into()));
    let client = changed(integration, tenant, id, |old| {
        if !old.auth_methods.iter().any(|method: &AuthMethod| method.needs_secret()) {
            return Err(ClientError::NoSecret);
        }
        may_have(granter, &old.record)?;
        let event = Event::new("client.secret_rotated", granter.actor.clone(), id.as_str(), granter.client);
        Ok((old.with_secret(&digest, (now, until)), event.with("overlap_seconds", overlap)))
    })
    .await?;
    Ok((client, secret, until))
}

async fn changed<'e>(
    integration: &Integration,
    tenant: &TenantScope,
    id: &ClientId,
    mut change: impl FnMut(&Stored<Client>) -> Result<(Client, Event<'e>), ClientError>,
) -> Result<Stored<Client>, ClientError> {
    let stale = stale_client(tenant, id).effect(tenant);
    let updated = tenant
        .records::<Client>()
        .update::<ClientError>(id.as_str(), |old| {
            let (next, event) = change(old)?;
            let is_same = next == old.record;
            Ok(if is_same {
                Change::Keep
            } else {
                Change::Put(next, vec![event.effect(tenant), stale.clone()])
            })
        })
        .await;
    integration.clients().forget(tenant, id);
    updated?.ok_or(ClientError::NotFound)
}

/// Removes a client. What it was given is worth nothing from then on.
///
/// # Errors
/// [`ClientError::NotFound`], and what `check` says of the client found.
pub async fn delete(
    integration: &Integration,
    tenant: &TenantScope,
    id: &ClientId,
    (actor, peer): (&Actor, &ClientInfo),
    check: impl Fn(&Stored<Client>) -> Result<(), ClientError>,
) -> Result<Stored<Client>, ClientError> {
    for _ in 0..DELETE_ATTEMPTS {
        let client = tenant.records::<Client>().get(id.as_str()).await?.ok_or(ClientError::NotFound)?;
        check(&client)?;
        let event = Event::new("client.deleted", actor.clone(), id.as_str(), peer).effect(tenant);
        let effects = vec![event, stale_client(tenant, id).effect(tenant)];
        let deleted = tenant.records::<Client>().delete(&client, effects).await;
        integration.clients().forget(tenant, id);
        match deleted {
            Ok(()) => return Ok(client),
            Err(StorageError::Conflict) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(StorageError::Contended.into())
}
