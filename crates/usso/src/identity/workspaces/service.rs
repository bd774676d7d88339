//! Making, changing and removing workspaces.

use super::access::{Act, Asker, denied};
pub use super::error::WorkspaceError;
use super::invitations::service as invitations;
use super::members::service::{self as members, MAX_WORKSPACES};
use super::memory::stale_workspace;
use super::model::Workspace;
use super::schema::{CreateWorkspace, UpdateWorkspace};
use crate::access_control::permission::{ADMIN_ROLE, Permission, Resource};
use crate::access_control::roles::effective::may_assign;
use crate::access_control::roles::service::slugs;
use crate::identity::Identity;
use crate::tenant::TenantScope;
use crate::tenant::patch::merge;
use kernel::{Change, StorageError, Stored, WorkspaceId};
use serde_json::{Map, Value};

const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 2_000;
const MAX_URL: usize = 2_048;
/// Most bytes of each free part, as stored JSON: 16 KiB.
const MAX_PART: usize = 16_384;

/// How many roles somebody may be given in a workspace, and by default.
pub const MAX_ROLES: usize = 50;

/// Refuses where workspaces are switched off.
///
/// # Errors
/// [`WorkspaceError::Disabled`].
pub fn check_enabled(tenant: &TenantScope) -> Result<(), WorkspaceError> {
    if tenant.profile().settings.workspace_enabled { Ok(()) } else { Err(WorkspaceError::Disabled) }
}

/// A workspace that is there.
///
/// # Errors
/// [`WorkspaceError::NotFound`].
pub async fn get(tenant: &TenantScope, id: &str) -> Result<Stored<Workspace>, WorkspaceError> {
    let found = tenant.records::<Workspace>().get(id).await?;
    found.filter(|workspace| workspace.deleted_at.is_none()).ok_or(WorkspaceError::NotFound)
}

fn invalid(field: &str, rule: &str) -> WorkspaceError {
    WorkspaceError::Invalid(format!("{field}: {rule}").into())
}

fn text(field: &str, value: &str, max: usize) -> Result<String, WorkspaceError> {
    let value = value.trim();
    match value.chars().count() {
        0 => Err(invalid(field, "must not be empty")),
        n if n > max => Err(invalid(field, &format!("at most {max} characters"))),
        _ => Ok(value.to_owned()),
    }
}

fn optional(field: &str, value: Option<&str>, max: usize) -> Result<Option<String>, WorkspaceError> {
    value.filter(|v| !v.trim().is_empty()).map(|v| text(field, v, max)).transpose()
}

/// An address that a page may show a picture from, and nothing a browser would run.
fn logo(value: Option<&str>) -> Result<Option<String>, WorkspaceError> {
    let url = optional("logo_url", value, MAX_URL)?;
    let is_web = |url: &String| {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
            && url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'<' | b'>' | b'\\'))
    };
    match url {
        Some(url) if !is_web(&url) => Err(invalid("logo_url", "must be an http or https address")),
        url => Ok(url),
    }
}

fn part(field: &str, part: &Map<String, Value>) -> Result<(), WorkspaceError> {
    let size = serde_json::to_string(part).map_or(usize::MAX, |text| text.len());
    if size > MAX_PART { Err(invalid(field, &format!("at most {MAX_PART} bytes"))) } else { Ok(()) }
}

/// The slugs of roles that somebody who holds these scopes may give.
///
/// # Errors
/// [`WorkspaceError::Scopes`] for one they may not; values that can't be.
pub async fn assignable(
    identity: &Identity,
    tenant: &TenantScope,
    held: &[String],
    named: Vec<String>,
) -> Result<Vec<String>, WorkspaceError> {
    if named.len() > MAX_ROLES {
        return Err(invalid("roles", &format!("at most {MAX_ROLES}")));
    }
    let roles = slugs(tenant, named).await?;
    may_assign(identity.roles(), tenant, held, &roles).await?;
    // A name that stands for nothing yet is given by those who may name users' roles, or it could be taken in advance.
    if !Permission::new("update", Resource::Users).is_granted(held, &[("tenant_id", tenant.id().as_str())]) {
        for slug in roles.iter().filter(|slug| *slug != ADMIN_ROLE) {
            if identity.roles().find(tenant, slug, false).await?.is_none() {
                return Err(invalid("roles", &format!("there is no role `{slug}`")));
            }
        }
    }
    Ok(roles)
}

/// Makes a workspace. Its maker is its first owner and member; the system administrator from outside makes one without.
///
/// # Errors
/// A slug that is taken or can't be one, values out of bounds, default roles the maker can't give.
pub async fn create(
    identity: &Identity,
    tenant: &TenantScope,
    new: CreateWorkspace,
    asker: &Asker<'_>,
) -> Result<Stored<Workspace>, WorkspaceError> {
    let name = text("name", &new.name, MAX_NAME)?;
    let slug = new.slug.as_deref().unwrap_or(&name);
    let id = WorkspaceId::from_slug(slug)
        .map_err(|_| invalid("slug", "needs a letter or digit of ASCII, and at most 93 characters"))?;
    let (settings, meta_data) = (new.settings.unwrap_or_default(), new.meta_data.unwrap_or_default());
    part("settings", &settings)?;
    part("meta_data", &meta_data)?;
    if asker.user.workspace_ids.len() >= MAX_WORKSPACES {
        return Err(members::too_many());
    }
    let workspace = Workspace {
        slug: id.as_str().trim_start_matches(WorkspaceId::PREFIX).replace('_', "-"),
        name,
        description: optional("description", new.description.as_deref(), MAX_DESCRIPTION)?,
        logo_url: logo(new.logo_url.as_deref())?,
        settings,
        meta_data,
        default_roles: assignable(identity, tenant, asker.scopes, new.default_roles).await?,
        owners: if asker.is_visit { Vec::new() } else { vec![asker.user.id.clone()] },
        is_active: true,
        deleted_at: None,
        id,
    };
    let id = workspace.id.clone();
    // A request that was under way when a former one was deleted, or died, may have left it with somebody.
    if tenant.records::<Workspace>().get(id.as_str()).await?.is_none() {
        members::sweep(identity, tenant, &workspace, asker).await?;
    }
    let event =
        asker.event("workspace.created", id.as_str()).with("default_roles", workspace.default_roles.clone());
    let effects = vec![event.effect(tenant), stale_workspace(tenant, &id).effect(tenant)];
    let written = tenant.records::<Workspace>().insert(workspace, effects).await;
    identity.workspaces().forget(tenant, &id);
    let workspace = written.map_err(|e| match e {
        StorageError::Exists | StorageError::KeyTaken { .. } => {
            WorkspaceError::Conflict("A workspace with this slug exists".into())
        }
        other => other.into(),
    })?;
    if !asker.is_visit {
        members::join(identity, tenant, &workspace, (&asker.user.id, &[]), asker).await?;
    }
    Ok(workspace)
}

/// Changes a workspace.
///
/// # Errors
/// Default roles the caller can't give, values out of bounds, [`WorkspaceError::NotFound`], and whatever `check` says of
/// the workspace found.
pub async fn update(
    identity: &Identity,
    tenant: &TenantScope,
    (id, mut change): (&WorkspaceId, UpdateWorkspace),
    asker: &Asker<'_>,
    check: impl Fn(&Stored<Workspace>) -> Result<(), WorkspaceError>,
) -> Result<Stored<Workspace>, WorkspaceError> {
    if let Some(named) = change.default_roles.take() {
        change.default_roles = Some(assignable(identity, tenant, asker.scopes, named).await?);
    }
    changed(identity, tenant, id, |old| {
        check(old)?;
        let next = updated(old, &change)?;
        if next.is_active != old.is_active && !asker.may(tenant, Act::Switch, old) {
            return Err(denied(Act::Switch).into());
        }
        if next == old.record {
            return Ok(Change::Keep);
        }
        let event = asker
            .event("workspace.updated", id.as_str())
            .with("default_roles", next.default_roles.clone())
            .with("is_active", next.is_active);
        Ok(Change::Put(next, vec![event.effect(tenant)]))
    })
    .await
}

fn updated(old: &Workspace, change: &UpdateWorkspace) -> Result<Workspace, WorkspaceError> {
    let mut next = old.clone();
    if let Some(name) = &change.name {
        next.name = text("name", name, MAX_NAME)?;
    }
    if let Some(description) = &change.description {
        next.description = optional("description", description.as_deref(), MAX_DESCRIPTION)?;
    }
    if let Some(url) = &change.logo_url {
        next.logo_url = logo(url.as_deref())?;
    }
    if let Some(settings) = &change.settings {
        merge(&mut next.settings, settings.clone());
        part("settings", &next.settings)?;
    }
    if let Some(meta_data) = &change.meta_data {
        merge(&mut next.meta_data, meta_data.clone());
        part("meta_data", &next.meta_data)?;
    }
    if let Some(roles) = &change.default_roles {
        next.default_roles.clone_from(roles);
    }
    next.is_active = change.is_active.unwrap_or(old.is_active);
    Ok(next)
}

/// Changes the record of a workspace that is there, and keeps memory honest.
pub(super) async fn changed(
    identity: &Identity,
    tenant: &TenantScope,
    id: &WorkspaceId,
    mut change: impl FnMut(&Stored<Workspace>) -> Result<Change<Workspace>, WorkspaceError>,
) -> Result<Stored<Workspace>, WorkspaceError> {
    let stale = stale_workspace(tenant, id).effect(tenant);
    let written = tenant
        .records::<Workspace>()
        .update::<WorkspaceError>(id.as_str(), |old| {
            if old.deleted_at.is_some() {
                return Err(WorkspaceError::NotFound);
            }
            Ok(match change(old)? {
                Change::Keep => Change::Keep,
                Change::Put(next, mut effects) => {
                    effects.push(stale.clone());
                    Change::Put(next, effects)
                }
            })
        })
        .await;
    identity.workspaces().forget(tenant, id);
    written?.ok_or(WorkspaceError::NotFound)
}

/// Removes a workspace: first it gives nothing any more, then it is taken from every member, then its id is free. What
/// a crash leaves undone keeps the id taken; deleting it again finishes it.
///
/// # Errors
/// What [`Asker::open`] says, and whatever `check` says of the workspace found.
pub async fn delete(
    identity: &Identity,
    tenant: &TenantScope,
    id: &str,
    asker: &Asker<'_>,
    check: impl Fn(&Stored<Workspace>) -> Result<(), WorkspaceError>,
) -> Result<Stored<Workspace>, WorkspaceError> {
    let gone = match asker.open(tenant, id, Act::Delete).await {
        Ok(found) => {
            let now = tenant.now();
            changed(identity, tenant, &found.id, |old| {
                check(old)?;
                let event = asker.event("workspace.deleted", id).effect(tenant);
                Ok(Change::Put(Workspace { deleted_at: Some(now), ..old.record.clone() }, vec![event]))
            })
            .await?
        }
        Err(WorkspaceError::NotFound) => {
            let left = tenant.records::<Workspace>().get(id).await?;
            let left = left.filter(|left| left.deleted_at.is_some() && asker.may(tenant, Act::Delete, left));
            left.ok_or(WorkspaceError::NotFound)?
        }
        Err(e) => return Err(e),
    };
    members::sweep(identity, tenant, &gone, asker).await?;
    invitations::sweep(tenant, &gone.id, asker).await?;
    match tenant.records::<Workspace>().delete(&gone, Vec::new()).await {
        // Whoever was faster did the same.
        Ok(()) | Err(StorageError::Conflict) => Ok(gone),
        Err(e) => Err(e.into()),
    }
}
