//! Who may do what with which user: by permission, or with oneself.

use super::error::UserError;
use super::model::User;
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::identity::Identity;
use crate::tenant::TenantScope;
use kernel::{Stored, UserId};
use protocol::scope::Scope;
use std::sync::Arc;

/// Reading users.
pub const READ: Permission = permission("get_user");

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// What they hold now.
    pub scopes: &'a [String],
    /// Who they are, where being the user is enough.
    pub own: Option<&'a UserId>,
}

/// Finds a user the asker may do this with, and whether it is themself. Who holds nothing for it learns nothing about
/// ids: the answer is the same for all.
///
/// # Errors
/// [`UserError::Denied`]; [`UserError::NotFound`] for users who aren't there, are deleted, or are hidden by a filter.
pub async fn allowed(
    tenant: &TenantScope,
    id: &str,
    permission: Permission,
    asker: Asker<'_>,
) -> Result<(Stored<User>, bool), UserError> {
    let (user, is_own) = found(tenant, id, permission, asker).await?;
    if user.deleted_at.is_some() { Err(UserError::NotFound) } else { Ok((user, is_own)) }
}

/// As [`allowed`], deleted users included.
///
/// # Errors
/// As [`allowed`].
pub async fn found(
    tenant: &TenantScope,
    id: &str,
    permission: Permission,
    asker: Asker<'_>,
) -> Result<(Stored<User>, bool), UserError> {
    let id = admitted(id, permission, asker)?;
    let user = tenant.records::<User>().get(id.as_str()).await?.ok_or(UserError::NotFound)?;
    let is_own = judged(tenant, &user, permission, asker)?;
    Ok((user, is_own))
}

/// As [`found`], from memory where that is what is stored: for those who only look.
///
/// # Errors
/// As [`found`].
pub async fn seen(
    identity: &Identity,
    tenant: &TenantScope,
    id: &str,
    permission: Permission,
    asker: Asker<'_>,
) -> Result<Arc<Stored<User>>, UserError> {
    let id = admitted(id, permission, asker)?;
    let user = match identity.freshness().is_alone() {
        true => identity.user(tenant, &id).await?,
        false => identity.user_from_store(tenant, &id).await?,
    };
    let user = user.ok_or(UserError::NotFound)?;
    judged(tenant, &user, permission, asker)?;
    Ok(user)
}

/// The id, for those who hold something for it.
fn admitted(id: &str, permission: Permission, asker: Asker<'_>) -> Result<UserId, UserError> {
    let holds_any = asker.scopes.iter().any(|text| permission.is_covered(&Scope::parse(text)));
    if !holds_any && asker.own.is_none_or(|own| own.as_str() != id) {
        return Err(PermissionDenied(permission).into());
    }
    UserId::parse(id).map_err(|_| UserError::NotFound)
}

/// Whether it is themself, for those who may.
fn judged(
    tenant: &TenantScope,
    user: &User,
    permission: Permission,
    asker: Asker<'_>,
) -> Result<bool, UserError> {
    let is_own = asker.own.is_some_and(|own| *own == user.id);
    if is_own || may(tenant, user, permission, asker.scopes) {
        Ok(is_own)
    } else if may(tenant, user, READ, asker.scopes) {
        Err(PermissionDenied(permission).into())
    } else {
        Err(UserError::NotFound)
    }
}

/// Whether scopes grant this on a user.
pub fn may(tenant: &TenantScope, user: &User, permission: Permission, held: &[String]) -> bool {
    permission.is_granted(held, &user.attributes(tenant.id().as_str()))
}
