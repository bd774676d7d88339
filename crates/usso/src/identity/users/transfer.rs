//! Moving a user to another tenant: the account goes, what it was given in the old tenant stays behind.
//!
//! Two tenants are two partitions, so this takes more than one write: the account is closed first, then made in the new
//! tenant, where its identifiers may be taken, then removed from the old one. Whatever stops this, doing it again goes on
//! from there; until then the account is closed.

use super::admin::{change, is_system_admin};
use super::error::UserError;
use super::model::User;
use super::removal::{drop_sessions, end_agents, end_keys};
use crate::identity::{Identity, stale_user};
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{StorageError, Stored, UserId};
use std::collections::BTreeMap;

/// Moves a user: identifiers, credentials, name, picture and profile go along; roles, scopes, workspaces and custom claims
/// don't; sessions and API keys end.
///
/// # Errors
/// [`UserError::IdentifierExists`] when an identifier is taken there; [`UserError::Protected`];
/// [`UserError::NotFound`].
pub async fn transfer(
    identity: &Identity,
    (from, to): (&TenantScope, &TenantScope),
    id: &UserId,
    author: (&Actor, &ClientInfo),
) -> Result<Stored<User>, UserError> {
    if from.id() == to.id() {
        return Err(UserError::Invalid("tenant_id: the user is there already".into()));
    }
    let closed = change(identity, from, id, author, |old| match &old.moving_to {
        Some(target) if target == to.id() => Ok(None),
        Some(_) => Err(UserError::TooMany("The user is on the way to another tenant")),
        None if old.deleted_at.is_some() => Err(UserError::NotFound),
        None if is_system_admin(from, old) => Err(UserError::Protected),
        None => {
            let mut next = old.record.clone();
            next.moving_to = Some(to.id().clone());
            next.session_epoch += 1;
            Ok(Some((next, "user.moving", Vec::new())))
        }
    })
    .await?;
    let (actor, client) = author;
    let event = Event::new("user.moved_in", actor.clone(), id.as_str(), client)
        .with("from", from.id().as_str())
        .effect(to);
    let arrived = match to.records::<User>().insert(arriving(&closed), vec![event]).await {
        Ok(arrived) => arrived,
        Err(StorageError::Exists) => {
            to.records::<User>().get(id.as_str()).await?.ok_or(UserError::NotFound)?
        }
        Err(StorageError::KeyTaken { .. }) => {
            reopen(identity, from, id, author).await?;
            return Err(UserError::IdentifierExists);
        }
        Err(e) => return Err(e.into()),
    };
    end_agents(identity, from, id, author).await?;
    end_keys(identity, from, id, author).await?;
    drop_sessions(identity, from, id).await?;
    leave(identity, (from, to), id, author).await?;
    Ok(arrived)
}

/// The account as it begins in its new tenant.
fn arriving(old: &User) -> User {
    User {
        roles: Vec::new(),
        scopes: Vec::new(),
        workspace_ids: Vec::new(),
        workspace_roles: BTreeMap::new(),
        workspace_joined_at: BTreeMap::new(),
        custom_claims: serde_json::Map::new(),
        // What administrators noted is theirs.
        meta_data: serde_json::Map::new(),
        history: Vec::new(),
        moving_to: None,
        referred_by: None,
        ..old.clone()
    }
}

async fn reopen(
    identity: &Identity,
    from: &TenantScope,
    id: &UserId,
    author: (&Actor, &ClientInfo),
) -> Result<(), UserError> {
    let stay = |old: &Stored<User>| {
        let next = User { moving_to: None, ..old.record.clone() };
        Ok(Some((next, "user.stayed", Vec::new())))
    };
    change(identity, from, id, author, stay).await.map(drop)
}

async fn leave(
    identity: &Identity,
    (from, to): (&TenantScope, &TenantScope),
    id: &UserId,
    (actor, client): (&Actor, &ClientInfo),
) -> Result<(), UserError> {
    let Some(left) = from.records::<User>().get(id.as_str()).await? else { return Ok(()) };
    let event = Event::new("user.moved_out", actor.clone(), id.as_str(), client)
        .with("to", to.id().as_str())
        .effect(from);
    let gone = from.records::<User>().delete(&left, vec![event, stale_user(from, id).effect(from)]).await;
    identity.forget_user(from, id);
    Ok(gone?)
}
