//! Making, changing and removing roles.

use super::memory::{Roles, stale_role};
use super::model::{Role, is_slug, name_tag, slug_key, slug_of};
use super::schema::{CreateRole, UpdateRole};
use crate::access_control::delegation::{DelegationError, may_grant};
use crate::access_control::permission::ADMIN_ROLE;
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, Problem, ProblemKind, Query, Record, RoleId, StorageError, Stored, TagMatch};
use std::borrow::Cow;

/// How many scopes a role may have.
pub const MAX_SCOPES: usize = 200;

const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 2_000;
const MAX_WORKSPACE: usize = 96;

/// How often a deletion is retried after losing against a change.
const DELETE_ATTEMPTS: u32 = 16;

/// Why a role can't be made, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// There is no such role here.
    #[error("no such role")]
    NotFound,
    /// `If-Match` named another revision.
    #[error("the role was changed meanwhile")]
    Stale,
    /// A value that can't be.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// Another role has the slug.
    #[error("the slug is taken")]
    SlugTaken,
    /// The built-in role.
    #[error("the role `admin` is built in")]
    BuiltIn,
    /// Scopes that can't be granted.
    #[error(transparent)]
    Scopes(#[from] DelegationError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for RoleError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::NotFound => ProblemKind::NotFound,
            Self::Stale => ProblemKind::PreconditionFailed,
            Self::Invalid(_) => ProblemKind::Invalid,
            Self::SlugTaken | Self::BuiltIn => ProblemKind::Conflict,
            Self::Scopes(e) => e.kind(),
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Stale => "PRECONDITION_FAILED",
            Self::Invalid(_) => "VALIDATION_ERROR",
            Self::SlugTaken | Self::BuiltIn => "CONFLICT",
            Self::Scopes(e) => e.code(),
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "Not found".into(),
            Self::Stale => "The object was changed since it was read".into(),
            Self::Invalid(detail) => detail.clone(),
            Self::SlugTaken => "Another role has this slug".into(),
            Self::BuiltIn => "The role `admin` is built in and stands for `*:*`".into(),
            Self::Scopes(e) => e.detail(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

/// Who grants.
#[derive(Debug, Clone, Copy)]
pub struct Granter<'a> {
    /// What they hold now.
    pub scopes: &'a [String],
    /// As the author of an event.
    pub actor: &'a Actor,
    /// Where they are.
    pub client: &'a ClientInfo,
}

impl Granter<'_> {
    fn check(&self, scopes: &[String]) -> Result<(), RoleError> {
        if scopes.len() > MAX_SCOPES {
            return Err(RoleError::Invalid(format!("scopes: at most {MAX_SCOPES}").into()));
        }
        Ok(may_grant(self.scopes, scopes)?)
    }
}

fn text(field: &'static str, value: &str, max: usize) -> Result<String, RoleError> {
    let value = value.trim();
    match value.chars().count() {
        0 => Err(RoleError::Invalid(format!("{field}: must not be empty").into())),
        n if n > max => Err(RoleError::Invalid(format!("{field}: at most {max} characters").into())),
        _ => Ok(value.to_owned()),
    }
}

fn optional(field: &'static str, value: Option<&str>, max: usize) -> Result<Option<String>, RoleError> {
    value.filter(|v| !v.trim().is_empty()).map(|v| text(field, v, max)).transpose()
}

/// Makes a role.
///
/// # Errors
/// Scopes the granter doesn't hold, a slug that is taken or can't be one, values out of bounds.
pub async fn create(
    roles: &Roles,
    tenant: &TenantScope,
    new: CreateRole,
    granter: Granter<'_>,
) -> Result<Stored<Role>, RoleError> {
    let name = text("name", &new.name, MAX_NAME)?;
    let slug = match new.slug.map(|slug| slug.trim().to_owned()) {
        Some(slug) if is_slug(&slug) => slug,
        Some(_) => {
            let rule = "slug: 1 to 64 of a-z, 0-9, _, - and ., beginning with a letter or digit";
            return Err(RoleError::Invalid(rule.into()));
        }
        None => slug_of(&name).ok_or(RoleError::Invalid("slug: none can be made of this name".into()))?,
    };
    if slug == ADMIN_ROLE {
        return Err(RoleError::BuiltIn);
    }
    granter.check(&new.scopes)?;
    let role = Role {
        id: RoleId::generate(tenant.now(), tenant.random()),
        slug: slug.clone(),
        name,
        description: optional("description", new.description.as_deref(), MAX_DESCRIPTION)?,
        scopes: new.scopes,
        is_active: new.is_active.unwrap_or(true),
        workspace_id: optional("workspace_id", new.workspace_id.as_deref(), MAX_WORKSPACE)?,
    };
    let event = Event::new("role.created", granter.actor.clone(), role.id.as_str(), granter.client)
        .with("slug", slug.as_str())
        .with("scopes", role.scopes.clone())
        .effect(tenant);
    let effects = vec![event, stale_role(tenant, &slug).effect(tenant)];
    let written = tenant.records::<Role>().insert(role, effects).await;
    // Users may carry the slug already.
    roles.forget(tenant, &slug);
    written.map_err(|e| match e {
        StorageError::KeyTaken { .. } => RoleError::SlugTaken,
        other => RoleError::Storage(other),
    })
}

/// A role by its id or slug.
///
/// # Errors
/// [`RoleError::NotFound`].
pub async fn get(tenant: &TenantScope, id: &str) -> Result<Stored<Role>, RoleError> {
    if let Some(role) = tenant.records::<Role>().get(id).await? {
        return Ok(role);
    }
    tenant.records::<Role>().find(&slug_key(id)).await?.ok_or(RoleError::NotFound)
}

/// Changes a role. Whoever makes it grant something else, or again, must hold all that it granted and will grant.
///
/// # Errors
/// [`RoleError::Scopes`], values out of bounds, [`RoleError::NotFound`], and whatever `check` says of the role found.
pub async fn update(
    roles: &Roles,
    tenant: &TenantScope,
    found: &Stored<Role>,
    change: UpdateRole,
    (granter, check): (Granter<'_>, impl Fn(&Stored<Role>) -> Result<(), RoleError>),
) -> Result<Stored<Role>, RoleError> {
    let stale = stale_role(tenant, &found.slug).effect(tenant);
    let updated = tenant
        .records::<Role>()
        .update::<RoleError>(found.id.as_str(), |old| {
            check(old)?;
            let next = changed(old, &change)?;
            if next == old.record {
                return Ok(Change::Keep);
            }
            let grants = |role: &Role| (role.scopes.clone(), role.is_active, role.workspace_id.clone());
            let mut event =
                Event::new("role.updated", granter.actor.clone(), next.id.as_str(), granter.client)
                    .with("slug", next.slug.as_str());
            if grants(&next) != grants(old) {
                granter.check(&next.scopes)?;
                may_grant(granter.scopes, &old.scopes)?;
                event = event.with("scopes", next.scopes.clone()).with("is_active", next.is_active);
            }
            Ok(Change::Put(next, vec![event.effect(tenant), stale.clone()]))
        })
        .await;
    roles.forget(tenant, &found.slug);
    updated?.ok_or(RoleError::NotFound)
}

fn changed(old: &Role, change: &UpdateRole) -> Result<Role, RoleError> {
    let mut next = old.clone();
    if let Some(name) = &change.name {
        next.name = text("name", name, MAX_NAME)?;
    }
    if let Some(description) = &change.description {
        next.description = optional("description", description.as_deref(), MAX_DESCRIPTION)?;
    }
    if let Some(workspace) = &change.workspace_id {
        next.workspace_id = optional("workspace_id", workspace.as_deref(), MAX_WORKSPACE)?;
    }
    if let Some(scopes) = &change.scopes {
        next.scopes.clone_from(scopes);
    }
    next.is_active = change.is_active.unwrap_or(old.is_active);
    Ok(next)
}

/// Removes a role; who has its slug keeps it, and it stands for nothing.
///
/// # Errors
/// [`RoleError::NotFound`], and whatever `check` says of the role found.
pub async fn delete(
    roles: &Roles,
    tenant: &TenantScope,
    found: &Stored<Role>,
    (actor, client): (&Actor, &ClientInfo),
    check: impl Fn(&Stored<Role>) -> Result<(), RoleError>,
) -> Result<Stored<Role>, RoleError> {
    for _ in 0..DELETE_ATTEMPTS {
        let role = tenant.records::<Role>().get(found.id.as_str()).await?.ok_or(RoleError::NotFound)?;
        check(&role)?;
        let event = Event::new("role.deleted", actor.clone(), role.id.as_str(), client)
            .with("slug", role.slug.as_str())
            .effect(tenant);
        let effects = vec![event, stale_role(tenant, &role.slug).effect(tenant)];
        let deleted = tenant.records::<Role>().delete(&role, effects).await;
        roles.forget(tenant, &role.slug);
        match deleted {
            Ok(()) => return Ok(role),
            Err(StorageError::Conflict) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(StorageError::Contended.into())
}

/// The slugs that somebody means who names roles by slug or display name. An unknown slug is kept: it grants nothing
/// until a role has it, and applications may give it a meaning of their own.
///
/// # Errors
/// [`RoleError::Invalid`] for a text that is neither.
pub async fn slugs(tenant: &TenantScope, named: Vec<String>) -> Result<Vec<String>, RoleError> {
    let mut slugs: Vec<String> = Vec::with_capacity(named.len());
    for text in named {
        let text = text.trim();
        let slug = if is_slug(text) { text.to_owned() } else { slug_by_name(tenant, text).await? };
        if !slugs.contains(&slug) {
            slugs.push(slug);
        }
    }
    Ok(slugs)
}

async fn slug_by_name(tenant: &TenantScope, name: &str) -> Result<String, RoleError> {
    let query = Query { limit: 2, ..Query::all(Role::KIND) }.with_all(vec![TagMatch::Is(name_tag(name))]);
    let mut named = tenant.records::<Role>().page(query).await?.items.into_iter();
    match (named.next(), named.next()) {
        (Some(role), None) => Ok(role.record.slug),
        _ => Err(RoleError::Invalid(
            format!("roles: `{name}` is neither a slug nor the name of one role").into(),
        )),
    }
}
