//! Signing in: one state machine for JSON and pages.
//!
//! [`advance`] reads like the flow itself: who is meant, whether the method is open, whether what was submitted proves it;
//! then [`proven`] goes on with whatever way in it was: the account's state, a second factor, the session. Registration is
//! the step that makes the account first. Existing and unknown accounts take the same path, the same time and the same
//! words (ruling D28); where registration is open that is impossible, and documented.

mod approval;
mod authenticator;
pub mod enrolment;
mod error;
mod factor;
mod flow;
mod password;
pub mod pending;
pub mod proof;
mod proven;
mod register;
pub mod routes;
pub mod schema;

pub use error::SignInError;
pub use flow::{is_allowed as flow_allows, may_be_second};
pub use proven::{Carried, Standing, proven, standing};
pub use register::{Newcomer, newcomer};

use crate::identity::Identity;
use crate::identity::attempts::Client;
use crate::identity::devices::Device;
use crate::identity::identifiers::{Identifier, IdentifierKind, NormaliseOptions};
use crate::identity::sessions::service::SignedIn;
use crate::identity::users;
use crate::identity::users::error::UserError;
use crate::identity::users::model::User;
use crate::tenant::messaging::service::can_send;
use crate::tenant::{ClientInfo, TenantScope};
use kernel::{Channel, Stored};
use pending::Pending;
use proof::{Method, Shown};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// What somebody submits to sign in.
#[derive(Debug)]
pub struct Input {
    /// The kind of identifier, if told.
    pub kind: Option<IdentifierKind>,
    /// The identifier as typed. Only an unfinished sign-in goes on without.
    pub identifier: Option<String>,
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
    /// What the session is to be like.
    pub wanted: Wanted,
    /// The device's cookie.
    pub device: Device,
    /// The token of an unfinished sign-in.
    pub temporary: Option<String>,
    /// What the request has of solved captchas.
    pub captchas: Vec<String>,
}

/// What a session is to be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The audience of its access tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The workspace to work in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// Whether its refresh generation advances (ruling D2).
    pub is_rotating: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { audience: None, workspace_id: None, is_rotating: true }
    }
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
    /// Nothing is proven yet: one of these methods.
    Verify {
        /// The methods open to this kind of identifier.
        methods: Vec<Method>,
    },
    /// Registered, unless there was an account; nothing more is told until the identifier is proven.
    Awaiting {
        /// Carries what was shown, see [`Pending`].
        token: String,
        /// Seconds it is good.
        expires_in: i64,
        /// What proves the identifier.
        methods: Vec<Method>,
    },
    /// An identifier is proven that nobody has, and nobody may take.
    RegistrationRequired,
    /// Something is proven, and it is not enough.
    More {
        /// Carries what was shown, see [`Pending`].
        token: String,
        /// Seconds it is good.
        expires_in: i64,
        /// What was shown.
        amr: Vec<String>,
        /// What would do …
        methods: Vec<Method>,
        /// … so many of them.
        required: usize,
        /// What may be set up now, for who has nothing to show (ruling D39).
        enrol: Vec<Method>,
    },
}

/// What is still needed, and what there is.
#[derive(Debug)]
struct More {
    methods: Vec<Method>,
    required: usize,
    shown: Vec<Shown>,
    is_own: bool,
    wanted: Wanted,
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
    let tenant = context.tenant;
    let pending = input.temporary.as_deref().and_then(|token| Pending::read(tenant, token));
    let identifier = match (&input.identifier, &pending) {
        (Some(typed), _) => parse(tenant, input.kind, typed)?,
        (None, Some(pending)) => identifier_of(context, pending).await?,
        (None, None) => return Err(SignInError::NoIdentifier),
    };
    check_kind(tenant, identifier.kind())?;
    let Some(secret) = &input.secret else {
        let mut methods = flow::first_methods(&tenant.profile().settings, identifier.kind());
        methods.retain(|method| is_deliverable(tenant, *method));
        return Ok(Step::Verify { methods });
    };
    let method = method(&input, identifier.kind())?;

    // Before anybody is looked for: a closed registration must not tell who has an account.
    if input.register == Register::Required {
        register::check_open(tenant, input.referral_code.as_deref())?;
    }
    let mut account = users::service::find(tenant, &identifier).await?;
    if approval::is_neutral(tenant, &identifier, (input.register, method, account.as_ref())) {
        return approval::register(context, (&identifier, account.as_ref()), &input, secret).await;
    }
    if account.is_none() && input.register != Register::No && method == Method::Password {
        match register::register(context, &identifier, &input, secret).await {
            // Somebody registered it in the meantime: go on as if it had been there.
            Err(SignInError::User(UserError::IdentifierExists)) if input.register == Register::IfAbsent => {
                account = users::service::find(tenant, &identifier).await?;
            }
            made => return made,
        }
    } else if account.is_some() && input.register == Register::Required {
        return Err(UserError::IdentifierExists.into());
    }

    // A stranger's unfinished sign-in, or one with another account, is none.
    let pending = pending.filter(|own| account.as_ref().is_some_and(|user| own.is_of(tenant, user)));
    check_order(tenant, (method, identifier.kind()), pending.as_ref())?;
    let client = client_of(tenant, context.client, account.as_ref(), &input.device);
    // Whoever signs in by name gets their code at the address that is proven to be theirs.
    let reached = pending.as_ref().zip(account.as_ref()).and_then(|(_, user)| reached_by(user, method));
    let identifier = reached.unwrap_or(identifier);
    let attempt = factor::Attempt {
        identifier: &identifier,
        account: account.as_ref(),
        client,
        method,
        secret,
        captchas: &input.captchas,
    };
    let (user, proof) = factor::check(context, attempt).await?;
    let Some(user) = user else {
        let new = Newcomer { identifier, name: input.name, referral_code: input.referral_code };
        return newcomer(context, new, proof, input.wanted).await;
    };
    // What is to be like what was asked for first.
    let wanted = pending.as_ref().map_or(input.wanted, |pending| pending.wanted.clone());
    proven(context, user, proof, Carried { wanted, pending }).await
}

/// Who an unfinished sign-in is about, by a name they may sign in with.
async fn identifier_of(context: Context<'_>, pending: &Pending) -> Result<Identifier, SignInError> {
    let user = context.identity.user(context.tenant, &pending.user_id).await?;
    let user = user.filter(|user| pending.is_of(context.tenant, user)).ok_or(SignInError::NoIdentifier)?;
    let own = user.identifiers.iter().find(|own| own.is_active).ok_or(SignInError::NoIdentifier)?;
    Ok(Identifier::stored(own.kind, &own.value))
}

/// Whether what a method needs sent can be sent.
fn is_deliverable(tenant: &TenantScope, method: Method) -> bool {
    match method {
        Method::EmailOtp | Method::MagicLink => can_send(tenant, Channel::Email),
        Method::PhoneOtp => can_send(tenant, Channel::Sms),
        _ => true,
    }
}

/// The address or number of a user that a method's codes go to.
pub fn reached_by(user: &User, method: Method) -> Option<Identifier> {
    let kind = match method {
        Method::EmailOtp | Method::MagicLink => IdentifierKind::Email,
        Method::PhoneOtp => IdentifierKind::Phone,
        _ => return None,
    };
    user.verified(kind).map(|value| Identifier::stored(kind, value))
}

fn method(input: &Input, kind: IdentifierKind) -> Result<Method, SignInError> {
    let Some(name) = input.method.as_deref() else { return Ok(Method::Password) };
    Method::parse(name, kind).ok_or_else(|| SignInError::MethodNotAllowed(name.to_owned()))
}

/// Refuses a method that can't be next: a second factor without a first, or one the tenant doesn't want.
fn check_order(
    tenant: &TenantScope,
    (method, kind): (Method, IdentifierKind),
    pending: Option<&Pending>,
) -> Result<(), SignInError> {
    let settings = &tenant.profile().settings;
    let is_open = match pending {
        Some(_) => may_be_second(settings, method),
        None => flow::first_methods(settings, kind).contains(&method),
    };
    let has_place = !matches!(
        method,
        Method::Oauth | Method::Telegram | Method::Qr | Method::Webauthn | Method::MagicLink
    );
    if is_open && has_place { Ok(()) } else { Err(SignInError::MethodNotAllowed(method.as_str().to_owned())) }
}

fn check_kind(tenant: &TenantScope, kind: IdentifierKind) -> Result<(), SignInError> {
    match &tenant.profile().settings.login_flow {
        Some(flow) if !flow.allowed_identifiers.iter().any(|name| name == kind.as_str()) => {
            Err(SignInError::IdentifierNotAllowed(kind))
        }
        _ => Ok(()),
    }
}

/// Who is trying: a device the account knows, or an address.
pub fn client_of(
    tenant: &TenantScope,
    client: &ClientInfo,
    account: Option<&Stored<User>>,
    device: &Device,
) -> Client {
    let known = account.and_then(|user| device.known_to(tenant, &user.id));
    known.map_or(Client::Address(client.ip), |id| Client::Device(id.to_owned()))
}

fn options(tenant: &TenantScope, allow_reserved: bool) -> NormaliseOptions<'_> {
    NormaliseOptions {
        default_country_code: tenant.profile().settings.default_country_code.as_deref(),
        allow_reserved,
    }
}

/// An identifier as typed by somebody who wants to sign in.
///
/// # Errors
/// When it can't be one.
pub fn parse(
    tenant: &TenantScope,
    kind: Option<IdentifierKind>,
    typed: &str,
) -> Result<Identifier, SignInError> {
    Ok(Identifier::parse(kind, typed, &options(tenant, true))?)
}
