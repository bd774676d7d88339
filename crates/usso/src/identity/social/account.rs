//! Whose account is meant (checklist SOC-03, ruling D23).
//!
//! The one that is linked to the provider's subject. Only if nobody is, the address tells, and only one that the provider says is
//! proven: an account whose address is proven too is signed in to and linked; one whose address isn't may have been prepared
//! by a stranger and begins anew; without any account one is made.

use super::error::SocialError;
use super::exchange::Account;
use super::transaction::Link;
use crate::identity::hooks;
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::identity::sign_in::proof::{Method, Proof};
use crate::identity::sign_in::{self, Carried, Context, SignInError, Step, proven};
use crate::identity::users::credentials::check_recent;
use crate::identity::users::error::UserError;
use crate::identity::users::model::{Credential, User};
use crate::identity::users::service::{self as users, NewUser, credential_id};
use crate::identity::users::{links, verification};
use crate::tenant::TenantScope;
use crate::tenant::settings::Approval;
use kernel::{SessionId, StorageError, Stored, UserId};
use std::sync::Arc;

/// What an account elsewhere is called here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label<'a> {
    /// How it signs in.
    pub method: Method,
    /// The provider's name.
    pub name: &'a str,
}

/// The credential that an account elsewhere is here.
pub(super) fn credential(tenant: &TenantScope, account: &Account, label: Label<'_>) -> Credential {
    Credential {
        name: Some(label.name.to_owned()),
        provider: Some(account.authority.clone()),
        external_id: Some(account.subject.clone()),
        ..Credential::new(credential_id(tenant), label.method.as_str(), tenant.now())
    }
}

/// Signs in whoever an account elsewhere belongs to.
///
/// # Errors
/// [`SocialError::SignInFirst`], [`SocialError::RegistrationRequired`], and why the account may not sign in.
pub(super) async fn sign_in(
    context: Context<'_>,
    (account, label): (Account, &str),
    carried: Carried,
) -> Result<Step, SocialError> {
    let Context { identity, tenant, client, .. } = context;
    let proof = Proof::of(Method::Oauth);
    if let Some(user) = links::linked(tenant, &account.authority, &account.subject).await? {
        return Ok(proven(context, user, proof, carried).await?);
    }
    let typed = account.email.as_deref().ok_or(SocialError::SignInFirst)?;
    let email =
        sign_in::parse(tenant, Some(IdentifierKind::Email), typed).map_err(|_| SocialError::SignInFirst)?;
    let credential = credential(tenant, &account, Label { method: Method::Oauth, name: label });
    let Some(user) = users::find(tenant, &email).await? else {
        let user = newcomer(context, (email, account), credential).await?;
        return Ok(proven(context, user, proof, carried).await?);
    };
    if !user.may_sign_in() && !user.awaits_identifier {
        return Err(SignInError::AccountInactive.into());
    }
    let user = match verification::is_open(&user, &email) {
        true => verification::confirm(identity, tenant, &user, (&email, false), client).await?,
        false => user,
    };
    let id = user.id.clone();
    let mut step = proven(context, user, proof, carried).await?;
    // Only who has shown all that is needed changes how the account is signed in to.
    if let Step::Completed(signed_in) = &mut step {
        signed_in.user = Arc::new(attach(context, &id, &credential).await?);
    }
    Ok(step)
}

/// Makes the account of somebody nobody is linked to, whose identifier is proven.
pub(super) async fn newcomer(
    context: Context<'_>,
    (identifier, account): (Identifier, Account),
    credential: Credential,
) -> Result<Stored<User>, SocialError> {
    let settings = &context.tenant.profile().settings;
    if !settings.registration_is_allowed || settings.invite_only {
        return Err(SocialError::RegistrationRequired);
    }
    let Context { identity, tenant, client, .. } = context;
    let asked = (&identifier, credential.method.as_str(), account.name.as_deref());
    let claims = hooks::before_registration(identity, tenant, asked, client).await;
    let new = NewUser {
        custom_claims: claims.map_err(SignInError::from)?,
        is_pending: settings.approval == Approval::ManualReview,
        ..NewUser::named(identifier, account.name)
    };
    match links::create(context.tenant, new, (credential, account.picture), context.client).await {
        // Somebody else's by now, or kept for somebody who can't use it at present.
        Err(UserError::IdentifierExists) => Err(SocialError::SignInFirst),
        made => Ok(made?),
    }
}

async fn attach(
    context: Context<'_>,
    id: &UserId,
    credential: &Credential,
) -> Result<Stored<User>, SocialError> {
    match links::link(context.identity, context.tenant, id, credential, context.client).await {
        Err(UserError::Storage(StorageError::KeyTaken { .. })) => Err(SocialError::LinkTaken),
        linked => Ok(linked?),
    }
}

/// Links an account elsewhere to the user of a session that still lives and was begun lately.
///
/// # Errors
/// [`SocialError::NotRecent`], [`SocialError::LinkTaken`].
pub(super) async fn link(
    context: Context<'_>,
    (account, label): (Account, &str),
    link: &Link,
) -> Result<(Stored<User>, Credential), SocialError> {
    let Context { identity, tenant, .. } = context;
    let ids = (SessionId::parse(&link.session_id), UserId::parse(&link.user_id));
    let (Ok(session_id), Ok(user_id)) = ids else { return Err(SocialError::State) };
    let session = identity.session_from_store(tenant, &session_id).await?.ok_or(SocialError::NotRecent)?;
    let user = identity.user_from_store(tenant, &user_id).await?.ok_or(SocialError::NotRecent)?;
    let (profile, now) = (tenant.profile(), tenant.now());
    let idle = profile.settings.session_inactivity_timeout;
    let is_live = session.is_live(user.session_epoch, profile.tenant.session_epoch, idle, now);
    let is_theirs = session.user_id == user_id && session.actor.is_none() && user.may_sign_in();
    if !is_live || !is_theirs || check_recent(tenant, &session).is_err() {
        return Err(SocialError::NotRecent);
    }
    let new = credential(tenant, &account, Label { method: Method::Oauth, name: label });
    let user = attach(context, &user_id, &new).await?;
    let is_it = |own: &&Credential| own.provider == new.provider && own.external_id == new.external_id;
    let own = user.credentials.iter().find(is_it).cloned().ok_or(SocialError::LinkTaken)?;
    Ok((user, own))
}
