//! Creating users and setting their passwords.

use crate::identity::credentials::{HashError, PasswordPolicy, PolicyViolation};
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::identity::users::model::{ActivationStatus, User, UserIdentifier, identifier_key};
use crate::identity::{Identity, stale_user};
use crate::tenant::audit::Event;
use crate::tenant::settings::Settings;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, Problem, ProblemKind, StorageError, Stored, UserId};
use protocol::b64url;
use secrecy::SecretString;
use std::borrow::Cow;

/// Why a user can't be created or changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The password doesn't satisfy the tenant's policy.
    #[error("{0}")]
    WeakPassword(PolicyViolation),
    /// Somebody has this identifier.
    #[error("the identifier is taken")]
    IdentifierExists,
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// The hashing pool is overloaded, or the password can't be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for UserError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::WeakPassword(_) => ProblemKind::Invalid,
            Self::IdentifierExists => ProblemKind::Conflict,
            Self::NotFound => ProblemKind::NotFound,
            Self::Hash(e) => hash_kind(e),
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::WeakPassword(_) => "WEAK_PASSWORD",
            Self::IdentifierExists => "IDENTIFIER_EXISTS",
            Self::NotFound => "NOT_FOUND",
            Self::Hash(_) | Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::WeakPassword(violation) => violation.to_string().into(),
            Self::IdentifierExists => "This identifier is already in use".into(),
            Self::NotFound => "Not found".into(),
            Self::Hash(_) | Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

/// How a hashing failure shows: overload passes, the rest is a defect.
pub fn hash_kind(error: &HashError) -> ProblemKind {
    match error {
        HashError::Overloaded { retry_after_seconds } => {
            ProblemKind::Unavailable { retry_after: *retry_after_seconds }
        }
        _ => ProblemKind::Internal,
    }
}

/// A user to create.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The first identifier.
    pub identifier: Identifier,
    /// Display name.
    pub name: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Scopes.
    pub scopes: Vec<String>,
}

/// A tenant's rules for new passwords.
fn password_policy(settings: &Settings) -> PasswordPolicy {
    let default = PasswordPolicy::default();
    PasswordPolicy {
        min_length: settings.password_min_length,
        require_special: settings.password_require_special,
        require_numbers: settings.password_require_numbers,
        require_uppercase: settings.password_require_uppercase,
        require_lowercase: settings.password_require_lowercase,
        min_guesses: if settings.password_prevent_dictionary {
            default.min_guesses
        } else {
            Default::default()
        },
    }
}

/// Checks a new password against the tenant's rules.
///
/// # Errors
/// [`UserError::WeakPassword`] with the reason.
pub async fn check_password(
    identity: &Identity,
    tenant: &TenantScope,
    password: &SecretString,
    name: &str,
) -> Result<(), UserError> {
    let words = vec![name.to_owned(), tenant.profile().tenant.name.clone()];
    check_against(identity, (tenant.id().as_str(), &tenant.profile().settings), password, words).await
}

/// Checks a new password against rules, and words it must not be made of. The estimator is slow, so it runs on the
/// hashing pool: under its limits, and never before a request in a hurry.
///
/// # Errors
/// [`UserError::WeakPassword`] with the reason; overload.
pub async fn check_against(
    identity: &Identity,
    (tenant, settings): (&str, &Settings),
    password: &SecretString,
    words: Vec<String>,
) -> Result<(), UserError> {
    let (policy, password) = (password_policy(settings), password.clone());
    let check = move || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        policy.check(&password, &words)
    };
    identity.hasher().run(tenant, check).await?.map_err(UserError::WeakPassword)
}

/// Creates a user: the password is checked and hashed, then one write makes the account and its event.
///
/// # Errors
/// [`UserError::IdentifierExists`], [`UserError::WeakPassword`], overload.
pub async fn create(
    identity: &Identity,
    tenant: &TenantScope,
    (new, password): (NewUser, &SecretString),
    actor: Actor,
    client: &ClientInfo,
) -> Result<Stored<User>, UserError> {
    check_password(identity, tenant, password, new.identifier.value()).await?;
    create_unchecked(identity, tenant, (new, password), actor, client).await
}

/// Creates a user whose password was checked already, or is the operator's own choice.
///
/// # Errors
/// [`UserError::IdentifierExists`], overload.
pub async fn create_unchecked(
    identity: &Identity,
    tenant: &TenantScope,
    (new, password): (NewUser, &SecretString),
    actor: Actor,
    client: &ClientInfo,
) -> Result<Stored<User>, UserError> {
    let hash = identity.hasher().hash(tenant.id().as_str(), password, tenant.token::<16>()).await?;
    let mut user = draft(tenant, new);
    user.set_password_hash(credential_id(tenant), hash, tenant.now());
    insert(tenant, user, ("user.registered", actor), client).await
}

/// Reserves an account for somebody who will choose a password by invitation: until then nobody can sign in to it, and
/// nobody else can take its identifier.
///
/// # Errors
/// [`UserError::IdentifierExists`].
pub async fn invite(
    tenant: &TenantScope,
    new: NewUser,
    actor: Actor,
    client: &ClientInfo,
) -> Result<Stored<User>, UserError> {
    let user = User { activation_status: ActivationStatus::Pending, ..draft(tenant, new) };
    insert(tenant, user, ("user.invited", actor), client).await
}

/// Gives an invited user the chosen password. Of parallel tries exactly one succeeds.
///
/// # Errors
/// [`UserError::NotFound`] when the account isn't waiting for this; [`UserError::WeakPassword`], overload.
pub async fn activate(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    password: &SecretString,
    client: &ClientInfo,
) -> Result<Stored<User>, UserError> {
    let user = tenant.records::<User>().get(id.as_str()).await?.ok_or(UserError::NotFound)?;
    let name = user.identifiers.first().map(|i| i.value.clone()).unwrap_or_default();
    check_password(identity, tenant, password, &name).await?;
    let hash = identity.hasher().hash(tenant.id().as_str(), password, tenant.token::<16>()).await?;
    let actor = Actor::User(id.as_str().to_owned());
    let event = Event::new("user.activated", actor, id.as_str(), client).effect(tenant);
    let stale = stale_user(tenant, id).effect(tenant);
    let credential = credential_id(tenant);
    let updated = tenant
        .records::<User>()
        .update::<UserError>(id.as_str(), |old| {
            if old.activation_status != ActivationStatus::Pending {
                return Err(UserError::NotFound);
            }
            let mut user = old.record.clone();
            user.activation_status = ActivationStatus::Active;
            user.set_password_hash(credential.clone(), hash.clone(), tenant.now());
            Ok(Change::Put(user, vec![event.clone(), stale.clone()]))
        })
        .await;
    identity.forget_user(tenant, id);
    updated?.ok_or(UserError::NotFound)
}

/// A user without credentials.
fn draft(tenant: &TenantScope, new: NewUser) -> User {
    let now = tenant.now();
    let (kind, value) = new.identifier.into_parts();
    // A user name is nobody's elsewhere: choosing it is proof enough. Addresses and numbers must be proven.
    let verified_at = (kind == IdentifierKind::Username).then_some(now);
    let id = format!("identifier_{}", b64url::encode(tenant.token::<16>()));
    User {
        id: UserId::generate(now, tenant.random()),
        name: new.name,
        identifiers: vec![UserIdentifier { id, kind, value, verified_at, is_primary: true, created_at: now }],
        credentials: Vec::new(),
        roles: new.roles,
        scopes: new.scopes,
        workspace_ids: Vec::new(),
        workspace_roles: std::collections::BTreeMap::new(),
        workspace_joined_at: std::collections::BTreeMap::new(),
        is_active: true,
        activation_status: ActivationStatus::Active,
        avatar_url: None,
        custom_claims: serde_json::Map::new(),
        session_epoch: 0,
    }
}

async fn insert(
    tenant: &TenantScope,
    user: User,
    (event, actor): (&'static str, Actor),
    client: &ClientInfo,
) -> Result<Stored<User>, UserError> {
    let actor = if actor == Actor::Anonymous { Actor::User(user.id.as_str().to_owned()) } else { actor };
    let event = Event::new(event, actor, user.id.as_str(), client).effect(tenant);
    tenant.records::<User>().insert(user, vec![event]).await.map_err(|e| match e {
        StorageError::KeyTaken { .. } => UserError::IdentifierExists,
        other => UserError::Storage(other),
    })
}

/// A fresh credential id.
pub fn credential_id(tenant: &TenantScope) -> String {
    format!("credential_{}", b64url::encode(tenant.token::<16>()))
}

/// Finds a user by identifier.
///
/// # Errors
/// When the database is away.
pub async fn find(
    tenant: &TenantScope,
    identifier: &Identifier,
) -> Result<Option<Stored<User>>, StorageError> {
    tenant.records::<User>().find(&identifier_key(identifier)).await
}

/// Sets a password and ends every session of the user (ruling D26).
///
/// # Errors
/// [`UserError::NotFound`], overload.
pub async fn reset_password(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    password: &SecretString,
    client: &ClientInfo,
) -> Result<(), UserError> {
    let hash = identity.hasher().hash(tenant.id().as_str(), password, tenant.token::<16>()).await?;
    let event = Event::new("user.password_reset", Actor::System, id.as_str(), client).effect(tenant);
    let stale = stale_user(tenant, id).effect(tenant);
    let fresh_id = credential_id(tenant);
    let updated = tenant
        .records::<User>()
        .update::<UserError>(id.as_str(), |old| {
            let mut user = old.record.clone();
            user.set_password_hash(fresh_id.clone(), hash.clone(), tenant.now());
            user.session_epoch += 1;
            Ok(Change::Put(user, vec![event.clone(), stale.clone()]))
        })
        .await?;
    identity.forget_user(tenant, id);
    updated.map(|_| ()).ok_or(UserError::NotFound)
}

/// Replaces a password's hash by one with today's parameters; the password is the same, so sessions go on. Losing
/// a race against another change is fine: the next sign-in tries again.
///
/// # Errors
/// Overload, or the database is away.
pub async fn rehash(
    identity: &Identity,
    tenant: &TenantScope,
    user: &Stored<User>,
    password: &SecretString,
    client: &ClientInfo,
) -> Result<(), UserError> {
    let hash = identity.hasher().hash(tenant.id().as_str(), password, tenant.token::<16>()).await?;
    let mut next = user.record.clone();
    next.set_password_hash(credential_id(tenant), hash, tenant.now());
    let actor = Actor::User(user.id.as_str().to_owned());
    let event = Event::new("user.password_rehashed", actor, user.id.as_str(), client).effect(tenant);
    let effects = vec![event, stale_user(tenant, &user.id).effect(tenant)];
    let written = tenant.records::<User>().replace(user, next, effects).await;
    identity.forget_user(tenant, &user.id);
    match written {
        Ok(_) | Err(StorageError::Conflict) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
