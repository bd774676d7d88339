//! Registering where an account becomes active once its identifier is proven.
//!
//! Whether there was an account shows in nothing: the same work, the same answer, and a message to whoever has the address: a
//! code to the newcomer, a word of warning to the owner of an account (ruling D28).

use super::pending::Pending;
use super::proof::{Method, Proof, Shown};
use super::register::check_open;
use super::{Context, Input, Register, SignInError, Step, options};
use crate::identity::codes::{self, CodeError, Purpose, channel_of};
use crate::identity::hooks;
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::identity::referrals::model::Referral;
use crate::identity::referrals::service as referrals;
use crate::identity::sessions::service::SessionError;
use crate::identity::users::error::UserError;
use crate::identity::users::model::User;
use crate::identity::users::service::{self as users, NewUser};
use crate::tenant::messaging::budget;
use crate::tenant::messaging::service::{Message, check, message};
use crate::tenant::messaging::templates::Template;
use crate::tenant::one_time::OneTime;
use crate::tenant::settings::Approval;
use crate::tenant::{Actor, TenantScope};
use kernel::{Channel, StorageError, Stored, UserId};
use secrecy::SecretString;
use serde_json::{Map, Value};

/// Seconds after which a warning is of no use any more.
const USEFUL: i64 = 3_600;

/// Whether a registration must not tell if there is an account. Who asked to sign in and is there, signs in.
pub(super) fn is_neutral(
    tenant: &TenantScope,
    identifier: &Identifier,
    (register, method, account): (Register, Method, Option<&Stored<User>>),
) -> bool {
    let is_asked = match register {
        Register::No => false,
        Register::IfAbsent => account.is_none_or(|user| user.awaits_identifier),
        Register::Required => true,
    };
    let is_set = tenant.profile().settings.approval == Approval::Identifier;
    is_set && is_asked && method == Method::Password && channel_of(identifier.kind()).is_some()
}

/// Registers, or does as much as that takes.
///
/// # Errors
/// A weak password, no way to send, [`SignInError::RateLimited`]: each whether there is an account or not.
pub(super) async fn register(
    context: Context<'_>,
    (identifier, account): (&Identifier, Option<&Stored<User>>),
    input: &Input,
    secret: &SecretString,
) -> Result<Step, SignInError> {
    let Context { identity, tenant, client, .. } = context;
    check_open(tenant, input.referral_code.as_deref())?;
    if input.wanted.workspace_id.is_some() {
        return Err(SessionError::NotAMember.into());
    }
    let channel = channel_of(identifier.kind()).ok_or(SignInError::NotReachable(identifier.kind()))?;
    check(tenant, channel)?;
    users::check_password(identity, tenant, secret, identifier.value()).await?;
    let key = identifier.key();
    if let Some(retry_after) = budget::take(tenant, ("registration", &key), client.ip).await? {
        return Err(SignInError::RateLimited { retry_after });
    }
    // Asked whether there is an account or not.
    let asked = (identifier, Method::Password.as_str(), input.name.as_deref());
    let claims = hooks::before_registration(identity, tenant, asked, client).await?;
    // A code that isn't one is told with and without an account.
    let referral = match &input.referral_code {
        Some(code) => Some(referrals::claim(tenant, code).await?),
        None => None,
    };
    let user = match account {
        None => created(context, identifier, (input, claims, referral), secret).await?,
        Some(_) => {
            // What an account takes, and nothing of it kept.
            let hashed = identity.hasher().hash(tenant.id().as_str(), secret, tenant.token::<16>()).await;
            if let Some(referral) = &referral {
                referrals::release(tenant, &referral.id).await?;
            }
            hashed.map(drop)?;
            None
        }
    };
    let awaits = account.is_some_and(|user| user.awaits_identifier);
    let language = account.and_then(|user| user.language());
    let is_sent = user.is_some() || awaits;
    match codes::send(tenant, (Purpose::Login, identifier), (is_sent, language)).await {
        Ok(()) => {}
        Err(CodeError::Message(e)) => return Err(e.into()),
        Err(CodeError::Storage(e)) => return Err(e.into()),
    }
    if let (false, Channel::Email) = (is_sent, channel) {
        warn(context, identifier, language).await?;
    }
    answer(context, identifier, (user, input))
}

/// The new account; none if somebody was quicker.
async fn created(
    context: Context<'_>,
    identifier: &Identifier,
    (input, custom_claims, referral): (&Input, Map<String, Value>, Option<Stored<Referral>>),
    secret: &SecretString,
) -> Result<Option<Stored<User>>, SignInError> {
    let Context { identity, tenant, client, .. } = context;
    let identifier = Identifier::parse(Some(identifier.kind()), identifier.value(), &options(tenant, false))?;
    let new = NewUser {
        referred_by: referral.as_ref().map(|referral| referral.user_id.clone()),
        awaits_identifier: true,
        custom_claims,
        ..NewUser::named(identifier, input.name.clone())
    };
    let made = users::create_unchecked(identity, tenant, (new, secret), Actor::Anonymous, client).await;
    if let (Err(_), Some(referral)) = (&made, &referral) {
        referrals::release(tenant, &referral.id).await?;
    }
    match made {
        Ok(user) => Ok(Some(user)),
        Err(UserError::IdentifierExists) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Tells the owner of an account that somebody tried to register it.
async fn warn(
    context: Context<'_>,
    identifier: &Identifier,
    language: Option<&str>,
) -> Result<(), SignInError> {
    let Context { tenant, client, .. } = context;
    let mut variables = Map::new();
    variables.insert("identifier".to_owned(), identifier.value().into());
    variables.insert("ip".to_owned(), client.ip.to_string().into());
    let letter = Message {
        template: Template::AccountExists,
        channel: Channel::Email,
        to: identifier.value(),
        language,
        variables,
        valid_until: tenant.now().plus_seconds(USEFUL),
    };
    let effect = message(tenant, letter)?;
    // A message is an effect of a write; this one is gone before long, and the message is not.
    let carrier = OneTime {
        id: OneTime::id_for("warning", &[&client.request_id]),
        data: Value::Null,
        expires_at: tenant.now().plus_seconds(60),
    };
    match tenant.records::<OneTime>().insert(carrier, vec![effect]).await {
        Ok(_) | Err(StorageError::Exists) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// What goes on with the code: for who has just registered, their password with it.
fn answer(
    context: Context<'_>,
    identifier: &Identifier,
    (user, input): (Option<Stored<User>>, &Input),
) -> Result<Step, SignInError> {
    let tenant = context.tenant;
    let nobody = UserId::generate(tenant.now(), tenant.random());
    let pending = Pending {
        user_id: user.as_ref().map_or(nobody, |user| user.id.clone()),
        user_epoch: user.as_ref().map_or(0, |user| user.session_epoch),
        tenant_epoch: tenant.profile().tenant.session_epoch,
        shown: vec![Shown::from(&Proof::of(Method::Password))],
        is_own: true,
        may_enrol: false,
        wanted: input.wanted.clone(),
    };
    let (token, expires_in) = pending.sign(tenant, context.issuer).map_err(SessionError::from)?;
    let methods = match identifier.kind() {
        IdentifierKind::Phone => vec![Method::PhoneOtp],
        _ => vec![Method::EmailOtp],
    };
    Ok(Step::Awaiting { token, expires_in, methods })
}
