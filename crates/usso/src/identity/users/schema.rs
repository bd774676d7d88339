//! What a user looks like on the wire (contract 6.1–6.3).

use crate::identity::identifiers::IdentifierKind;
use crate::identity::users::model::{ActivationStatus, Credential, User, UserIdentifier};
use kernel::{Stored, Timestamp};
use serde::Serialize;
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
    /// `password` …
    #[serde(rename = "type")]
    pub kind: String,
    /// The same as `type`.
    pub method: String,
    /// `internal`, or the name of a provider.
    pub provider: &'static str,
    /// Whether it may be used.
    pub is_active: bool,
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
    /// The last changes.
    #[schema(value_type = Vec<Object>)]
    pub history: Vec<Value>,
    /// Always null: nothing is kept here yet.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Value>,
    /// Always false: a deleted user isn't shown.
    pub is_deleted: bool,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl UserView {
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
            credentials: user.credentials.iter().map(credential_view).collect(),
            credential_methods: user.credentials.iter().map(|c| c.method.clone()).collect(),
            is_active: user.is_active,
            is_limited: false,
            activation_status: user.activation_status,
            avatar_url: user.avatar_url.clone(),
            custom_claims: user.custom_claims.clone(),
            history: Vec::new(),
            meta_data: None,
            is_deleted: false,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        }
    }
}

fn identifier_view(tenant_id: &str, user: &Stored<User>, own: &UserIdentifier) -> IdentifierView {
    IdentifierView {
        id: own.id.clone(),
        uid: own.id.clone(),
        kind: own.kind,
        value: own.value.clone(),
        identifier: own.value.clone(),
        verified: own.verified_at.is_some(),
        verified_at: own.verified_at,
        is_primary: own.is_primary,
        is_active: true,
        is_deleted: false,
        user_id: user.id.as_str().to_owned(),
        tenant_id: tenant_id.to_owned(),
        created_at: own.created_at,
        updated_at: user.updated_at,
    }
}

fn credential_view(credential: &Credential) -> CredentialView {
    CredentialView {
        id: credential.id.clone(),
        kind: credential.method.clone(),
        method: credential.method.clone(),
        provider: "internal",
        is_active: true,
    }
}
