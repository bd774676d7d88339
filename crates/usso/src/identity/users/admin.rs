//! Creating users for others, and changing them: who may give what to whom.

use super::claims;
use super::error::UserError;
use super::model::{ActivationStatus, HistoryEntry, User};
use super::notice::notice;
use super::service::{NewUser, check_password, credential_id, draft, insert};
use crate::access_control::delegation::may_grant;
use crate::access_control::permission::{Permission, PermissionDenied, Resource, SUPERADMIN_SCOPE};
use crate::access_control::roles::effective::may_assign;
use crate::access_control::roles::service::{Granter, slugs};
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::identity::workspaces::access::{Act, denied, is_owner, may_manage};
use crate::identity::workspaces::members::service::{check_membership, settle, take_back_deleted};
use crate::identity::workspaces::model::Workspace;
use crate::identity::{Identity, stale_user};
use crate::tenant::audit::Event;
use crate::tenant::patch::merge;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, Effect, StorageError, Stored, TenantId, UserId};
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How often a change is retried after losing against another.
const ATTEMPTS: u32 = 16;

/// Most roles, scopes and workspaces a user may have.
const MAX_GRANTS: usize = 200;
const MAX_NAME: usize = 200;
const MAX_URL: usize = 2_048;
/// Most bytes of `meta_data` as JSON.
const MAX_META_DATA: usize = 16_384;

/// The user name of the built-in system administrator (ruling D5).
const SYSTEM_USERNAME: &str = "admin";

/// A change of a user; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Display name.
    pub name: Option<Option<String>>,
    /// Picture.
    pub avatar_url: Option<Option<String>>,
    /// Role slugs or names.
    pub roles: Option<Vec<String>>,
    /// Scopes granted directly.
    pub scopes: Option<Vec<String>>,
    /// Workspaces.
    pub workspace_ids: Option<Vec<String>>,
    /// Roles per workspace.
    pub workspace_roles: Option<BTreeMap<String, Vec<String>>>,
    /// Whether the account may be used.
    pub is_active: Option<bool>,
    /// Whether it is restricted.
    pub is_limited: Option<bool>,
    /// Where it stands.
    pub activation_status: Option<ActivationStatus>,
    /// Claims to merge: `null` removes.
    pub custom_claims: Option<Map<String, Value>>,
    /// Meta data to merge: `null` removes.
    pub meta_data: Option<Map<String, Value>>,
}

impl Edit {
    /// Whether it touches what owning the account doesn't cover (contract 4.5).
    pub fn is_privileged(&self) -> bool {
        self.roles.is_some()
            || self.scopes.is_some()
            || self.workspace_ids.is_some()
            || self.workspace_roles.is_some()
            || self.is_active.is_some()
            || self.is_limited.is_some()
            || self.activation_status.is_some()
            || self.custom_claims.is_some()
            || self.meta_data.is_some()
    }
}

/// Creates a user on somebody's behalf. Without a password nobody can sign in with one until it is set.
///
/// # Errors
/// [`UserError::IdentifierExists`], a weak password, and whatever can't be given.
pub async fn create(
    identity: &Identity,
    tenant: &TenantScope,
    (identifier, password): (Identifier, Option<&SecretString>),
    edit: Edit,
    granter: Granter<'_>,
) -> Result<Stored<User>, UserError> {
    let name = identifier.value().to_owned();
    let blank = draft(tenant, NewUser::named(identifier, None));
    let (mut user, _) = edited(identity, tenant, (&blank, edit), granter).await?;
    user.session_epoch = 0;
    if let Some(password) = password {
        check_password(identity, tenant, password, &name).await?;
        let hash = identity.hasher().hash(tenant.id().as_str(), password, tenant.token::<16>()).await?;
        user.set_password_hash(credential_id(tenant), hash, tenant.now());
    }
    insert(tenant, user, ("user.created", granter.actor.clone()), granter.client).await
}

/// Changes a user. What is given must be held by the granter; disabling ends every session.
///
/// # Errors
/// Whatever can't be given, [`UserError::NotFound`], and what `check` says of the user found.
pub async fn update(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    edit: Edit,
    (granter, check): (Granter<'_>, impl Fn(&Stored<User>) -> Result<(), UserError>),
) -> Result<Stored<User>, UserError> {
    for _ in 0..ATTEMPTS {
        let old = tenant.records::<User>().get(id.as_str()).await?.ok_or(UserError::NotFound)?;
        check(&old)?;
        let (mut next, fields) = edited(identity, tenant, (&old, edit.clone()), granter).await?;
        if next == old.record {
            return Ok(old);
        }
        if is_system_admin(tenant, &old) && !next.scopes.iter().any(|s| s == SUPERADMIN_SCOPE) {
            return Err(UserError::Protected);
        }
        let loses_access = old.may_sign_in() && !next.may_sign_in();
        if loses_access {
            if is_system_admin(tenant, &old) {
                return Err(UserError::Protected);
            }
            next.session_epoch += 1;
        }
        if !old.may_sign_in() && next.may_sign_in() {
            // Who comes back has all they had.
            may_act_for(identity, tenant, granter.scopes, &next).await?;
        }
        let effects = recorded(tenant, &mut next, "user.updated", fields, (granter.actor, granter.client));
        let written = tenant.records::<User>().replace(&old, next, effects).await;
        identity.forget_user(tenant, id);
        match written {
            Err(StorageError::Conflict) => {}
            other => {
                let next = other?;
                take_back_deleted(identity, tenant, (&old, &next), (granter.actor, granter.client)).await?;
                return Ok(next);
            }
        }
    }
    Err(StorageError::Contended.into())
}

/// Changes a user by a pure function that also names the event and the fields.
///
/// # Errors
/// The function's, and [`UserError::NotFound`].
pub async fn change(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    author: (&Actor, &ClientInfo),
    mut edit: impl FnMut(&Stored<User>) -> Result<Option<(User, &'static str, Vec<String>)>, UserError>,
) -> Result<Stored<User>, UserError> {
    let updated = tenant
        .records::<User>()
        .update::<UserError>(id.as_str(), |old| {
            Ok(match edit(old)? {
                None => Change::Keep,
                Some((mut next, event, fields)) => {
                    let mut effects = recorded(tenant, &mut next, event, fields, author);
                    effects.extend(notice(tenant, old, event, author.1));
                    Change::Put(next, effects)
                }
            })
        })
        .await;
    identity.forget_user(tenant, id);
    updated?.ok_or(UserError::NotFound)
}

/// Notes a change in the user's history; gives the effects to commit with it.
pub(super) fn recorded(
    tenant: &TenantScope,
    user: &mut User,
    event: &'static str,
    fields: Vec<String>,
    (actor, client): (&Actor, &ClientInfo),
) -> Vec<Effect> {
    let mut told = Event::new(event, actor.clone(), user.id.as_str(), client);
    if !fields.is_empty() {
        told = told.with("fields", fields.clone());
    }
    for (name, list) in [("roles", &user.roles), ("scopes", &user.scopes)] {
        if fields.iter().any(|f| f == name) {
            told = told.with(name, list.clone());
        }
    }
    let entry =
        HistoryEntry { at: tenant.now(), event: event.to_owned(), actor: actor.as_str().to_owned(), fields };
    user.remember(entry);
    vec![told.effect(tenant), stale_user(tenant, &user.id).effect(tenant)]
}

/// Whether this is the account that `SYSTEM_PASSWORD` belongs to: it can't be taken away.
pub fn is_system_admin(tenant: &TenantScope, user: &User) -> bool {
    *tenant.id() == TenantId::default_tenant()
        && user.identifiers.iter().any(|i| i.kind == IdentifierKind::Username && i.value == SYSTEM_USERNAME)
}

/// Checks that somebody holds all that a user may ever hold: who could take the account over, by its credentials or in
/// its name, must not gain by it.
///
/// # Errors
/// [`UserError::Scopes`].
pub async fn may_act_for(
    identity: &Identity,
    tenant: &TenantScope,
    held: &[String],
    user: &User,
) -> Result<(), UserError> {
    may_grant(held, &user.scopes)?;
    Ok(may_assign(identity.roles(), tenant, held, user.all_roles()).await?)
}

/// As [`may_act_for`], for who could then sign in as the user: they would own the workspaces the user owns, too.
///
/// # Errors
/// [`UserError::Scopes`]; [`UserError::Denied`] for an owner of a workspace that the caller may not manage.
pub async fn may_take_over(
    identity: &Identity,
    tenant: &TenantScope,
    held: &[String],
    user: &User,
) -> Result<(), UserError> {
    may_act_for(identity, tenant, held, user).await?;
    for id in &user.workspace_ids {
        let Some(workspace) = tenant.records::<Workspace>().get(id).await? else { continue };
        if is_owner(&workspace, user) && !may_manage(tenant, held, &workspace) {
            return Err(denied(Act::Manage).into());
        }
    }
    Ok(())
}

fn invalid(detail: impl Into<String>) -> UserError {
    UserError::Invalid(detail.into().into())
}

fn text(field: &str, value: Option<String>, max: usize) -> Result<Option<String>, UserError> {
    let value = value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
    match &value {
        Some(v) if v.chars().count() > max => Err(invalid(format!("{field}: at most {max} characters"))),
        _ => Ok(value),
    }
}

fn picture(value: Option<String>) -> Result<Option<String>, UserError> {
    let url = text("avatar_url", value, MAX_URL)?;
    let is_web = |u: &String| {
        (u.starts_with("https://") || u.starts_with("http://"))
            && !u.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    if url.as_ref().is_none_or(is_web) { Ok(url) } else { Err(invalid("avatar_url: must be a web address")) }
}

/// Those in `new` that are not in `old`.
fn added<'a>(old: &[String], new: &'a [String]) -> Vec<&'a String> {
    new.iter().filter(|item| !old.contains(item)).collect()
}

fn limited(field: &str, list: Vec<String>) -> Result<Vec<String>, UserError> {
    let mut unique: Vec<String> = Vec::with_capacity(list.len());
    for item in list {
        if !unique.contains(&item) {
            unique.push(item);
        }
    }
    if unique.len() > MAX_GRANTS {
        Err(invalid(format!("{field}: at most {MAX_GRANTS}")))
    } else {
        Ok(unique)
    }
}

/// The user as a change makes it, and the names of the fields it touches.
async fn edited(
    identity: &Identity,
    tenant: &TenantScope,
    (old, edit): (&User, Edit),
    granter: Granter<'_>,
) -> Result<(User, Vec<String>), UserError> {
    let mut user = granted(identity, tenant, (old, &edit), granter).await?;
    if let Some(name) = edit.name {
        user.name = text("name", name, MAX_NAME)?;
    }
    if let Some(url) = edit.avatar_url {
        user.avatar_url = picture(url)?;
    }
    if let Some(change) = edit.custom_claims {
        user.custom_claims = claims::changed(&old.custom_claims, change)?;
    }
    if let Some(change) = edit.meta_data {
        merge(&mut user.meta_data, change);
        if serde_json::to_string(&user.meta_data).map_or(usize::MAX, |t| t.len()) > MAX_META_DATA {
            return Err(invalid(format!("meta_data: at most {MAX_META_DATA} bytes")));
        }
    }
    user.is_active = edit.is_active.unwrap_or(old.is_active);
    user.is_limited = edit.is_limited.unwrap_or(old.is_limited);
    user.activation_status = edit.activation_status.unwrap_or(old.activation_status);
    let fields = touched(old, &user);
    Ok((user, fields))
}

/// The user with the roles, scopes and workspaces of a change, each of which the granter may give.
async fn granted(
    identity: &Identity,
    tenant: &TenantScope,
    (old, edit): (&User, &Edit),
    granter: Granter<'_>,
) -> Result<User, UserError> {
    let mut user = old.clone();
    if let Some(scopes) = &edit.scopes {
        user.scopes = limited("scopes", scopes.clone())?;
        let new: Vec<String> = added(&old.scopes, &user.scopes).into_iter().cloned().collect();
        may_grant(granter.scopes, &new)?;
    }
    if let Some(roles) = &edit.roles {
        user.roles = slugs(tenant, limited("roles", roles.clone())?).await?;
        let new = added(&old.roles, &user.roles);
        may_assign(identity.roles(), tenant, granter.scopes, new).await?;
    }
    if let Some(ids) = &edit.workspace_ids {
        user.workspace_ids.clone_from(ids);
        user.workspace_roles.retain(|id, _| ids.contains(id));
    }
    if let Some(by_workspace) = &edit.workspace_roles {
        user.workspace_roles.clear();
        for (id, roles) in by_workspace {
            user.workspace_roles.insert(id.clone(), slugs(tenant, roles.clone()).await?);
        }
    }
    if edit.workspace_ids.is_some() || edit.workspace_roles.is_some() {
        check_places(tenant, granter.scopes, (old, &user))?;
        check_membership(identity, tenant, granter.scopes, (Some(old), &user)).await?;
        settle(&mut user, tenant.now());
    }
    Ok(user)
}

/// Checks that whoever puts a user into workspaces, or takes them out, may do that in each of these: a permission for the
/// users of one workspace reaches no other.
fn check_places(tenant: &TenantScope, held: &[String], (old, new): (&User, &User)) -> Result<(), UserError> {
    let users = Permission::new("create", Resource::Users);
    let workspaces = Permission::new("manage", Resource::Workspaces);
    let changed = |a: &User, b: &User| -> Vec<String> {
        a.workspace_ids.iter().filter(|id| !b.workspace_ids.contains(id)).cloned().collect()
    };
    for id in changed(old, new).into_iter().chain(changed(new, old)) {
        let place = [("tenant_id", tenant.id().as_str()), ("workspace_id", id.as_str())];
        let workspace = [("tenant_id", tenant.id().as_str()), ("id", id.as_str()), ("uid", id.as_str())];
        if !users.is_granted(held, &place) && !workspaces.is_granted(held, &workspace) {
            return Err(PermissionDenied(workspaces).into());
        }
    }
    Ok(())
}

fn touched(old: &User, new: &User) -> Vec<String> {
    let mut fields: Vec<&str> = Vec::new();
    let mut note = |name, is_other: bool| {
        if is_other {
            fields.push(name);
        }
    };
    note("name", old.name != new.name);
    note("avatar_url", old.avatar_url != new.avatar_url);
    note("roles", old.roles != new.roles);
    note("scopes", old.scopes != new.scopes);
    note("workspace_ids", old.workspace_ids != new.workspace_ids);
    note("workspace_roles", old.workspace_roles != new.workspace_roles);
    note("is_active", old.is_active != new.is_active);
    note("is_limited", old.is_limited != new.is_limited);
    note("activation_status", old.activation_status != new.activation_status);
    note("custom_claims", old.custom_claims != new.custom_claims);
    note("meta_data", old.meta_data != new.meta_data);
    fields.into_iter().map(str::to_owned).collect()
}
