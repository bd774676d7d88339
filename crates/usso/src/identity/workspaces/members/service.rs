//! Joining and leaving workspaces, and what members are there.

use super::schema::UpdateMember;
use crate::access_control::roles::effective::may_assign;
use crate::access_control::roles::model::is_slug;
use crate::access_control::roles::service::slugs;
use crate::identity::users::model::{User, left_tag, workspace_tag};
use crate::identity::workspaces::access::Asker;
use crate::identity::workspaces::model::Workspace;
use crate::identity::workspaces::service::{self as workspaces, MAX_ROLES, WorkspaceError};
use crate::identity::{Identity, stale_user};
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, Query, Record, Stored, TagMatch, Timestamp, UserId};

/// How many workspaces a user may belong to.
pub const MAX_WORKSPACES: usize = 100;

/// How many owners a workspace may have.
const MAX_OWNERS: usize = 50;

pub(in crate::identity::workspaces) fn too_many() -> WorkspaceError {
    WorkspaceError::Conflict(format!("At most {MAX_WORKSPACES} workspaces per user").into())
}

/// A member of a workspace.
///
/// # Errors
/// [`WorkspaceError::NotFound`], also for somebody who is no member.
pub async fn get(
    tenant: &TenantScope,
    workspace: &Workspace,
    user: &str,
) -> Result<Stored<User>, WorkspaceError> {
    let id = UserId::parse(user).map_err(|_| WorkspaceError::NotFound)?;
    let user = tenant.records::<User>().get(id.as_str()).await?;
    user.filter(|user| user.deleted_at.is_none() && is_member(user, workspace))
        .ok_or(WorkspaceError::NotFound)
}

fn is_member(user: &User, workspace: &Workspace) -> bool {
    user.workspace(Some(workspace.id.as_str())).is_some()
}

/// Puts the memberships of a user in order after `workspace_ids` or `workspace_roles` were set: each workspace once, with
/// the time it was joined, and nothing left of those that were left.
pub fn settle(user: &mut User, now: Timestamp) {
    let mut ids: Vec<String> = Vec::with_capacity(user.workspace_ids.len());
    for id in std::mem::take(&mut user.workspace_ids) {
        if !ids.contains(&id) {
            user.workspace_joined_at.entry(id.clone()).or_insert(now);
            ids.push(id);
        }
    }
    user.workspace_roles.retain(|id, roles| ids.contains(id) && !roles.is_empty());
    user.workspace_joined_at.retain(|id, _| ids.contains(id));
    user.workspace_ids = ids;
}

/// Checks that somebody who holds these scopes may give and take the memberships in which two versions of a user differ.
/// The roles of `next` are slugs already.
///
/// # Errors
/// A workspace that isn't there, roles in one the user doesn't belong to, roles that can't be given, too many of either;
/// [`WorkspaceError::Conflict`] for an owner: their membership ends in the workspace, or its last owner could be lost.
pub async fn check_membership(
    identity: &Identity,
    tenant: &TenantScope,
    held: &[String],
    (old, next): (Option<&User>, &User),
) -> Result<(), WorkspaceError> {
    let invalid = |text: String| Err(WorkspaceError::Invalid(text.into()));
    if next.workspace_ids.len() > MAX_WORKSPACES {
        return Err(too_many());
    }
    let belonged = |id: &str| old.is_some_and(|old| old.workspace(Some(id)).is_some());
    for id in next.workspace_ids.iter().filter(|id| !belonged(id)) {
        match workspaces::get(tenant, id).await {
            Ok(_) => {}
            Err(WorkspaceError::NotFound) => {
                return invalid(format!("workspace_ids: there is no workspace `{id}`"));
            }
            Err(e) => return Err(e),
        }
    }
    for (id, roles) in &next.workspace_roles {
        if next.workspace(Some(id)).is_none() {
            return invalid(format!("workspace_roles: the user doesn't belong to `{id}`"));
        }
        if roles.len() > MAX_ROLES || roles.iter().any(|role| !is_slug(role)) {
            return invalid(format!("workspace_roles: at most {MAX_ROLES} role slugs per workspace"));
        }
        let had = old.and_then(|old| old.workspace_roles.get(id)).map(Vec::as_slice).unwrap_or_default();
        let given: Vec<&String> = roles.iter().filter(|role| !had.contains(role)).collect();
        may_assign(identity.roles(), tenant, held, given).await?;
    }
    let left =
        old.into_iter().flat_map(|old| &old.workspace_ids).filter(|id| next.workspace(Some(id)).is_none());
    for id in left {
        match workspaces::get(tenant, id).await {
            Ok(workspace) if workspace.lists(&next.id) => {
                let detail = format!("An owner of `{id}` leaves it at its members");
                return Err(WorkspaceError::Conflict(detail.into()));
            }
            Ok(_) | Err(WorkspaceError::NotFound) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Takes those workspaces back from a user that were deleted while they were given. Whoever deletes a workspace marks it
/// before taking it from its members: either they saw this one, or this is seen.
///
/// # Errors
/// When the database is away.
pub async fn take_back_deleted(
    identity: &Identity,
    tenant: &TenantScope,
    (old, next): (&User, &Stored<User>),
    author: (&Actor, &ClientInfo),
) -> Result<(), WorkspaceError> {
    for id in next.workspace_ids.iter().filter(|id| old.workspace(Some(id)).is_none()) {
        match workspaces::get(tenant, id).await {
            Err(WorkspaceError::NotFound) => take_away(identity, tenant, id, &next.id, author).await?,
            found => drop(found?),
        }
    }
    Ok(())
}

/// Makes a user a member with these roles and the workspace's default ones; a member is given the roles they lack.
///
/// The default roles are not the granter's to hold: whoever set them granted them to all who join.
///
/// # Errors
/// [`WorkspaceError::NotFound`] for user or workspace; too many workspaces.
pub async fn join(
    identity: &Identity,
    tenant: &TenantScope,
    workspace: &Workspace,
    (user, roles): (&UserId, &[String]),
    asker: &Asker<'_>,
) -> Result<Stored<User>, WorkspaceError> {
    let (id, now) = (workspace.id.as_str(), tenant.now());
    let joined = changed(identity, tenant, user, |old| {
        if old.deleted_at.is_some() {
            return Err(WorkspaceError::NotFound);
        }
        let mut next = old.clone();
        if !is_member(&next, workspace) {
            if next.workspace_ids.len() >= MAX_WORKSPACES {
                return Err(too_many());
            }
            next.workspace_ids.push(id.to_owned());
        }
        let own = next.workspace_roles.entry(id.to_owned()).or_default();
        for role in roles.iter().chain(&workspace.default_roles) {
            if !own.contains(role) {
                own.push(role.clone());
            }
        }
        let given = own.clone();
        settle(&mut next, now);
        let event = asker.event("workspace.member_added", user.as_str());
        Ok((next, event.with("workspace_id", id).with("roles", given)))
    })
    .await?;
    // Whoever deletes a workspace marks it before taking it from its members: either they saw this one, or this is seen.
    if let Err(gone) = workspaces::get(tenant, id).await {
        take(identity, tenant, workspace, user, asker).await?;
        return Err(gone);
    }
    Ok(joined)
}

/// Ends a membership, and ownership with it.
///
/// # Errors
/// [`WorkspaceError::Conflict`] for the last owner; [`WorkspaceError::NotFound`].
pub async fn remove(
    identity: &Identity,
    tenant: &TenantScope,
    workspace: &Workspace,
    user: &UserId,
    asker: &Asker<'_>,
) -> Result<(), WorkspaceError> {
    disown(identity, tenant, workspace, (user, true), asker).await?;
    take(identity, tenant, workspace, user, asker).await?;
    // Somebody may have made them an owner meanwhile.
    disown(identity, tenant, workspace, (user, false), asker).await
}

/// Changes what a member is: roles in this workspace, and whether they own it.
///
/// # Errors
/// Roles the caller can't give; [`WorkspaceError::Conflict`] for the last owner; [`WorkspaceError::NotFound`].
pub async fn update(
    identity: &Identity,
    tenant: &TenantScope,
    (workspace, member): (&Workspace, &Stored<User>),
    change: UpdateMember,
    asker: &Asker<'_>,
) -> Result<(), WorkspaceError> {
    if let Some(named) = change.roles {
        set_roles(identity, tenant, (workspace, member), named, asker).await?;
    }
    match change.is_owner {
        None => Ok(()),
        Some(true) => own(identity, tenant, workspace, &member.id, asker).await,
        Some(false) => disown(identity, tenant, workspace, (&member.id, true), asker).await,
    }
}

async fn set_roles(
    identity: &Identity,
    tenant: &TenantScope,
    (workspace, member): (&Workspace, &Stored<User>),
    named: Vec<String>,
    asker: &Asker<'_>,
) -> Result<(), WorkspaceError> {
    let (id, now) = (workspace.id.as_str(), tenant.now());
    if named.len() > MAX_ROLES {
        return Err(WorkspaceError::Invalid(format!("roles: at most {MAX_ROLES}").into()));
    }
    let roles = slugs(tenant, named).await?;
    let given = further(&roles, member, workspace);
    may_assign(identity.roles(), tenant, asker.scopes, &given).await?;
    changed(identity, tenant, &member.id, |old| {
        if !is_member(old, workspace) {
            return Err(WorkspaceError::NotFound);
        }
        // Taken away meanwhile, and perhaps not the caller's to give back.
        if further(&roles, old, workspace).iter().any(|role| !given.contains(role)) {
            return Err(WorkspaceError::Stale);
        }
        let mut next = old.clone();
        next.workspace_roles.insert(id.to_owned(), roles.clone());
        settle(&mut next, now);
        let event = asker.event("workspace.member_updated", member.id.as_str());
        Ok((next, event.with("workspace_id", id).with("roles", roles.clone())))
    })
    .await
    .map(drop)
}

/// Those roles a user doesn't have in the workspace.
fn further(roles: &[String], user: &User, workspace: &Workspace) -> Vec<String> {
    let own = user.workspace_roles.get(workspace.id.as_str()).map(Vec::as_slice).unwrap_or_default();
    roles.iter().filter(|role| !own.contains(role)).cloned().collect()
}

async fn own(
    identity: &Identity,
    tenant: &TenantScope,
    workspace: &Workspace,
    user: &UserId,
    asker: &Asker<'_>,
) -> Result<(), WorkspaceError> {
    let id = &workspace.id;
    workspaces::changed(identity, tenant, id, |old| {
        if old.lists(user) {
            return Ok(Change::Keep);
        }
        if old.owners.len() >= MAX_OWNERS {
            return Err(WorkspaceError::Conflict(format!("At most {MAX_OWNERS} owners").into()));
        }
        let mut next = old.record.clone();
        next.owners.push(user.clone());
        let event = asker.event("workspace.owner_added", user.as_str()).with("workspace_id", id.as_str());
        Ok(Change::Put(next, vec![event.effect(tenant)]))
    })
    .await?;
    // They may have left meanwhile.
    match get(tenant, workspace, user.as_str()).await {
        Ok(_) => Ok(()),
        Err(e) => {
            disown(identity, tenant, workspace, (user, false), asker).await?;
            Err(e)
        }
    }
}

/// Takes ownership away; `is_guarded`: not that of the last owner.
async fn disown(
    identity: &Identity,
    tenant: &TenantScope,
    workspace: &Workspace,
    (user, is_guarded): (&UserId, bool),
    asker: &Asker<'_>,
) -> Result<(), WorkspaceError> {
    let id = &workspace.id;
    workspaces::changed(identity, tenant, id, |old| {
        if !old.lists(user) {
            return Ok(Change::Keep);
        }
        if is_guarded && old.owners.len() == 1 {
            return Err(WorkspaceError::LAST_OWNER);
        }
        let mut next = old.record.clone();
        next.owners.retain(|own| own != user);
        let event = asker.event("workspace.owner_removed", user.as_str()).with("workspace_id", id.as_str());
        Ok(Change::Put(next, vec![event.effect(tenant)]))
    })
    .await
    .map(drop)
}

async fn take(
    identity: &Identity,
    tenant: &TenantScope,
    workspace: &Workspace,
    user: &UserId,
    asker: &Asker<'_>,
) -> Result<(), WorkspaceError> {
    take_away(identity, tenant, workspace.id.as_str(), user, (&asker.actor, &asker.client)).await
}

async fn take_away(
    identity: &Identity,
    tenant: &TenantScope,
    id: &str,
    user: &UserId,
    (actor, client): (&Actor, &ClientInfo),
) -> Result<(), WorkspaceError> {
    let now = tenant.now();
    changed(identity, tenant, user, |old| {
        let mut next = old.clone();
        next.workspace_ids.retain(|own| own != id);
        settle(&mut next, now);
        let event = Event::new("workspace.member_removed", actor.clone(), user.as_str(), client);
        Ok((next, event.with("workspace_id", id)))
    })
    .await
    .map(drop)
}

/// Takes a deleted workspace from everybody.
///
/// # Errors
/// When the database is away.
pub async fn sweep(
    identity: &Identity,
    tenant: &TenantScope,
    gone: &Workspace,
    asker: &Asker<'_>,
) -> Result<(), WorkspaceError> {
    let id = gone.id.as_str();
    let any = [workspace_tag(id), left_tag(id)].map(|tag| vec![TagMatch::Is(tag)]).to_vec();
    loop {
        let query = Query { limit: 100, ..Query::all(User::KIND) }.with_any(any.clone(), &[]);
        let page = tenant.records::<User>().page(query).await?;
        if page.items.is_empty() {
            return Ok(());
        }
        for user in page.items {
            match take(identity, tenant, gone, &user.id, asker).await {
                Ok(()) | Err(WorkspaceError::NotFound) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// Changes a user by a pure function that tells what happened, and keeps memory honest. What comes out as it went in
/// is not written.
async fn changed<'e>(
    identity: &Identity,
    tenant: &TenantScope,
    user: &UserId,
    mut change: impl FnMut(&User) -> Result<(User, Event<'e>), WorkspaceError>,
) -> Result<Stored<User>, WorkspaceError> {
    let stale = stale_user(tenant, user).effect(tenant);
    let written = tenant
        .records::<User>()
        .update::<WorkspaceError>(user.as_str(), |old| {
            let (next, event) = change(&old.record)?;
            if next == old.record {
                return Ok(Change::Keep);
            }
            Ok(Change::Put(next, vec![event.effect(tenant), stale.clone()]))
        })
        .await;
    identity.forget_user(tenant, user);
    written?.ok_or(WorkspaceError::NotFound)
}
