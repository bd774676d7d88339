//! After a proof: who signs in by it, and whether it is enough.
//!
//! Every way in ends here, so what holds here holds for all of them: the account's state, the clean-up of what a stranger
//! may have prepared in it (ruling D23), and the second factor.

use super::flow::{self, Next, Possible};
use super::pending::Pending;
use super::proof::{Method, Proof, Shown, channel_of, factors};
use super::{Context, More, SignInError, Step, Wanted, is_deliverable};
use crate::identity::hooks;
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::identity::sessions;
use crate::identity::sessions::service::NewSession;
use crate::identity::users::model::User;
use crate::identity::users::notice::tell_of_device;
use crate::identity::users::verification;
use crate::tenant::TenantScope;
use crate::tenant::settings::Settings;
use kernel::Stored;
use std::sync::Arc;

/// What a proof comes with.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    /// What the session is to be like.
    pub wanted: Wanted,
    /// The unfinished sign-in that was presented, if any.
    pub pending: Option<Pending>,
}

/// Goes on with a user who has proven something.
///
/// # Errors
/// [`SignInError::AccountInactive`]; [`SignInError::NoSecondFactor`] when one is needed and there is no way to one; when the
/// session can't be opened.
pub async fn proven(
    context: Context<'_>,
    user: Stored<User>,
    proof: Proof,
    carried: Carried,
) -> Result<Step, SignInError> {
    let tenant = context.tenant;
    let mut pending = carried.pending.filter(|pending| pending.is_of(tenant, &user));
    let is_own = is_own(proof.method) || pending.as_ref().is_some_and(|pending| pending.is_own);
    let user = match &proof.proves {
        Some(identifier) if verification::is_open(&user, identifier) => {
            let confirmed =
                verification::confirm(context.identity, tenant, &user, (identifier, is_own), context.client);
            confirmed.await?
        }
        _ => user,
    };
    if !user.may_sign_in() {
        return Err(SignInError::AccountInactive);
    }
    // What was cleaned up takes with it what a stranger had begun.
    pending = pending.filter(|pending| pending.is_of(tenant, &user));
    let mut shown = pending.map(|pending| pending.shown).unwrap_or_default();
    shown.push(Shown::from(&proof));
    match what_next(tenant, &user, &shown) {
        Next::Done => complete(context, user, shown, carried.wanted).await,
        Next::Need { methods, required } => {
            let more = More { methods, required, shown, is_own, wanted: carried.wanted };
            ask(context, &user, more)
        }
    }
}

/// Where an unfinished sign-in stands.
#[derive(Debug)]
pub struct Standing {
    /// Whose it is.
    pub user: Arc<Stored<User>>,
    /// What would do …
    pub methods: Vec<Method>,
    /// … so many of them.
    pub required: usize,
    /// What may be set up now, for who has nothing to show (ruling D39).
    pub enrol: Vec<Method>,
}

/// Tells where an unfinished sign-in stands. Nothing, for anything but the token of one that may go on.
///
/// # Errors
/// When the database is away.
pub async fn standing(context: Context<'_>, token: &str) -> Result<Option<Standing>, SignInError> {
    let Context { identity, tenant, .. } = context;
    let Some(pending) = Pending::read(tenant, token) else { return Ok(None) };
    let user = identity.user(tenant, &pending.user_id).await?;
    let Some(user) = user.filter(|user| pending.is_of(tenant, user) && user.may_sign_in()) else {
        return Ok(None);
    };
    let Next::Need { methods, required } = what_next(tenant, &user, &pending.shown) else { return Ok(None) };
    let is_enrolling = methods.is_empty() && pending.may_enrol;
    let enrol = if is_enrolling { enrolable(tenant, &user, &pending.shown)? } else { Vec::new() };
    let has_way = !methods.is_empty() || !enrol.is_empty();
    Ok(has_way.then_some(Standing { user, methods, required, enrol }))
}

/// Whether a proof shows the account itself to be this person's, not only one of its addresses.
const fn is_own(method: Method) -> bool {
    !matches!(method, Method::EmailOtp | Method::PhoneOtp | Method::MagicLink)
}

fn what_next(tenant: &TenantScope, user: &User, shown: &[Shown]) -> Next {
    let settings = &tenant.profile().settings;
    let mut possible = possible(user);
    possible.retain(|possible| is_deliverable(tenant, possible.method));
    flow::next(settings, shown, &possible, wants_second(settings, user))
}

/// Whether one factor is not enough: the tenant says so, or the user by having an authenticator.
fn wants_second(settings: &Settings, user: &User) -> bool {
    let has_authenticator = user.credentials_of(Method::Totp.as_str()).next().is_some();
    settings.require_mfa || (has_authenticator && flow::may_be_second(settings, Method::Totp))
}

/// What a user could show. Where they can be reached counts once it is proven to be theirs.
fn possible(user: &User) -> Vec<Possible> {
    let held = [Method::Password, Method::Totp, Method::BackupCodes, Method::Webauthn];
    let of_credential =
        held.into_iter().filter(|method| user.credentials_of(method.as_str()).next().is_some());
    let mut possible: Vec<Possible> =
        of_credential.map(|method| Possible { method, channel: Proof::of(method).channel }).collect();
    for own in user.identifiers.iter().filter(|own| own.is_active && own.verified_at.is_some()) {
        let (codes, links) = match own.kind {
            IdentifierKind::Email => (Method::EmailOtp, Some(Method::MagicLink)),
            IdentifierKind::Phone => (Method::PhoneOtp, None),
            _ => continue,
        };
        let channel = channel_of(&Identifier::stored(own.kind, &own.value));
        possible.extend(
            [Some(codes), links]
                .into_iter()
                .flatten()
                .map(|method| Possible { method, channel: channel.clone() }),
        );
    }
    possible
}

/// Asks for more: in a token that carries what was shown.
fn ask(context: Context<'_>, user: &Stored<User>, more: More) -> Result<Step, SignInError> {
    let enrol =
        if more.methods.is_empty() { enrolable(context.tenant, user, &more.shown)? } else { Vec::new() };
    let pending = Pending {
        user_id: user.id.clone(),
        user_epoch: user.session_epoch,
        tenant_epoch: context.tenant.profile().tenant.session_epoch,
        shown: more.shown,
        is_own: more.is_own,
        may_enrol: !enrol.is_empty(),
        wanted: more.wanted,
    };
    let (token, expires_in) =
        pending.sign(context.tenant, context.issuer).map_err(sessions::service::SessionError::from)?;
    Ok(Step::More {
        token,
        expires_in,
        amr: pending.amr(),
        methods: more.methods,
        required: more.required,
        enrol,
    })
}

/// The second factors a user without any may set up now (ruling D39). Not with nothing but something that was sent, when
/// there is a factor already that sign-in would only have to accept: whoever reads the mailbox must not add their own.
fn enrolable(tenant: &TenantScope, user: &User, shown: &[Shown]) -> Result<Vec<Method>, SignInError> {
    let was_sent = shown.iter().all(|shown| !is_own(shown.method));
    if was_sent && user.credentials.iter().any(|credential| credential.is_active) {
        return Err(SignInError::NoSecondFactor);
    }
    let settings = &tenant.profile().settings;
    let enrolable = [Method::Totp, Method::Webauthn].into_iter();
    let enrolable: Vec<Method> = enrolable.filter(|method| flow::may_be_second(settings, *method)).collect();
    if enrolable.is_empty() { Err(SignInError::NoSecondFactor) } else { Ok(enrolable) }
}

async fn complete(
    context: Context<'_>,
    user: Stored<User>,
    shown: Vec<Shown>,
    wanted: Wanted,
) -> Result<Step, SignInError> {
    let mut amr: Vec<String> = Vec::new();
    for shown in &shown {
        let name = shown.method.as_str();
        if !amr.iter().any(|other| other == name) {
            amr.push(name.to_owned());
        }
    }
    let Context { identity, tenant, issuer, client } = context;
    let asked = (&*user, amr.as_slice(), factors(&shown));
    let claims = hooks::before_login(identity, tenant, asked, client).await?;
    let new = NewSession {
        amr,
        factors: factors(&shown),
        claims,
        aud: wanted.audience,
        is_rotating: wanted.is_rotating,
        impersonation: None,
        workspace_id: wanted.workspace_id,
    };
    let signed_in = sessions::service::open(identity, tenant, issuer, user, new, client).await?;
    tell_of_device(tenant, &signed_in.user, client).await?;
    Ok(Step::Completed(Box::new(signed_in)))
}
