//! The user record.

use crate::access_control::roles::effective::Assigned;
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::tenant::TenantScope;
use kernel::{Key, Record, Revision, Stored, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A name under which a user signs in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserIdentifier {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: IdentifierKind,
    /// Its normalised value.
    pub value: String,
    /// When the user proved it is theirs.
    pub verified_at: Option<Timestamp>,
    /// Whether it is the one to show and to write to.
    pub is_primary: bool,
    /// Whether it may be used to sign in.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub is_active: bool,
    /// When it was added.
    pub created_at: Timestamp,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_yes(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_no(value: &bool) -> bool {
    !*value
}

/// A way to prove who one is.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// Its id.
    pub id: String,
    /// `password`, `totp`, `backup_codes`, `webauthn`, `oauth` …
    pub method: String,
    /// A PHC string (Argon2id) of a password; never leaves the server.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub secret_hash: String,
    /// When it was set.
    pub created_at: Timestamp,
    /// Whether it counts; one that waits to be confirmed doesn't.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub is_active: bool,
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who vouches for it, if not we: a social login's provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// What it is called there: a provider's subject, a passkey's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Its secret, sealed with the tenant's key and bound to user and credential; never leaves the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// What else belongs to it and is no secret; stays on the server all the same.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

impl Credential {
    /// A credential without a secret yet.
    pub fn new(id: String, method: &str, now: Timestamp) -> Self {
        Self {
            id,
            method: method.to_owned(),
            secret_hash: String::new(),
            created_at: now,
            is_active: true,
            name: None,
            provider: None,
            external_id: None,
            sealed: None,
            data: Map::new(),
        }
    }

    /// The key it is found by: nobody else in the tenant has the same.
    fn key(&self) -> Option<Key> {
        let external_id = self.external_id.as_deref()?;
        Some(match &self.provider {
            Some(provider) => link_key(provider, external_id),
            None => Key::new(&self.method, external_id),
        })
    }
}

/// The key of an account somewhere else that signs in to one here.
pub fn link_key(provider: &str, external_id: &str) -> Key {
    Key::new("link", &format!("{provider}|{external_id}"))
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivationStatus {
    /// May sign in.
    Active,
    /// Switched off by its owner.
    Deactive,
    /// Waits for approval.
    Pending,
    /// Shut out.
    Banned,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// `user:…`.
    pub id: UserId,
    /// Display name.
    pub name: Option<String>,
    /// Names to sign in with.
    pub identifiers: Vec<UserIdentifier>,
    /// Ways to prove it.
    pub credentials: Vec<Credential>,
    /// Role slugs.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Scopes granted directly.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Workspaces.
    #[serde(default)]
    pub workspace_ids: Vec<String>,
    /// Roles per workspace.
    #[serde(default)]
    pub workspace_roles: BTreeMap<String, Vec<String>>,
    /// Since when, per workspace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workspace_joined_at: BTreeMap<String, Timestamp>,
    /// Whether the account may be used.
    pub is_active: bool,
    /// Where it stands.
    pub activation_status: ActivationStatus,
    /// Picture.
    pub avatar_url: Option<String>,
    /// Further claims.
    #[serde(default)]
    pub custom_claims: Map<String, Value>,
    /// Bumped to end every session of the user (ruling D26).
    pub session_epoch: u64,
    /// Whether the account is restricted; what that means is for applications.
    #[serde(default, skip_serializing_if = "is_no")]
    pub is_limited: bool,
    /// Whatever administrators keep with the account.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub meta_data: Map<String, Value>,
    /// What the user says of themself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// The last changes, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// When it was deleted; it can be restored until it is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// The user whose referral code it was registered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referred_by: Option<UserId>,
    /// Whether it becomes active once its identifier is proven.
    #[serde(default, skip_serializing_if = "is_no")]
    pub awaits_identifier: bool,
    /// The tenant it is being moved to; closed meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving_to: Option<TenantId>,
}

/// What a user says of themself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Free: `given_name`, `locale`, `address` …
    pub data: Map<String, Value>,
    /// Whatever is kept with it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub meta_data: Map<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A change of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// The name of its audit event.
    pub event: String,
    /// By whom.
    pub actor: String,
    /// The fields that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// How many changes are kept (ruling D33).
const MAX_HISTORY: usize = 50;

impl Record for User {
    const KIND: &'static str = "user";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn keys(&self) -> Vec<Key> {
        let names = self.identifiers.iter().map(|i| Key::new(i.kind.as_str(), &i.value));
        names.chain(self.credentials.iter().filter_map(Credential::key)).collect()
    }

    fn tags(&self) -> Vec<String> {
        if self.deleted_at.is_some() {
            let left = self.workspace_ids.iter().map(|id| left_tag(id));
            return left.chain([DELETED.to_owned()]).collect();
        }
        let roles = self.roles.iter().map(|r| format!("role:{r}"));
        let scopes = self.scopes.iter().map(|s| format!("scope:{s}"));
        let kinds = self.identifiers.iter().map(|i| format!("has:{}", i.kind.as_str()));
        let workspaces = self.workspace_ids.iter().map(|w| workspace_tag(w));
        let words = self.search_words().into_iter().map(|word| format!("find:{word}"));
        let state = [
            PRESENT.to_owned(),
            format!("active:{}", self.is_active),
            format!("limited:{}", self.is_limited),
        ];
        roles.chain(scopes).chain(kinds).chain(workspaces).chain(words).chain(state).collect()
    }

    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![("name", self.name.clone().unwrap_or_default())]
    }
}

/// The tag of users who are not deleted.
pub const PRESENT: &str = "deleted:false";

/// The tag of deleted users, whom no filter finds.
pub const DELETED: &str = "deleted:true";

/// The most words of a name that are searched.
const MAX_WORDS: usize = 8;

/// The tag a workspace's members are found by.
pub fn workspace_tag(id: &str) -> String {
    format!("workspace:{id}")
}

/// The tag by which deleted users are found who would belong to a workspace again if they were restored.
pub fn left_tag(id: &str) -> String {
    format!("left:{id}")
}

/// The key a user is found by.
pub fn identifier_key(identifier: &Identifier) -> Key {
    Key::from_stored(identifier.key())
}

impl User {
    /// What a search may begin with: identifiers, the name, and its further words.
    fn search_words(&self) -> Vec<String> {
        let name = self.name.as_deref().unwrap_or_default().to_lowercase();
        let mut words: Vec<String> = self.identifiers.iter().map(|i| i.value.clone()).collect();
        words.extend(name.split_whitespace().skip(1).take(MAX_WORDS).map(str::to_owned));
        words.extend((!name.trim().is_empty()).then(|| name.trim().to_owned()));
        words
    }

    /// Somebody who exists nowhere else and owns nothing, in the place of a user: for programs that act for nobody, or only
    /// with what they were given.
    pub fn stand_in(tenant: &TenantScope, name: &str) -> Stored<Self> {
        let now = tenant.now();
        let record = Self {
            id: UserId::generate(now, tenant.random()),
            name: Some(name.to_owned()),
            identifiers: Vec::new(),
            credentials: Vec::new(),
            roles: Vec::new(),
            scopes: Vec::new(),
            workspace_ids: Vec::new(),
            workspace_roles: BTreeMap::new(),
            is_active: false,
            activation_status: ActivationStatus::Deactive,
            avatar_url: None,
            custom_claims: Map::new(),
            session_epoch: 0,
            is_limited: false,
            meta_data: Map::new(),
            profile: None,
            history: Vec::new(),
            deleted_at: None,
            moving_to: None,
            awaits_identifier: false,
            referred_by: None,
            workspace_joined_at: BTreeMap::new(),
        };
        Stored { record, revision: Revision::generate(tenant.random()), created_at: now, updated_at: now }
    }

    /// What filters of scopes can ask of the user.
    pub fn attributes<'a>(&'a self, tenant: &'a str) -> Vec<(&'static str, &'a str)> {
        let id = self.id.as_str();
        let mut attributes = vec![("tenant_id", tenant), ("user_id", id), ("id", id), ("uid", id)];
        attributes.extend(self.workspace_ids.iter().map(|id| ("workspace_id", id.as_str())));
        attributes
    }

    /// Keeps a change in mind.
    pub fn remember(&mut self, entry: HistoryEntry) {
        self.history.push(entry);
        let surplus = self.history.len().saturating_sub(MAX_HISTORY);
        self.history.drain(..surplus);
    }

    /// All roles the user was given, wherever they count.
    pub fn all_roles(&self) -> impl Iterator<Item = &String> {
        self.roles.iter().chain(self.workspace_roles.values().flatten())
    }

    /// The credentials of a method that count.
    pub fn credentials_of(&self, method: &str) -> impl Iterator<Item = &Credential> {
        self.credentials.iter().filter(move |c| c.method == method && c.is_active)
    }

    /// The stored hash of the password, if there is one.
    pub fn password_hash(&self) -> Option<&str> {
        self.credentials.iter().find(|c| c.method == "password").map(|c| c.secret_hash.as_str())
    }

    /// Sets or replaces the password's hash.
    pub fn set_password_hash(&mut self, id: String, secret_hash: String, now: Timestamp) {
        match self.credentials.iter_mut().find(|c| c.method == "password") {
            Some(password) => password.secret_hash = secret_hash,
            None => {
                let new = Credential { secret_hash, ..Credential::new(id, "password", now) };
                self.credentials.push(new);
            }
        }
    }

    /// The language the user has named in their profile.
    pub fn language(&self) -> Option<&str> {
        let locale = self.profile.as_ref()?.data.get("locale")?.as_str()?;
        locale.split(['-', '_']).next().filter(|language| !language.is_empty())
    }

    /// The primary value of a kind, or its first.
    pub fn value_of(&self, kind: IdentifierKind) -> Option<&UserIdentifier> {
        let mut own = self.identifiers.iter().filter(|i| i.kind == kind);
        let first = own.next()?;
        Some(std::iter::once(first).chain(own).find(|i| i.is_primary).unwrap_or(first))
    }

    /// The value of a kind that the user has proven to own (ruling D6).
    pub fn verified(&self, kind: IdentifierKind) -> Option<&str> {
        self.value_of(kind).filter(|i| i.verified_at.is_some()).map(|i| i.value.as_str())
    }

    /// The workspace, if the user belongs to it.
    pub fn workspace<'a>(&self, id: Option<&'a str>) -> Option<&'a str> {
        id.filter(|id| self.workspace_ids.iter().any(|own| own == id))
    }

    /// What the user was given that may count in a workspace. One they don't belong to (any more) gives nothing.
    pub fn assigned<'a>(&'a self, workspace: Option<&'a str>) -> Assigned<'a> {
        let workspace = self.workspace(workspace);
        let in_workspace = workspace.and_then(|id| self.workspace_roles.get(id));
        Assigned {
            scopes: &self.scopes,
            roles: &self.roles,
            workspace,
            workspace_roles: in_workspace.map(Vec::as_slice).unwrap_or_default(),
        }
    }

    /// Whether the account may sign in and use what it holds.
    pub fn may_sign_in(&self) -> bool {
        self.is_active
            && self.activation_status == ActivationStatus::Active
            && self.deleted_at.is_none()
            && self.moving_to.is_none()
    }
}
