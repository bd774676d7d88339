//! What a user looks like on the wire (contract 6.1–6.3).

use crate::identity::identifiers::IdentifierKind;
use crate::identity::users::model::{ActivationStatus, Credential, HistoryEntry, User, UserIdentifier};
use crate::identity::users::profile::profile_id;
use crate::tenant::patch::given;
use kernel::{Stored, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An identifier, under every name the published clients know.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IdentifierView {
    /// Its id.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// `email`, `phone`, `username` …
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: IdentifierKind,
    /// The normalised value.
    pub value: String,
    /// The same as `value`.
    pub identifier: String,
    /// Whether the user proved it is theirs.
    pub verified: bool,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Timestamp>,
    /// Whether it is the one to show.
    pub is_primary: bool,
    /// Whether it may be used to sign in.
    pub is_active: bool,
    /// Always false.
    pub is_deleted: bool,
    /// Whose it is.
    pub user_id: String,
    /// The tenant.
    pub tenant_id: String,
    /// Always null: none is kept.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Value>,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the user was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A credential, without anything secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CredentialView {
    /// Its id.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// `password` …
    #[serde(rename = "type")]
    pub kind: String,
    /// The same as `type`.
    pub method: String,
    /// `internal`, or the name of a provider.
    pub provider: String,
    /// What its owner calls it.
    pub name: Option<String>,
    /// What it is called at its provider; a passkey's id.
    pub external_id: Option<String>,
    /// When somebody last signed in with it, if that is kept: passkeys tell.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// Always null: a credential is good until it is removed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Whether it may be used.
    pub is_active: bool,
    /// Always false.
    pub is_deleted: bool,
    /// Whose it is.
    pub user_id: String,
    /// The tenant.
    pub tenant_id: String,
    /// Always null: none is kept.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Value>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the user was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A user.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UserView {
    /// `user:…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// Display name.
    pub name: Option<String>,
    /// Names to sign in with.
    pub identifiers: Vec<IdentifierView>,
    /// Primary e-mail address.
    pub email: Option<String>,
    /// Primary phone number.
    pub phone: Option<String>,
    /// User name.
    pub username: Option<String>,
    /// Role slugs.
    pub roles: Vec<String>,
    /// Scopes granted directly.
    pub scopes: Vec<String>,
    /// Workspaces.
    pub workspaces: Vec<String>,
    /// The same as `workspaces`.
    pub workspace_ids: Vec<String>,
    /// Roles per workspace.
    pub workspace_roles: BTreeMap<String, Vec<String>>,
    /// Ways to sign in.
    pub credentials: Vec<CredentialView>,
    /// Their methods.
    pub credential_methods: Vec<String>,
    /// Whether the account may be used.
    pub is_active: bool,
    /// Whether it is restricted.
    pub is_limited: bool,
    /// Where it stands.
    pub activation_status: ActivationStatus,
    /// Picture.
    pub avatar_url: Option<String>,
    /// Further claims.
    #[schema(value_type = Object)]
    pub custom_claims: Map<String, Value>,
    /// The user whose referral code it was registered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referred_by: Option<String>,
    /// The last changes, the newest last; empty in lists.
    #[schema(value_type = Vec<Object>)]
    pub history: Vec<HistoryEntry>,
    /// Whatever administrators keep with the account.
    #[schema(value_type = Object)]
    pub meta_data: Map<String, Value>,
    /// Whether the account was deleted; it can be restored for 30 days.
    pub is_deleted: bool,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl UserView {
    /// As much of a user as a client may know that was granted these words of `scope`.
    #[must_use]
    pub fn opened_by(self, scope: &[String]) -> Self {
        let has = |word: &str| scope.iter().any(|own| own == word);
        let (profile, email, phone) = (has("profile"), has("email"), has("phone"));
        Self {
            name: self.name.filter(|_| profile),
            avatar_url: self.avatar_url.filter(|_| profile),
            username: self.username.filter(|_| profile),
            email: self.email.filter(|_| email),
            phone: self.phone.filter(|_| phone),
            identifiers: Vec::new(),
            workspaces: Vec::new(),
            workspace_ids: Vec::new(),
            workspace_roles: BTreeMap::new(),
            credentials: Vec::new(),
            credential_methods: Vec::new(),
            custom_claims: Map::new(),
            referred_by: None,
            history: Vec::new(),
            meta_data: Map::new(),
            ..self
        }
    }

    /// A user of a tenant, with the last changes.
    pub fn with_history(tenant_id: &str, stored: &Stored<User>) -> Self {
        Self { history: stored.history.clone(), ..Self::of(tenant_id, stored) }
    }

    /// A user of a tenant.
    pub fn of(tenant_id: &str, stored: &Stored<User>) -> Self {
        let user = &stored.record;
        let value = |kind| user.value_of(kind).map(|i| i.value.clone());
        let identifier = |i: &UserIdentifier| identifier_view(tenant_id, stored, i);
        Self {
            id: user.id.as_str().to_owned(),
            uid: user.id.as_str().to_owned(),
            tenant_id: tenant_id.to_owned(),
            name: user.name.clone(),
            identifiers: user.identifiers.iter().map(identifier).collect(),
            email: value(IdentifierKind::Email),
            phone: value(IdentifierKind::Phone),
            username: value(IdentifierKind::Username),
            roles: user.roles.clone(),
            scopes: user.scopes.clone(),
            workspaces: user.workspace_ids.clone(),
            workspace_ids: user.workspace_ids.clone(),
            workspace_roles: user.workspace_roles.clone(),
            credentials: user.credentials.iter().map(|c| credential_view(tenant_id, stored, c)).collect(),
            credential_methods: user.credentials.iter().map(|c| c.method.clone()).collect(),
            is_active: user.is_active,
            is_limited: user.is_limited,
            activation_status: user.activation_status,
            avatar_url: user.avatar_url.clone(),
            custom_claims: user.custom_claims.clone(),
            referred_by: user.referred_by.as_ref().map(|id| id.as_str().to_owned()),
            history: Vec::new(),
            meta_data: user.meta_data.clone(),
            is_deleted: user.deleted_at.is_some(),
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        }
    }
}

/// An identifier of a user.
pub fn identifier_view(tenant_id: &str, user: &Stored<User>, own: &UserIdentifier) -> IdentifierView {
    IdentifierView {
        id: own.id.clone(),
        uid: own.id.clone(),
        kind: own.kind,
        value: own.value.clone(),
        identifier: own.value.clone(),
        verified: own.verified_at.is_some(),
        verified_at: own.verified_at,
        is_primary: own.is_primary,
        is_active: own.is_active,
        is_deleted: false,
        user_id: user.id.as_str().to_owned(),
        tenant_id: tenant_id.to_owned(),
        meta_data: None,
        created_at: own.created_at,
        updated_at: user.updated_at,
    }
}

/// A credential of a user.
pub fn credential_view(tenant_id: &str, user: &Stored<User>, credential: &Credential) -> CredentialView {
    let last_used_at = credential.data.get("last_used_at").cloned();
    CredentialView {
        id: credential.id.clone(),
        uid: credential.id.clone(),
        kind: credential.method.clone(),
        method: credential.method.clone(),
        provider: credential.provider.clone().unwrap_or_else(|| "internal".to_owned()),
        name: credential.name.clone(),
        external_id: credential.external_id.clone(),
        last_used_at: last_used_at.and_then(|at| serde_json::from_value(at).ok()),
        expires_at: None,
        is_active: credential.is_active,
        is_deleted: false,
        user_id: user.id.as_str().to_owned(),
        tenant_id: tenant_id.to_owned(),
        meta_data: None,
        created_at: credential.created_at,
        updated_at: user.updated_at,
    }
}

/// A profile.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProfileView {
    /// `profile:…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// Whose it is.
    pub user_id: String,
    /// What the user says of themself.
    #[schema(value_type = Object)]
    pub profile_data: Map<String, Value>,
    /// Whatever is kept with it.
    #[schema(value_type = Object)]
    pub meta_data: Map<String, Value>,
    /// Always false.
    pub is_deleted: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl ProfileView {
    /// The profile of a user; an empty one for who has said nothing yet.
    pub fn of(tenant_id: &str, user: &Stored<User>) -> Self {
        let own = user.profile.as_ref();
        let id = profile_id(&user.id);
        Self {
            uid: id.clone(),
            id,
            tenant_id: tenant_id.to_owned(),
            user_id: user.id.as_str().to_owned(),
            profile_data: own.map(|p| p.data.clone()).unwrap_or_default(),
            meta_data: own.map(|p| p.meta_data.clone()).unwrap_or_default(),
            is_deleted: false,
            created_at: own.map_or(user.created_at, |p| p.created_at),
            updated_at: own.map_or(user.created_at, |p| p.updated_at),
        }
    }
}

/// A new user.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateUser {
    /// A name to sign in with.
    pub identifier: String,
    /// What it is; guessed by default.
    #[serde(rename = "type", alias = "identifier_type")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<IdentifierKind>,
    /// Display name.
    pub name: Option<String>,
    /// The password to begin with; `secret` means the same.
    #[serde(alias = "secret")]
    #[schema(value_type = Option<String>, format = Password)]
    pub password: Option<SecretString>,
    /// Role slugs or names.
    pub roles: Option<Vec<String>>,
    /// Scopes granted directly.
    pub scopes: Option<Vec<String>>,
    /// Workspaces; `workspaces` means the same.
    #[serde(alias = "workspaces")]
    pub workspace_ids: Option<Vec<String>>,
    /// Roles per workspace.
    pub workspace_roles: Option<BTreeMap<String, Vec<String>>>,
    /// Whether the account may be used; true by default.
    pub is_active: Option<bool>,
    /// Further claims for its tokens.
    #[schema(value_type = Option<Object>)]
    pub custom_claims: Option<Map<String, Value>>,
    /// Whatever is to be kept with it.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Map<String, Value>>,
    /// Picture.
    pub avatar_url: Option<String>,
}

/// A change of a user; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateUser {
    /// Display name.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub name: Option<Option<String>>,
    /// Picture.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub avatar_url: Option<Option<String>>,
    /// Role slugs or names: all of them.
    pub roles: Option<Vec<String>>,
    /// Scopes granted directly: all of them.
    pub scopes: Option<Vec<String>>,
    /// Workspaces: all of them; `workspaces` means the same.
    #[serde(alias = "workspaces")]
    pub workspace_ids: Option<Vec<String>>,
    /// Roles per workspace: all of them.
    pub workspace_roles: Option<BTreeMap<String, Vec<String>>>,
    /// Whether the account may be used.
    pub is_active: Option<bool>,
    /// Whether it is restricted.
    pub is_limited: Option<bool>,
    /// Where it stands.
    pub activation_status: Option<ActivationStatus>,
    /// Further claims, merged; `null` removes one.
    #[schema(value_type = Option<Object>)]
    pub custom_claims: Option<Map<String, Value>>,
    /// Whatever is kept with it, merged; `null` removes.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Map<String, Value>>,
}

/// A new identifier.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AddIdentifier {
    /// What it is; guessed by default.
    #[serde(rename = "type", alias = "identifier_type")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<IdentifierKind>,
    /// A name to sign in with.
    pub identifier: String,
    /// Whether it is to be shown instead of others of its kind.
    pub is_primary: Option<bool>,
}

/// A change of an identifier.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateIdentifier {
    /// Whether it is to be shown instead of others of its kind.
    pub is_primary: Option<bool>,
    /// Whether it may be used to sign in.
    pub is_active: Option<bool>,
}

/// A new credential, in place of one of its method.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SetCredential {
    /// `password`, `totp` or `backup_codes`.
    pub method: String,
    /// The password; the others are made by the server.
    #[schema(value_type = Option<String>, format = Password)]
    pub secret: Option<SecretString>,
}

/// A new profile.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateProfile {
    /// Whose.
    pub user_id: String,
    /// What the user says of themself.
    #[schema(value_type = Option<Object>)]
    pub profile_data: Option<Map<String, Value>>,
    /// Whatever is kept with it.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Map<String, Value>>,
}

/// A change of a profile. Fields of other names go into `profile_data`; `null` removes.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateProfile {
    /// Merged into what the user says of themself.
    #[schema(value_type = Option<Object>)]
    pub profile_data: Option<Map<String, Value>>,
    /// Merged into what is kept with it.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Map<String, Value>>,
    /// Everything else.
    #[serde(flatten)]
    #[schema(ignore)]
    pub others: Map<String, Value>,
}

/// Where to move a user.
#[derive(Debug, Deserialize, ToSchema)]
pub struct MoveUser {
    /// The tenant.
    pub tenant_id: String,
}
