//! Creating users and setting their passwords.

use crate::identity::credentials::{PasswordPolicy, PolicyViolation};
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::identity::users::error::UserError;
use crate::identity::users::model::{ActivationStatus, User, UserIdentifier, identifier_key};
use crate::identity::{Identity, stale_user};
use crate::tenant::audit::Event;
use crate::tenant::settings::Settings;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, StorageError, Stored, UserId};
use protocol::b64url;
use secrecy::SecretString;
use serde_json::{Map, Value};

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
    /// Who brought them.
    pub referred_by: Option<UserId>,
    /// Whether the account waits for somebody to approve it.
    pub is_pending: bool,
    /// Whether it becomes active once its identifier is proven.
    pub awaits_identifier: bool,
    /// Whether the identifier is proven to be theirs.
    pub is_proven: bool,
    /// Claims its tokens have.
    pub custom_claims: Map<String, Value>,
}

impl NewUser {
    /// Somebody who holds nothing.
    pub fn named(identifier: Identifier, name: Option<String>) -> Self {
        Self {
            identifier,
            name,
            roles: Vec::new(),
            scopes: Vec::new(),
            referred_by: None,
            is_pending: false,
            awaits_identifier: false,
            is_proven: false,
            custom_claims: Map::new(),
        }
    }
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
    let breached = identity.breached().cloned();
    let check = move || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        policy.check(&password, &words)?;
        match breached.map(|list| list.contains(&password)) {
            Some(Ok(true)) => Err(PolicyViolation::breached()),
            Some(Err(error)) => {
                // One check of several: a file that was taken away must not keep everybody from choosing a password.
                tracing::error!(%error, "the list of breached passwords can't be read");
                Ok(())
            }
            _ => Ok(()),
        }
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

/// Creates a user who signs in by what is sent to their identifier.
///
/// # Errors
/// [`UserError::IdentifierExists`].
pub async fn create_without_password(
    tenant: &TenantScope,
    new: NewUser,
    client: &ClientInfo,
) -> Result<Stored<User>, UserError> {
    insert(tenant, draft(tenant, new), ("user.registered", Actor::Anonymous), client).await
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
pub(super) fn draft(tenant: &TenantScope, new: NewUser) -> User {
    let now = tenant.now();
    let (kind, value) = new.identifier.into_parts();
    // A user name is nobody's elsewhere: choosing it is proof enough. Addresses and numbers must be proven.
    let verified_at = (new.is_proven || kind == IdentifierKind::Username).then_some(now);
    let first = UserIdentifier {
        id: identifier_id(tenant),
        kind,
        value,
        verified_at,
        is_primary: true,
        is_active: true,
        created_at: now,
    };
    User {
        id: UserId::generate(now, tenant.random()),
        name: new.name,
        identifiers: vec![first],
        credentials: Vec::new(),
        roles: new.roles,
        scopes: new.scopes,
        workspace_ids: Vec::new(),
        workspace_roles: std::collections::BTreeMap::new(),
        workspace_joined_at: std::collections::BTreeMap::new(),
        is_active: true,
        activation_status: if new.is_pending || new.awaits_identifier {
            ActivationStatus::Pending
        } else {
            ActivationStatus::Active
        },
        avatar_url: None,
        custom_claims: new.custom_claims,
        session_epoch: 0,
        is_limited: false,
        meta_data: Map::new(),
        profile: None,
        history: Vec::new(),
        deleted_at: None,
        moving_to: None,
        awaits_identifier: new.awaits_identifier,
        referred_by: new.referred_by,
    }
}

pub(super) async fn insert(
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

/// A fresh identifier id.
pub fn identifier_id(tenant: &TenantScope) -> String {
    format!("identifier_{}", b64url::encode(tenant.token::<16>()))
}

/// A fresh credential id.
pub fn credential_id(tenant: &TenantScope) -> String {
    format!("credential_{}", b64url::encode(tenant.token::<16>()))
}

/// Finds a user by an identifier they may sign in with.
///
/// # Errors
/// When the database is away.
pub async fn find(
    tenant: &TenantScope,
    identifier: &Identifier,
) -> Result<Option<Stored<User>>, StorageError> {
    let found = tenant.records::<User>().find(&identifier_key(identifier)).await?;
    let is_usable = |user: &User| {
        user.identifiers
            .iter()
            .any(|i| i.kind == identifier.kind() && i.value == identifier.value() && i.is_active)
    };
    Ok(found.filter(|user| is_usable(user)))
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
