//! Checking a factor that was submitted with an identifier: the budget, the secret, the budget again.
//!
//! The second look at the budget makes a burst of parallel guesses worth no more than the same guesses one by one. An
//! unknown account fails as a wrong secret does, in the same time and with the same writes.

use super::proof::{Method, Proof};
use super::{Context, SignInError, authenticator, password};
use crate::identity::attempts::{self, Client, Lane, Target};
use crate::identity::captcha::error::CaptchaError;
use crate::identity::captcha::service as captcha;
use crate::identity::codes::{self, Purpose};
use crate::identity::identifiers::Identifier;
use crate::identity::users::model::{User, identifier_key};
use crate::tenant::Actor;
use crate::tenant::audit::Event;
use crate::tenant::settings::CaptchaMode;
use kernel::{StorageError, Stored};
use secrecy::SecretString;

/// One try.
pub(super) struct Attempt<'a> {
    pub identifier: &'a Identifier,
    pub account: Option<&'a Stored<User>>,
    pub client: Client,
    pub method: Method,
    pub secret: &'a SecretString,
    /// What the request has of solved captchas.
    pub captchas: &'a [String],
}

/// Checks a factor, and uses it up if it counts once. A code that was sent may be right for an identifier nobody has yet.
///
/// # Errors
/// [`SignInError::RateLimited`], [`SignInError::InvalidCredentials`], overload.
pub(super) async fn check(
    context: Context<'_>,
    attempt: Attempt<'_>,
) -> Result<(Option<Stored<User>>, Proof), SignInError> {
    let key = identifier_key(attempt.identifier);
    let target = Target {
        identifier: key.as_str(),
        account: attempt.account.map(|user| user.id.as_str()),
        method: attempt.method.as_str(),
    };
    let lane = Lane::of(target, &attempt.client);
    refuse_if_exhausted(context, &lane).await?;
    ask_for_captcha(context, &attempt, &lane).await?;
    let mut needs_rehash = false;
    let is_right = match attempt.method {
        Method::Password => {
            let verdict = password::judge(context, &attempt).await?;
            needs_rehash = verdict.needs_rehash;
            verdict.matches
        }
        Method::Totp => authenticator::is_code(context.tenant, &attempt)?,
        Method::BackupCodes => authenticator::is_backup_code(&attempt),
        Method::EmailOtp | Method::PhoneOtp => {
            codes::redeem(context.tenant, (Purpose::Login, attempt.identifier), attempt.secret).await?
        }
        other => return Err(SignInError::MethodNotAllowed(other.as_str().to_owned())),
    };
    if !is_right {
        return Err(refuse(context, &attempt, &lane).await?);
    }
    // The right guess of a burst whose budget is spent costs, writes and answers what a wrong one does. A code that was sent counts
    // its own guesses, and is used up by now.
    let counts_itself = matches!(attempt.method, Method::EmailOtp | Method::PhoneOtp);
    if !counts_itself && attempts::exhausted(context.tenant, &lane).await?.is_some() {
        return Err(refuse(context, &attempt, &lane).await?);
    }
    let Some(user) = attempt.account else {
        return Ok((None, Proof::received(attempt.method, attempt.identifier.clone())));
    };
    let used = match attempt.method {
        Method::Totp => {
            authenticator::use_code(context.tenant, user, attempt.secret).await?.then(|| user.clone())
        }
        Method::BackupCodes => authenticator::use_backup_code(context, user, attempt.secret).await?,
        _ => Some(user.clone()),
    };
    // Used up before, or by somebody quicker.
    let Some(user) = used else { return Err(refuse(context, &attempt, &lane).await?) };
    if needs_rehash {
        password::rehash(context, &user, attempt.secret).await?;
    }
    attempts::succeeded(context.tenant, &lane).await?;
    let proof = match attempt.method {
        Method::EmailOtp | Method::PhoneOtp => Proof::received(attempt.method, attempt.identifier.clone()),
        other => Proof::of(other),
    };
    Ok((Some(user), proof))
}

/// Refuses who should have solved a captcha (ruling D32). Where that depends on failures, this is one more.
async fn ask_for_captcha(
    context: Context<'_>,
    attempt: &Attempt<'_>,
    lane: &Lane,
) -> Result<(), SignInError> {
    let mode = context.tenant.profile().settings.captcha_mode;
    if mode == CaptchaMode::Off {
        return Ok(());
    }
    let failures = attempts::lately(context.tenant, lane).await?;
    let presented = attempt.captchas.iter().map(String::as_str);
    if captcha::is_satisfied(context.tenant, presented, failures)? {
        return Ok(());
    }
    if mode == CaptchaMode::Risk
        && let limited @ SignInError::RateLimited { .. } = refuse(context, attempt, lane).await?
    {
        return Err(limited);
    }
    Err(CaptchaError::Required.into())
}

/// Counts a failure; the answer depends on how many there were, never on the guess.
async fn refuse(
    context: Context<'_>,
    attempt: &Attempt<'_>,
    lane: &Lane,
) -> Result<SignInError, SignInError> {
    let Context { tenant, client, .. } = context;
    let target = attempt.account.map_or("unknown", |user| user.id.as_str());
    let event = |name| {
        let event = Event::refused(name, Actor::Anonymous, target, client);
        event.with("method", attempt.method.as_str()).effect(tenant)
    };
    let events = (event("user.sign_in_failed"), event("user.sign_in_locked"));
    match attempts::record_failure(tenant, lane, events).await {
        Ok(None) => Ok(SignInError::InvalidCredentials),
        Ok(Some(retry_after)) => Ok(SignInError::RateLimited { retry_after }),
        // Whoever lost that often lost to failures on record: most likely the budget is spent.
        Err(error @ StorageError::Contended) => {
            refuse_if_exhausted(context, lane).await?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// What somebody gets who asked to register an unknown identifier where registration is closed: the same as for a
/// wrong password.
pub(super) async fn refuse_unknown(
    context: Context<'_>,
    identifier: &Identifier,
    secret: &SecretString,
) -> Result<SignInError, SignInError> {
    let client = Client::Address(context.client.ip);
    let attempt =
        Attempt { identifier, account: None, client, method: Method::Password, secret, captchas: &[] };
    match check(context, attempt).await {
        Err(error) => Ok(error),
        Ok(_) => Ok(SignInError::InvalidCredentials),
    }
}

async fn refuse_if_exhausted(context: Context<'_>, lane: &Lane) -> Result<(), SignInError> {
    match attempts::exhausted(context.tenant, lane).await? {
        Some(retry_after) => Err(SignInError::RateLimited { retry_after }),
        None => Ok(()),
    }
}
