//! Signing in: one state machine for JSON and, later, pages.
//!
//! [`advance`] reads like the flow itself: who is meant, whether the method is open, whether the budget allows another
//! try, whether the secret is right, whether the account may sign in; then a session is opened. Registration is the
//! step that makes the account first. Existing and unknown accounts take the same path, the same time and the same
//! words (ruling D28); where registration is open that is impossible, and documented.

mod error;
mod password;
pub mod routes;
pub mod schema;

pub use error::SignInError;

use crate::identity::Identity;
use crate::identity::attempts::Client;
use crate::identity::devices::Device;
use crate::identity::identifiers::{Identifier, IdentifierKind, NormaliseOptions};
use crate::identity::referrals::service as referrals;
use crate::identity::sessions::service::{NewSession, SessionError, SignedIn};
use crate::identity::users::error::UserError;
use crate::identity::users::model::User;
use crate::identity::users::service::NewUser;
use crate::identity::{sessions, users};
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::Stored;
use secrecy::SecretString;

/// What somebody submits to sign in.
#[derive(Debug)]
pub struct Input {
    /// The kind of identifier, if told.
    pub kind: Option<IdentifierKind>,
    /// The identifier as typed.
    pub identifier: String,
    /// The method, if told.
    pub method: Option<String>,
    /// The secret; without one the flow only tells which methods there are.
    pub secret: Option<SecretString>,
    /// Whether to make the account if it doesn't exist.
    pub register: Register,
    /// Display name of a new account.
    pub name: Option<String>,
    /// The code by which somebody brought a new account.
    pub referral_code: Option<String>,
    /// The audience of the access tokens.
    pub audience: Option<String>,
    /// The workspace to work in.
    pub workspace_id: Option<String>,
    /// Whether this session's refresh generation advances (ruling D2).
    pub is_rotating: bool,
    /// The device's cookie.
    pub device: Device,
}

/// Whether signing in may make the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// Only existing accounts.
    No,
    /// Make it if it doesn't exist, else sign in.
    IfAbsent,
    /// Make it; an existing one is an error.
    Required,
}

/// Where a flow stands.
#[derive(Debug)]
pub enum Step {
    /// Signed in.
    Completed(Box<SignedIn>),
    /// A factor is needed: one of these methods.
    Verify {
        /// The methods open to this kind of identifier.
        methods: Vec<String>,
    },
}

/// The surroundings of a flow.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The layer's services.
    pub identity: &'a Identity,
    /// The tenant.
    pub tenant: &'a TenantScope,
    /// The issuer to write.
    pub issuer: &'a str,
    /// The other end.
    pub client: &'a ClientInfo,
}

/// Takes the flow one step further.
///
/// # Errors
/// See [`SignInError`].
pub async fn advance(context: Context<'_>, input: Input) -> Result<Step, SignInError> {
    let identifier = parse_identifier(context.tenant, &input)?;
    let methods = open_methods(context.tenant);
    let Some(secret) = &input.secret else { return Ok(Step::Verify { methods }) };
    check_method(input.method.as_deref(), &methods)?;

    // Before anybody is looked for: a closed registration must not tell who has an account.
    if input.register == Register::Required && !context.tenant.profile().settings.registration_is_allowed {
        return Err(SignInError::RegistrationDisabled);
    }

    let mut account = users::service::find(context.tenant, &identifier).await?;
    if account.is_none() && input.register != Register::No {
        match register(context, &identifier, &input, secret).await {
            Ok(user) => return complete(context, user, &input).await,
            // Somebody registered it in the meantime: go on as if it had been there.
            Err(SignInError::User(UserError::IdentifierExists)) if input.register == Register::IfAbsent => {
                account = users::service::find(context.tenant, &identifier).await?;
            }
            Err(e) => return Err(e),
        }
    } else if account.is_some() && input.register == Register::Required {
        return Err(UserError::IdentifierExists.into());
    }

    let client = client_of(context, account.as_ref(), &input.device);
    let attempt = password::Attempt { identifier: &identifier, account: account.as_ref(), client, secret };
    let user = password::check(context, attempt).await?;
    complete(context, user, &input).await
}

async fn complete(context: Context<'_>, user: Stored<User>, input: &Input) -> Result<Step, SignInError> {
    let new = NewSession {
        amr: vec!["password".to_owned()],
        aud: input.audience.clone(),
        is_rotating: input.is_rotating,
        impersonation: None,
        workspace_id: input.workspace_id.clone(),
    };
    let signed_in =
        sessions::service::open(context.identity, context.tenant, context.issuer, user, new, context.client)
            .await?;
    Ok(Step::Completed(Box::new(signed_in)))
}

async fn register(
    context: Context<'_>,
    identifier: &Identifier,
    input: &Input,
    secret: &SecretString,
) -> Result<Stored<User>, SignInError> {
    if !context.tenant.profile().settings.registration_is_allowed {
        return Err(match input.register {
            // Nobody must learn from a closed registration whether an account exists.
            Register::IfAbsent => password::refuse_unknown(context, identifier, secret).await?,
            _ => SignInError::RegistrationDisabled,
        });
    }
    // Nobody belongs to a workspace before they are there: refused before the account is made.
    if input.workspace_id.is_some() {
        return Err(SessionError::NotAMember.into());
    }
    // Parsed again: reserved names may sign in but nobody may take them (ruling D5).
    let identifier =
        Identifier::parse(Some(identifier.kind()), identifier.value(), &options(context.tenant, false))?;
    let referral = match &input.referral_code {
        Some(code) => Some(referrals::claim(context.tenant, code).await?),
        None => None,
    };
    let new = NewUser {
        referred_by: referral.as_ref().map(|referral| referral.user_id.clone()),
        ..NewUser::named(identifier, input.name.clone())
    };
    let (identity, tenant) = (context.identity, context.tenant);
    let made =
        users::service::create(identity, tenant, (new, secret), Actor::Anonymous, context.client).await;
    if let (Err(_), Some(referral)) = (&made, &referral) {
        referrals::release(tenant, &referral.id).await?;
    }
    Ok(made?)
}

fn client_of(context: Context<'_>, account: Option<&Stored<User>>, device: &Device) -> Client {
    let known = account.and_then(|user| device.known_to(context.tenant, &user.id));
    known.map_or(Client::Address(context.client.ip), |id| Client::Device(id.to_owned()))
}

fn options(tenant: &TenantScope, allow_reserved: bool) -> NormaliseOptions<'_> {
    NormaliseOptions {
        default_country_code: tenant.profile().settings.default_country_code.as_deref(),
        allow_reserved,
    }
}

fn parse_identifier(tenant: &TenantScope, input: &Input) -> Result<Identifier, SignInError> {
    Ok(Identifier::parse(input.kind, &input.identifier, &options(tenant, true))?)
}

/// The methods that are both built and allowed.
fn open_methods(tenant: &TenantScope) -> Vec<String> {
    let allowed = &tenant.profile().settings.allowed_login_methods;
    ["password"].into_iter().filter(|m| allowed.iter().any(|a| a == m)).map(str::to_owned).collect()
}

fn check_method(asked: Option<&str>, open: &[String]) -> Result<(), SignInError> {
    let asked = asked.unwrap_or("password");
    if open.iter().any(|m| m == asked) {
        Ok(())
    } else {
        Err(SignInError::MethodNotAllowed(asked.to_owned()))
    }
}
