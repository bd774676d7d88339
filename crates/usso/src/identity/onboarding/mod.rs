//! Onboarding: a new tenant with its first administrator (ruling D22).
//!
//! An administrator without a password gets an invitation: a link, told once, good for seven days, with which they
//! choose one. It is kept as a digest.

pub mod routes;

use crate::access_control::permission::ADMIN_ROLE;
use crate::identity::Identity;
use crate::identity::identifiers::{Identifier, IdentifierError, NormaliseOptions};
use crate::identity::users::error::UserError;
use crate::identity::users::model::User;
use crate::identity::users::service::{self as users, NewUser};
use crate::tenant::one_time::OneTime;
use crate::tenant::registry::Registry;
use crate::tenant::settings::Config;
use crate::tenant::tenants::schema::{CreateTenant, CreateTenantAdmin};
use crate::tenant::tenants::service::{self as tenants, Authority, TenantError};
use crate::tenant::{ClientInfo, TenantScope};
use kernel::problem::FieldError;
use kernel::{Problem, ProblemKind, StorageError, Stored};
use protocol::b64url;
use secrecy::SecretString;
use serde_json::json;
use std::borrow::Cow;
use std::sync::Arc;

/// Seconds an invitation is good for.
const INVITATION_LIFETIME: i64 = 7 * 86_400;

/// A tenant that was just created.
#[derive(Debug)]
pub struct Created {
    /// The tenant.
    pub tenant: Arc<TenantScope>,
    /// Where its first administrator chooses a password.
    pub invitation_url: Option<String>,
}

/// Why a tenant can't be onboarded, or an invitation not be used.
#[derive(Debug, thiserror::Error)]
pub enum OnboardingError {
    /// The tenant can't be created.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The administrator's identifier can't be one.
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
    /// The administrator can't be created.
    #[error(transparent)]
    User(#[from] UserError),
    /// The invitation is unknown, used or too old.
    #[error("the invitation is not valid")]
    InvitationInvalid,
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for OnboardingError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Tenant(e) => e.kind(),
            Self::Identifier(_) => ProblemKind::Invalid,
            Self::User(e) => e.kind(),
            Self::InvitationInvalid => ProblemKind::Gone,
            Self::Storage(e) => tenants::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Tenant(e) => e.code(),
            Self::Identifier(_) => "INVALID_IDENTIFIER",
            Self::User(e) => e.code(),
            Self::InvitationInvalid => "GONE",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Tenant(e) => e.detail(),
            Self::Identifier(e) => e.to_string().into(),
            Self::User(e) => e.detail(),
            Self::InvitationInvalid => "This invitation was used or has expired".into(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Tenant(e) => e.fields(),
            _ => Vec::new(),
        }
    }
}

/// Creates a tenant and its first administrator. What can be refused is checked before anything is written.
///
/// # Errors
/// See [`OnboardingError`].
pub async fn create_tenant(
    registry: &Registry,
    identity: &Identity,
    mut request: CreateTenant,
    authority: Authority<'_>,
) -> Result<Created, OnboardingError> {
    let admin = request.admin.take();
    if let Some(admin) = &admin {
        let identifier = parse(&admin.identifier)?;
        let mut config = Config::default();
        config.apply(&request.config).map_err(TenantError::Invalid)?;
        if let Some(password) = &admin.password {
            let words = vec![identifier.value().to_owned(), request.name.clone()];
            users::check_against(identity, ("onboarding", &config.settings()), password, words).await?;
        }
    }
    let tenant = tenants::create(registry, request, authority).await?;
    let invitation_url = match admin {
        None => None,
        Some(admin) => add_administrator(identity, &tenant, admin, authority).await?,
    };
    Ok(Created { tenant, invitation_url })
}

fn parse(identifier: &str) -> Result<Identifier, IdentifierError> {
    Identifier::parse(
        None,
        identifier,
        &NormaliseOptions { default_country_code: None, allow_reserved: true },
    )
}

async fn add_administrator(
    identity: &Identity,
    tenant: &TenantScope,
    admin: CreateTenantAdmin,
    authority: Authority<'_>,
) -> Result<Option<String>, OnboardingError> {
    let identifier = parse(&admin.identifier)?;
    let (name, roles) = (admin.name, vec![ADMIN_ROLE.to_owned()]);
    let new = NewUser { roles, ..NewUser::named(identifier, name) };
    let actor = authority.actor.clone();
    match admin.password {
        Some(password) => {
            users::create_unchecked(identity, tenant, (new, &password), actor, authority.client).await?;
            Ok(None)
        }
        None => {
            // The account first, so that nobody else can register its identifier in the meantime.
            let user = users::invite(tenant, new, actor, authority.client).await?;
            let token = b64url::encode(tenant.token::<32>());
            let invitation = OneTime {
                id: invitation_id(&token),
                data: json!({ "user_id": user.id }),
                expires_at: tenant.now().plus_seconds(INVITATION_LIFETIME),
            };
            tenant.records::<OneTime>().insert(invitation, Vec::new()).await?;
            let issuer = tenant.profile().issuers.written(&crate::tenant::issuer::Addressed::Header);
            Ok(Some(format!("{issuer}/api/sso/v1/auth/invitation?token={token}")))
        }
    }
}

fn invitation_id(token: &str) -> String {
    OneTime::id_for("invitation", &[token])
}

/// An invitation that can still be used.
#[derive(Debug)]
pub struct Invitation {
    /// The account it is for.
    pub user: Stored<User>,
    /// The record.
    pub record: Stored<OneTime>,
}

impl Invitation {
    /// The identifier to sign in with.
    pub fn identifier(&self) -> &str {
        self.user.identifiers.first().map_or("", |i| i.value.as_str())
    }
}

/// Looks an invitation up.
///
/// # Errors
/// [`OnboardingError::InvitationInvalid`].
pub async fn invitation(tenant: &TenantScope, token: &str) -> Result<Invitation, OnboardingError> {
    let record = tenant.records::<OneTime>().get(&invitation_id(token)).await?;
    let record = record.ok_or(OnboardingError::InvitationInvalid)?;
    let id = record.data.get("user_id").and_then(|v| v.as_str()).unwrap_or_default();
    let user = tenant.records::<User>().get(id).await?.ok_or(OnboardingError::InvitationInvalid)?;
    Ok(Invitation { user, record })
}

/// Uses an invitation: the account gets the chosen password and may sign in. The account's state makes parallel uses
/// one; the invitation goes once it is used.
///
/// # Errors
/// [`OnboardingError::InvitationInvalid`], a weak password, overload.
pub async fn accept(
    identity: &Identity,
    tenant: &TenantScope,
    token: &str,
    password: &SecretString,
    client: &ClientInfo,
) -> Result<Invitation, OnboardingError> {
    let invitation = invitation(tenant, token).await?;
    match users::activate(identity, tenant, &invitation.user.id, password, client).await {
        Ok(_) => {}
        Err(UserError::NotFound) => return Err(OnboardingError::InvitationInvalid),
        Err(e) => return Err(e.into()),
    }
    match tenant.records::<OneTime>().delete(&invitation.record, Vec::new()).await {
        Ok(()) | Err(StorageError::Conflict) => Ok(invitation),
        Err(e) => Err(e.into()),
    }
}
