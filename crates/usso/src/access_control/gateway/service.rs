//! Making, changing and removing routes of a gateway.

use super::model::{GatewayRoute, Upstream};
use super::schema::{CreateGatewayRoute, UpdateGatewayRoute};
use crate::access_control::roles::model::is_slug;
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, GatewayRouteId, Problem, ProblemKind, StorageError, Stored};
use protocol::scope::Scope;
use std::borrow::Cow;

const MAX_TEXT: usize = 2_000;
const MAX_SCOPES: usize = 200;

/// How often a deletion is retried after losing against a change.
const DELETE_ATTEMPTS: u32 = 16;

type Author<'a> = (&'a Actor, &'a ClientInfo);

/// Why a route can't be made, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// There is no such route here.
    #[error("no such route")]
    NotFound,
    /// `If-Match` named another revision.
    #[error("the route was changed meanwhile")]
    Stale,
    /// A value that can't be.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// Another route has the slug.
    #[error("the slug is taken")]
    SlugTaken,
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for GatewayError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::NotFound => ProblemKind::NotFound,
            Self::Stale => ProblemKind::PreconditionFailed,
            Self::Invalid(_) => ProblemKind::Invalid,
            Self::SlugTaken => ProblemKind::Conflict,
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Stale => "PRECONDITION_FAILED",
            Self::Invalid(_) => "VALIDATION_ERROR",
            Self::SlugTaken => "CONFLICT",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "Not found".into(),
            Self::Stale => "The object was changed since it was read".into(),
            Self::Invalid(detail) => detail.clone(),
            Self::SlugTaken => "Another route has this slug".into(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

fn check(route: &GatewayRoute) -> Result<(), GatewayError> {
    let refuse = |text: String| Err(GatewayError::Invalid(text.into()));
    if !is_slug(&route.slug) {
        return refuse("slug: 1 to 64 of a-z, 0-9, _, - and ., beginning with a letter or digit".to_owned());
    }
    let texts = [("title", Some(&route.title)), ("description", route.description.as_ref())];
    for (field, text) in texts {
        if text.is_some_and(|t| t.trim().is_empty() || t.chars().count() > MAX_TEXT) {
            return refuse(format!("{field}: 1 to {MAX_TEXT} characters"));
        }
    }
    let Upstream { api_url, dashboard_url } = &route.upstream;
    for (field, url) in
        [("icon", &route.icon), ("upstream.api_url", api_url), ("upstream.dashboard_url", dashboard_url)]
    {
        let is_web = |u: &String| {
            (u.starts_with("https://") || u.starts_with("http://"))
                && u.len() <= MAX_TEXT
                && !u.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        if !url.as_ref().is_none_or(is_web) {
            return refuse(format!("{field}: must be a web address"));
        }
    }
    if route.scopes.len() > MAX_SCOPES {
        return refuse(format!("scopes: at most {MAX_SCOPES}"));
    }
    for scope in &route.scopes {
        if let Err(error) = Scope::validate_new(scope) {
            return refuse(format!("scopes: `{scope}` is no scope: {error}"));
        }
    }
    Ok(())
}

/// Makes a route. Its scopes are what an application asks for; they grant nothing.
///
/// # Errors
/// [`GatewayError::SlugTaken`], values that can't be.
pub async fn create(
    tenant: &TenantScope,
    new: CreateGatewayRoute,
    (actor, client): Author<'_>,
) -> Result<Stored<GatewayRoute>, GatewayError> {
    let route = GatewayRoute {
        id: GatewayRouteId::generate(tenant.now(), tenant.random()),
        slug: new.slug.trim().to_owned(),
        scopes: new.scopes,
        title: new.title.trim().to_owned(),
        description: new.description,
        icon: new.icon,
        upstream: new.upstream.unwrap_or_default(),
        front_visible: new.front_visible.unwrap_or(true),
    };
    check(&route)?;
    let event = Event::new("gateway_route.created", actor.clone(), route.id.as_str(), client)
        .with("slug", route.slug.as_str())
        .effect(tenant);
    tenant.records::<GatewayRoute>().insert(route, vec![event]).await.map_err(|e| match e {
        StorageError::KeyTaken { .. } => GatewayError::SlugTaken,
        other => GatewayError::Storage(other),
    })
}

/// A route by its id.
///
/// # Errors
/// [`GatewayError::NotFound`].
pub async fn get(tenant: &TenantScope, id: &str) -> Result<Stored<GatewayRoute>, GatewayError> {
    tenant.records::<GatewayRoute>().get(id).await?.ok_or(GatewayError::NotFound)
}

/// Changes a route.
///
/// # Errors
/// Values that can't be, [`GatewayError::NotFound`], and whatever `fits` says of the route found.
pub async fn update(
    tenant: &TenantScope,
    id: &GatewayRouteId,
    edit: UpdateGatewayRoute,
    ((actor, client), fits): (Author<'_>, impl Fn(&Stored<GatewayRoute>) -> Result<(), GatewayError>),
) -> Result<Stored<GatewayRoute>, GatewayError> {
    let event = Event::new("gateway_route.updated", actor.clone(), id.as_str(), client).effect(tenant);
    let updated = tenant
        .records::<GatewayRoute>()
        .update::<GatewayError>(id.as_str(), |old| {
            fits(old)?;
            let edit = edit.clone();
            let next = GatewayRoute {
                title: edit.title.map_or_else(|| old.title.clone(), |title| title.trim().to_owned()),
                scopes: edit.scopes.unwrap_or_else(|| old.scopes.clone()),
                description: edit.description.unwrap_or_else(|| old.description.clone()),
                icon: edit.icon.unwrap_or_else(|| old.icon.clone()),
                upstream: edit.upstream.unwrap_or_else(|| old.upstream.clone()),
                front_visible: edit.front_visible.unwrap_or(old.front_visible),
                ..old.record.clone()
            };
            check(&next)?;
            Ok(if next == old.record { Change::Keep } else { Change::Put(next, vec![event.clone()]) })
        })
        .await;
    updated?.ok_or(GatewayError::NotFound)
}

/// Removes a route.
///
/// # Errors
/// [`GatewayError::NotFound`], and whatever `fits` says of the route found.
pub async fn delete(
    tenant: &TenantScope,
    id: &str,
    (actor, client): Author<'_>,
    fits: impl Fn(&Stored<GatewayRoute>) -> Result<(), GatewayError>,
) -> Result<Stored<GatewayRoute>, GatewayError> {
    for _ in 0..DELETE_ATTEMPTS {
        let route = get(tenant, id).await?;
        fits(&route)?;
        let event = Event::new("gateway_route.deleted", actor.clone(), id, client).effect(tenant);
        match tenant.records::<GatewayRoute>().delete(&route, vec![event]).await {
            Ok(()) => return Ok(route),
            Err(StorageError::Conflict) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(StorageError::Contended.into())
}
