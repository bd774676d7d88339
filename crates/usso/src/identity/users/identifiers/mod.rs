//! The names a user signs in with: adding, choosing, removing.

pub mod routes;

use crate::identity::Identity;
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::identity::users::admin::{change, is_system_admin};
use crate::identity::users::error::UserError;
use crate::identity::users::model::{User, UserIdentifier};
use crate::identity::users::service::identifier_id;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{StorageError, Stored, UserId};

/// How many identifiers a user may have (ruling D33).
pub const MAX_IDENTIFIERS: usize = 20;

type Author<'a> = (&'a Actor, &'a ClientInfo);

fn taken(error: UserError) -> UserError {
    match error {
        UserError::Storage(StorageError::KeyTaken { .. }) => UserError::IdentifierExists,
        other => other,
    }
}

/// Adds an identifier; nobody has proven it yet. A user name is proven by choosing it.
///
/// # Errors
/// [`UserError::IdentifierExists`], [`UserError::TooMany`].
pub async fn add(
    identity: &Identity,
    tenant: &TenantScope,
    user: &UserId,
    (identifier, is_primary): (Identifier, bool),
    author: Author<'_>,
) -> Result<(Stored<User>, UserIdentifier), UserError> {
    let (kind, value) = identifier.into_parts();
    let now = tenant.now();
    let new = UserIdentifier {
        id: identifier_id(tenant),
        kind,
        value,
        verified_at: (kind == IdentifierKind::Username).then_some(now),
        is_primary,
        is_active: true,
        created_at: now,
    };
    let changed = change(identity, tenant, user, author, |old| {
        if old.identifiers.iter().any(|i| i.kind == new.kind && i.value == new.value) {
            return Err(UserError::IdentifierExists);
        }
        if old.identifiers.len() >= MAX_IDENTIFIERS {
            return Err(UserError::TooMany("At most 20 identifiers per user"));
        }
        let mut next = old.record.clone();
        let is_first = !next.identifiers.iter().any(|i| i.kind == new.kind);
        next.identifiers.push(UserIdentifier { is_primary: is_primary || is_first, ..new.clone() });
        if is_primary {
            prefer(&mut next, &new.id);
        }
        Ok(Some((next, "user.identifier_added", vec!["identifiers".to_owned()])))
    })
    .await
    .map_err(taken)?;
    let added = changed.identifiers.iter().find(|i| i.id == new.id).cloned().ok_or(UserError::NotFound)?;
    Ok((changed, added))
}

/// Makes an identifier the one of its kind to show and to write to.
fn prefer(user: &mut User, id: &str) {
    let Some(kind) = user.identifiers.iter().find(|i| i.id == id).map(|i| i.kind) else { return };
    for own in user.identifiers.iter_mut().filter(|i| i.kind == kind) {
        own.is_primary = own.id == id;
    }
}

fn usable(user: &User) -> usize {
    user.identifiers.iter().filter(|i| i.is_active).count()
}

fn last_one() -> UserError {
    UserError::Invalid("The last identifier to sign in with can't go".into())
}

/// Refuses to touch the name the system administrator signs in with.
fn keep_system(tenant: &TenantScope, user: &User, own: &UserIdentifier) -> Result<(), UserError> {
    let is_name = own.kind == IdentifierKind::Username && own.value == "admin";
    if is_name && is_system_admin(tenant, user) { Err(UserError::Protected) } else { Ok(()) }
}

/// Changes whether an identifier is the primary one of its kind, or may be used.
///
/// # Errors
/// [`UserError::NotFound`]; the last usable identifier can't be switched off.
pub async fn update(
    identity: &Identity,
    tenant: &TenantScope,
    (user, id): (&UserId, &str),
    (is_primary, is_active): (Option<bool>, Option<bool>),
    author: Author<'_>,
) -> Result<(Stored<User>, UserIdentifier), UserError> {
    let changed = change(identity, tenant, user, author, |old| {
        let mut next = old.record.clone();
        let own = next.identifiers.iter_mut().find(|i| i.id == id).ok_or(UserError::NotFound)?;
        own.is_active = is_active.unwrap_or(own.is_active);
        if let Some(is_primary) = is_primary {
            own.is_primary = is_primary;
        }
        if !own.is_active {
            let own = own.clone();
            keep_system(tenant, old, &own)?;
        }
        if is_primary == Some(true) {
            prefer(&mut next, id);
        }
        if usable(&next) == 0 {
            return Err(last_one());
        }
        let is_same = next == old.record;
        Ok((!is_same).then(|| (next, "user.identifier_updated", vec!["identifiers".to_owned()])))
    })
    .await?;
    let updated = changed.identifiers.iter().find(|i| i.id == id).cloned().ok_or(UserError::NotFound)?;
    Ok((changed, updated))
}

/// Removes an identifier; somebody else may take it then.
///
/// # Errors
/// [`UserError::NotFound`]; the last usable identifier can't go.
pub async fn remove(
    identity: &Identity,
    tenant: &TenantScope,
    (user, id): (&UserId, &str),
    author: Author<'_>,
) -> Result<(Stored<User>, UserIdentifier), UserError> {
    let mut removed = None;
    let changed = change(identity, tenant, user, author, |old| {
        let mut next = old.record.clone();
        let own = next.identifiers.iter().find(|i| i.id == id).cloned().ok_or(UserError::NotFound)?;
        keep_system(tenant, old, &own)?;
        next.identifiers.retain(|i| i.id != id);
        if usable(&next) == 0 {
            return Err(last_one());
        }
        removed = Some(own);
        Ok(Some((next, "user.identifier_removed", vec!["identifiers".to_owned()])))
    })
    .await?;
    Ok((changed, removed.ok_or(UserError::NotFound)?))
}
