//! What assigned roles come to: the scopes somebody holds (issue: direct ∪ roles' ∪ workspace roles').

use super::memory::Roles;
use crate::access_control::delegation::{DelegationError, may_grant};
use crate::access_control::permission::{ADMIN_ROLE, ADMIN_SCOPE};
use crate::tenant::TenantScope;
use kernel::StorageError;
use std::collections::HashSet;

/// What somebody was given.
#[derive(Debug, Clone, Copy, Default)]
pub struct Assigned<'a> {
    /// Scopes granted directly.
    pub scopes: &'a [String],
    /// Roles that count everywhere.
    pub roles: &'a [String],
    /// The active workspace.
    pub workspace: Option<&'a str>,
    /// Roles that count in it.
    pub workspace_roles: &'a [String],
}

/// What somebody holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effective {
    /// The slugs of the roles that count. Some may stand for nothing (yet): applications give them a meaning.
    pub roles: Vec<String>,
    /// The scopes, as written where they were granted.
    pub scopes: Vec<String>,
    /// The workspace these count in.
    pub workspace: Option<String>,
}

/// Looks up what was assigned.
///
/// # Errors
/// When the database is away.
pub async fn effective(
    roles: &Roles,
    tenant: &TenantScope,
    assigned: Assigned<'_>,
    memory_counts: bool,
) -> Result<Effective, StorageError> {
    let mut held = Effective {
        roles: Vec::new(),
        scopes: assigned.scopes.to_vec(),
        workspace: assigned.workspace.map(str::to_owned),
    };
    let has_roles = !assigned.roles.is_empty() || !assigned.workspace_roles.is_empty();
    let mut seen: HashSet<String> = held.scopes.iter().filter(|_| has_roles).cloned().collect();
    for slug in assigned.roles.iter().chain(assigned.workspace_roles) {
        if held.roles.contains(slug) {
            continue;
        }
        if slug == ADMIN_ROLE {
            add(&mut held.scopes, &mut seen, ADMIN_SCOPE);
        } else if let Some(role) = roles.find(tenant, slug, memory_counts).await? {
            if !role.counts_in(assigned.workspace) {
                continue;
            }
            role.scopes.iter().for_each(|scope| add(&mut held.scopes, &mut seen, scope));
        }
        held.roles.push(slug.clone());
    }
    Ok(held)
}

/// Most scopes that somebody can hold; what roles grant beyond doesn't count. A token could hardly carry more, and every
/// request is judged by them.
pub const MAX_HELD: usize = 500;

fn add(scopes: &mut Vec<String>, seen: &mut HashSet<String>, scope: &str) {
    if scopes.len() < MAX_HELD && !seen.contains(scope) {
        seen.insert(scope.to_owned());
        scopes.push(scope.to_owned());
    }
}

/// Why roles can't be assigned.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// A role grants what the granter doesn't hold.
    #[error(transparent)]
    Scopes(#[from] DelegationError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Checks that whoever holds these scopes may assign these roles: they hold all that each can ever grant, whether it is
/// active now or not. A slug without a role grants nothing; whoever makes that role later must hold its scopes.
///
/// # Errors
/// The first role that can't be assigned.
pub async fn may_assign(
    roles: &Roles,
    tenant: &TenantScope,
    held: &[String],
    slugs: impl IntoIterator<Item = &String>,
) -> Result<(), AssignError> {
    for slug in slugs {
        if slug == ADMIN_ROLE {
            may_grant(held, &[ADMIN_SCOPE.to_owned()])?;
        } else if let Some(role) = roles.find(tenant, slug, false).await? {
            may_grant(held, &role.scopes)?;
        }
    }
    Ok(())
}
