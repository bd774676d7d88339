//! Profiles: what users say of themselves. A part of the user's record, under an id of its own.

pub mod routes;

use crate::identity::Identity;
use crate::identity::users::admin::change;
use crate::identity::users::error::UserError;
use crate::identity::users::model::{Profile, User};
use crate::tenant::patch::merge;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Stored, UserId};
use serde_json::{Map, Value};

/// Most bytes of a profile as JSON.
const MAX_BYTES: usize = 16_384;

const PREFIX: &str = "profile:";

/// The id of a user's profile.
pub fn profile_id(user: &UserId) -> String {
    format!("{PREFIX}{}", user.as_str().strip_prefix(UserId::PREFIX).unwrap_or_default())
}

/// The user whose profile is meant, by its id or by theirs.
///
/// # Errors
/// [`UserError::NotFound`].
pub fn owner(id: &str) -> Result<UserId, UserError> {
    let user = match id.strip_prefix(PREFIX) {
        Some(rest) => UserId::parse(&format!("{}{rest}", UserId::PREFIX)),
        None => UserId::parse(id),
    };
    user.map_err(|_| UserError::NotFound)
}

/// What to put into a profile: `null` removes.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Into what the user says.
    pub data: Map<String, Value>,
    /// Into what is kept with it.
    pub meta_data: Map<String, Value>,
}

/// Merges into a profile; it is made by the first change.
///
/// # Errors
/// [`UserError::Invalid`] when it grows too large; [`UserError::TooMany`] when it should be new but isn't.
pub async fn update(
    identity: &Identity,
    tenant: &TenantScope,
    (user, must_be_new): (&UserId, bool),
    edit: &Edit,
    author: (&Actor, &ClientInfo),
) -> Result<Stored<User>, UserError> {
    let now = tenant.now();
    change(identity, tenant, user, author, |old| {
        if old.deleted_at.is_some() {
            return Err(UserError::NotFound);
        }
        if must_be_new && old.profile.is_some() {
            return Err(UserError::TooMany("The user has a profile"));
        }
        let blank = || Profile { data: Map::new(), meta_data: Map::new(), created_at: now, updated_at: now };
        let mut profile = old.profile.clone().unwrap_or_else(blank);
        merge(&mut profile.data, edit.data.clone());
        merge(&mut profile.meta_data, edit.meta_data.clone());
        if serde_json::to_string(&profile).map_or(usize::MAX, |text| text.len()) > MAX_BYTES {
            return Err(UserError::Invalid(format!("profile: at most {MAX_BYTES} bytes").into()));
        }
        profile.updated_at = now;
        let next = User { profile: Some(profile), ..old.record.clone() };
        Ok(Some((next, "user.profile_updated", vec!["profile".to_owned()])))
    })
    .await
}

/// Empties a profile.
///
/// # Errors
/// [`UserError::NotFound`].
pub async fn clear(
    identity: &Identity,
    tenant: &TenantScope,
    user: &UserId,
    author: (&Actor, &ClientInfo),
) -> Result<Stored<User>, UserError> {
    change(identity, tenant, user, author, |old| {
        let next = User { profile: None, ..old.record.clone() };
        let is_there = old.profile.is_some();
        Ok(is_there.then(|| (next, "user.profile_deleted", vec!["profile".to_owned()])))
    })
    .await
}
