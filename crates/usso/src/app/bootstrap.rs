//! First start: the default tenant and the system administrator (ruling D5).

use crate::access_control::permission::{ADMIN_ROLE, SUPERADMIN_SCOPE};
use crate::http::AppState;
use crate::identity::identifiers::{Identifier, IdentifierKind, NormaliseOptions};
use crate::identity::users::service::{self as users, NewUser};
use crate::tenant::tenants::schema::CreateTenant;
use crate::tenant::tenants::service::{self as tenants, Authority};
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::TenantId;
use protocol::b64url;
use secrecy::SecretString;
use std::sync::Arc;

/// The user name of the system administrator.
pub const SYSTEM_USERNAME: &str = "admin";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Makes what is missing. Answers the administrator's password if one was generated: to be shown once, and not logged.
///
/// # Errors
/// When the database refuses.
pub async fn run(
    state: &AppState,
    domains: Vec<String>,
    system_password: Option<&SecretString>,
) -> Result<Option<SecretString>, Failure> {
    let tenant = default_tenant(state, domains).await?;
    let identifier = system_identifier()?;
    let client = ClientInfo::local();
    match (users::find(&tenant, &identifier).await?, system_password) {
        (Some(_), None) => Ok(None),
        (Some(user), Some(password)) => {
            let hash = user.password_hash();
            let verdict = state.identity.hasher().verify(tenant.id().as_str(), hash, password).await?;
            if !verdict.matches {
                warn_if_weak(state, &tenant, password).await;
                users::reset_password(&state.identity, &tenant, &user.id, password, &client).await?;
            }
            Ok(None)
        }
        (None, given) => {
            let generated = given.is_none().then(|| generate(&tenant));
            let Some(password) = given.or(generated.as_ref()) else { return Ok(None) };
            warn_if_weak(state, &tenant, password).await;
            let new = NewUser {
                roles: vec![ADMIN_ROLE.to_owned()],
                scopes: vec![SUPERADMIN_SCOPE.to_owned()],
                ..NewUser::named(identifier, Some("System administrator".to_owned()))
            };
            users::create_unchecked(&state.identity, &tenant, (new, password), Actor::System, &client)
                .await?;
            Ok(generated)
        }
    }
}

/// Gives the system administrator a new password.
///
/// # Errors
/// When there is no administrator yet, or the database refuses.
pub async fn reset_system_password(
    state: &AppState,
    password: Option<SecretString>,
) -> Result<SecretString, Failure> {
    let tenant =
        state.registry.open(&TenantId::default_tenant()).await?.ok_or("there is no default tenant yet")?;
    let user =
        users::find(&tenant, &system_identifier()?).await?.ok_or("there is no system administrator yet")?;
    let password = match password {
        Some(password) => {
            users::check_password(&state.identity, &tenant, &password, SYSTEM_USERNAME).await?;
            password
        }
        None => generate(&tenant),
    };
    users::reset_password(&state.identity, &tenant, &user.id, &password, &ClientInfo::local()).await?;
    Ok(password)
}

async fn default_tenant(state: &AppState, domains: Vec<String>) -> Result<Arc<TenantScope>, Failure> {
    let id = TenantId::default_tenant();
    if let Some(tenant) = state.registry.open(&id).await? {
        return Ok(tenant);
    }
    let request = CreateTenant { domains, ..CreateTenant::named("Default Tenant") };
    let client = ClientInfo::local();
    let authority = Authority { actor: &Actor::System, client: &client, is_system: true };
    Ok(tenants::create_with_id(&state.registry, id, request, authority).await?)
}

fn system_identifier() -> Result<Identifier, Failure> {
    let options = NormaliseOptions { default_country_code: None, allow_reserved: true };
    Ok(Identifier::parse(Some(IdentifierKind::Username), SYSTEM_USERNAME, &options)?)
}

fn generate(tenant: &TenantScope) -> SecretString {
    // 144 bits, and a special character for whoever types it into a policy.
    SecretString::from(format!("{}-!", b64url::encode(tenant.token::<18>())))
}

async fn warn_if_weak(state: &AppState, tenant: &TenantScope, password: &SecretString) {
    // The operator's choice stands; hiding that it is a poor one would be no service.
    if users::check_password(&state.identity, tenant, password, SYSTEM_USERNAME).await.is_err() {
        tracing::warn!("SYSTEM_PASSWORD is weak; choose a longer one");
    }
}
