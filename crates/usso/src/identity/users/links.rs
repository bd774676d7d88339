//! Accounts elsewhere that sign in to one here.

use super::admin::change;
use super::credentials::authenticator::MAX_CREDENTIALS;
use super::error::UserError;
use super::model::{Credential, User, link_key};
use super::service::{NewUser, draft, insert};
use crate::identity::Identity;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{StorageError, Stored, UserId};

/// The user an account elsewhere signs in to.
///
/// # Errors
/// When the database is away.
pub async fn linked(
    tenant: &TenantScope,
    authority: &str,
    subject: &str,
) -> Result<Option<Stored<User>>, StorageError> {
    let found = tenant.records::<User>().find(&link_key(authority, subject)).await?;
    let is_it = |own: &&Credential| {
        own.provider.as_deref() == Some(authority) && own.external_id.as_deref() == Some(subject)
    };
    Ok(found.filter(|user| user.credentials.iter().any(|own| is_it(&own) && own.is_active)))
}

/// Creates a user who signs in by an account elsewhere, and whose identifier is proven: in one write.
///
/// # Errors
/// [`UserError::IdentifierExists`], also when the account elsewhere is linked already.
pub async fn create(
    tenant: &TenantScope,
    new: NewUser,
    (credential, avatar_url): (Credential, Option<String>),
    client: &ClientInfo,
) -> Result<Stored<User>, UserError> {
    let mut user = draft(tenant, new);
    user.avatar_url = avatar_url;
    user.credentials.push(credential);
    for own in &mut user.identifiers {
        own.verified_at = Some(tenant.now());
    }
    insert(tenant, user, ("user.registered", Actor::Anonymous), client).await
}

/// Links an account elsewhere. One that is linked already stays as it is.
///
/// # Errors
/// [`UserError::TooMany`]; [`StorageError::KeyTaken`] when it is somebody else's.
pub async fn link(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    credential: &Credential,
    client: &ClientInfo,
) -> Result<Stored<User>, UserError> {
    let actor = Actor::User(id.as_str().to_owned());
    change(identity, tenant, id, (&actor, client), |old| {
        let is_it = |own: &Credential| {
            own.provider == credential.provider && own.external_id == credential.external_id
        };
        if old.credentials.iter().any(is_it) {
            return Ok(None);
        }
        let mut next = old.record.clone();
        if next.credentials.len() >= MAX_CREDENTIALS {
            return Err(UserError::TooMany("At most 50 credentials per user"));
        }
        next.credentials.push(credential.clone());
        Ok(Some((next, "user.credential_linked", vec!["credentials".to_owned()])))
    })
    .await
}
