//! Registering a service's scopes.

use super::model::{CatalogEntry, ServiceScopes, is_service};
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, Effect, Problem, ProblemKind, Query, Record, StorageError, Stored};
use protocol::scope::Scope;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// How many scopes a service may have.
const MAX_SCOPES: usize = 500;

/// How many services a tenant may have.
const MAX_SERVICES: u64 = 500;

/// Most characters of a label or description.
const MAX_TEXT: usize = 500;

/// Why a service's scopes can't be registered or shown.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The service has registered nothing here.
    #[error("no such service")]
    NotFound,
    /// `If-Match` named another revision.
    #[error("the catalog was changed meanwhile")]
    Stale,
    /// A value that can't be.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// The tenant has as many as it may.
    #[error("too many services")]
    TooMany,
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for CatalogError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::NotFound => ProblemKind::NotFound,
            Self::Stale => ProblemKind::PreconditionFailed,
            Self::Invalid(_) => ProblemKind::Invalid,
            Self::TooMany => ProblemKind::Conflict,
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Stale => "PRECONDITION_FAILED",
            Self::Invalid(_) => "VALIDATION_ERROR",
            Self::TooMany => "CONFLICT",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "Not found".into(),
            Self::Stale => "The object was changed since it was read".into(),
            Self::Invalid(detail) => detail.clone(),
            Self::TooMany => format!("At most {MAX_SERVICES} services per tenant").into(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

fn check(service: &str, scopes: &[CatalogEntry]) -> Result<(), CatalogError> {
    let refuse = |detail: String| Err(CatalogError::Invalid(detail.into()));
    if !is_service(service) {
        return refuse("service: 1 to 64 letters, digits, _, - and .".into());
    }
    if scopes.len() > MAX_SCOPES {
        return refuse(format!("scopes: at most {MAX_SCOPES}"));
    }
    let mut seen = BTreeSet::new();
    for entry in scopes {
        if let Err(error) = Scope::validate_new(&entry.scope) {
            return refuse(format!("scopes: `{}` is no scope: {error}", entry.scope));
        }
        if !seen.insert(&entry.scope) {
            return refuse(format!("scopes: `{}` stands there twice", entry.scope));
        }
        let texts = [&entry.label, &entry.label_fa, &entry.description];
        if texts.into_iter().flatten().any(|text| text.chars().count() > MAX_TEXT) {
            return refuse(format!("scopes: labels and descriptions have at most {MAX_TEXT} characters"));
        }
    }
    Ok(())
}

/// Puts a service's scopes in place of those it had.
///
/// # Errors
/// Values out of bounds, and whatever `judge` says of what was there.
pub async fn put(
    tenant: &TenantScope,
    (service, scopes): (&str, Vec<CatalogEntry>),
    (actor, client): (&Actor, &ClientInfo),
    judge: impl Fn(&Stored<ServiceScopes>) -> Result<(), CatalogError>,
) -> Result<Stored<ServiceScopes>, CatalogError> {
    check(service, &scopes)?;
    let next = ServiceScopes { service: service.to_owned(), scopes };
    let event = Event::new("scope_catalog.replaced", actor.clone(), service, client)
        .with("count", next.scopes.len())
        .effect(tenant);
    if let Some(replaced) = replace(tenant, &next, &event, &judge).await? {
        return Ok(replaced);
    }
    let all = Query { limit: 1, ..Query::all(ServiceScopes::KIND) };
    if tenant.records::<ServiceScopes>().page(all).await?.total >= MAX_SERVICES {
        return Err(CatalogError::TooMany);
    }
    match tenant.records::<ServiceScopes>().insert(next.clone(), vec![event.clone()]).await {
        // Another process of the service was first.
        Err(StorageError::Exists) => {
            replace(tenant, &next, &event, &judge).await?.ok_or(StorageError::Contended.into())
        }
        inserted => Ok(inserted?),
    }
}

async fn replace(
    tenant: &TenantScope,
    next: &ServiceScopes,
    event: &Effect,
    judge: &impl Fn(&Stored<ServiceScopes>) -> Result<(), CatalogError>,
) -> Result<Option<Stored<ServiceScopes>>, CatalogError> {
    let records = tenant.records::<ServiceScopes>();
    records
        .update::<CatalogError>(&next.service, |old| {
            judge(old)?;
            if old.record == *next {
                return Ok(Change::Keep);
            }
            Ok(Change::Put(next.clone(), vec![event.clone()]))
        })
        .await
}

/// A service's scopes.
///
/// # Errors
/// [`CatalogError::NotFound`].
pub async fn get(tenant: &TenantScope, service: &str) -> Result<Stored<ServiceScopes>, CatalogError> {
    if !is_service(service) {
        return Err(CatalogError::NotFound);
    }
    tenant.records::<ServiceScopes>().get(service).await?.ok_or(CatalogError::NotFound)
}
