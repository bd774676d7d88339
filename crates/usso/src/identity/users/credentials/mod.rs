//! How a user proves who they are: setting and removing credentials.

pub mod authenticator;
pub mod routes;
pub mod schema;

use crate::identity::Identity;
use crate::identity::sessions::model::Session;
use crate::identity::sessions::service::{SessionError, update as update_session};
use crate::identity::users::admin::{change, is_system_admin};
use crate::identity::users::error::UserError;
use crate::identity::users::model::{Credential, User};
use crate::identity::users::service::{check_password, credential_id};
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, SessionId, Stored, UserId};
use secrecy::SecretString;

pub(super) type Author<'a> = (&'a Actor, &'a ClientInfo);

/// Refuses a session that was begun too long ago for what could take an account over.
///
/// # Errors
/// [`UserError::NotRecent`].
pub fn check_recent(tenant: &TenantScope, session: &Session) -> Result<(), UserError> {
    let age = tenant.now().seconds_since(session.authenticated_at);
    if age <= tenant.profile().settings.recent_seconds { Ok(()) } else { Err(UserError::NotRecent) }
}

/// The same for what hands on what a user holds (keys, agents, names to sign in with, the account itself), where the tenant asks for it
/// (`auth.require_recent_authentication`).
///
/// # Errors
/// [`UserError::NotRecent`].
pub fn check_sensitive(tenant: &TenantScope, session: Option<&Session>) -> Result<(), UserError> {
    match session {
        Some(session) if tenant.profile().settings.wants_recent => check_recent(tenant, session),
        _ => Ok(()),
    }
}

/// Sets a user's password and ends their sessions (ruling D26), but for the one that is told to stay: their own.
///
/// # Errors
/// A weak password, overload, [`UserError::NotFound`].
pub async fn set_password(
    identity: &Identity,
    tenant: &TenantScope,
    (user, stays): (&Stored<User>, Option<&SessionId>),
    password: &SecretString,
    author: Author<'_>,
) -> Result<(Stored<User>, Credential), UserError> {
    let name = user.identifiers.first().map(|i| i.value.clone()).unwrap_or_default();
    check_password(identity, tenant, password, &name).await?;
    let hash = identity.hasher().hash(tenant.id().as_str(), password, tenant.token::<16>()).await?;
    let fresh = credential_id(tenant);
    let changed = change(identity, tenant, &user.id, author, |old| {
        if is_system_admin(tenant, old) && stays.is_none() {
            return Err(UserError::Protected);
        }
        let mut next = old.record.clone();
        next.set_password_hash(fresh.clone(), hash.clone(), tenant.now());
        next.session_epoch += 1;
        Ok(Some((next, "user.password_set", vec!["credentials".to_owned()])))
    })
    .await?;
    if let Some(id) = stays {
        keep_session(identity, tenant, id, &changed).await?;
    }
    let set = changed.credentials.iter().find(|c| c.method == "password").cloned();
    Ok((changed, set.ok_or(UserError::NotFound)?))
}

/// Takes a session along into the user's new epoch. If this is cut off, its user signs in again.
async fn keep_session(
    identity: &Identity,
    tenant: &TenantScope,
    id: &SessionId,
    user: &User,
) -> Result<(), UserError> {
    let kept = update_session(identity, tenant, id, |old| {
        if old.revoked_at.is_some() || old.user_epoch + 1 != user.session_epoch {
            return Ok(Change::Keep);
        }
        Ok(Change::Put(Session { user_epoch: user.session_epoch, ..old.record.clone() }, Vec::new()))
    })
    .await;
    match kept {
        Ok(_) | Err(SessionError::NotFound) => Ok(()),
        Err(SessionError::Storage(e)) => Err(e.into()),
        Err(_) => Ok(()),
    }
}

/// Whether a sign-in can begin with a credential: an authenticator alone proves no account.
fn begins(credential: &Credential) -> bool {
    let is_second = matches!(credential.method.as_str(), "totp" | "backup_codes");
    credential.is_active && !is_second
}

/// Removes a credential and ends the sessions it may have opened.
///
/// # Errors
/// [`UserError::NotFound`]; users can't remove their own last one to begin a sign-in with.
pub async fn remove(
    identity: &Identity,
    tenant: &TenantScope,
    (user, id): (&UserId, &str),
    (author, is_own): (Author<'_>, bool),
) -> Result<(Stored<User>, Credential), UserError> {
    let mut removed = None;
    let changed = change(identity, tenant, user, author, |old| {
        if is_system_admin(tenant, old) {
            return Err(UserError::Protected);
        }
        let mut next = old.record.clone();
        removed = next.credentials.iter().find(|c| c.id == id).cloned();
        next.credentials.retain(|c| c.id != id);
        if removed.is_none() {
            return Err(UserError::NotFound);
        }
        if is_own && !next.credentials.iter().any(begins) {
            return Err(UserError::Invalid("The last credential can't go".into()));
        }
        next.session_epoch += 1;
        Ok(Some((next, "user.credential_removed", vec!["credentials".to_owned()])))
    })
    .await?;
    Ok((changed, removed.ok_or(UserError::NotFound)?))
}
