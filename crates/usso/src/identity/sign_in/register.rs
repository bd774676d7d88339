//! Registering: making the account, if the tenant lets people in.

use super::proof::{Method, Proof};
use super::{Carried, Context, Input, Register, SignInError, Step, Wanted, factor, options, proven};
use crate::identity::hooks;
use crate::identity::identifiers::Identifier;
use crate::identity::referrals::service as referrals;
use crate::identity::sessions::service::SessionError;
use crate::identity::users;
use crate::identity::users::error::UserError;
use crate::identity::users::service::NewUser;
use crate::tenant::settings::Approval;
use crate::tenant::{Actor, TenantScope};
use secrecy::SecretString;

/// Whether people may register themselves. Where they must be brought, the code they were given says so.
pub(super) fn check_open(tenant: &TenantScope, referral_code: Option<&str>) -> Result<(), SignInError> {
    let settings = &tenant.profile().settings;
    let is_brought = !settings.invite_only || referral_code.is_some();
    if settings.registration_is_allowed && is_brought {
        Ok(())
    } else {
        Err(SignInError::RegistrationDisabled)
    }
}

/// Makes the account and signs in to it, as far as the tenant's approval goes.
pub(super) async fn register(
    context: Context<'_>,
    identifier: &Identifier,
    input: &Input,
    secret: &SecretString,
) -> Result<Step, SignInError> {
    let tenant = context.tenant;
    if let Err(closed) = check_open(tenant, input.referral_code.as_deref()) {
        return Err(match input.register {
            // Nobody must learn from a closed registration whether an account exists.
            Register::IfAbsent => factor::refuse_unknown(context, identifier, secret).await?,
            _ => closed,
        });
    }
    // Nobody belongs to a workspace before they are there: refused before the account is made.
    if input.wanted.workspace_id.is_some() {
        return Err(SessionError::NotAMember.into());
    }
    // Parsed again: reserved names may sign in but nobody may take them (ruling D5).
    let identifier = Identifier::parse(Some(identifier.kind()), identifier.value(), &options(tenant, false))?;
    let asked = (&identifier, Method::Password.as_str(), input.name.as_deref());
    let custom_claims = hooks::before_registration(context.identity, tenant, asked, context.client).await?;
    let referral = match &input.referral_code {
        Some(code) => Some(referrals::claim(tenant, code).await?),
        None => None,
    };
    let new = NewUser {
        referred_by: referral.as_ref().map(|referral| referral.user_id.clone()),
        is_pending: tenant.profile().settings.approval == Approval::ManualReview,
        custom_claims,
        ..NewUser::named(identifier, input.name.clone())
    };
    let made =
        users::service::create(context.identity, tenant, (new, secret), Actor::Anonymous, context.client)
            .await;
    if let (Err(_), Some(referral)) = (&made, &referral) {
        referrals::release(tenant, &referral.id).await?;
    }
    let carried = Carried { wanted: input.wanted.clone(), pending: None };
    proven(context, made?, Proof::of(Method::Password), carried).await
}

/// Somebody with an identifier that is proven to be theirs and no account.
#[derive(Debug)]
pub struct Newcomer {
    /// The identifier.
    pub identifier: Identifier,
    /// What they call themselves.
    pub name: Option<String>,
    /// The code by which they were brought.
    pub referral_code: Option<String>,
}

/// Makes the account of somebody who has proven an identifier, and signs in to it.
///
/// # Errors
/// A referral code that can't be used; [`SessionError::NotAMember`]; when the account can't be made.
pub async fn newcomer(
    context: Context<'_>,
    new: Newcomer,
    proof: Proof,
    wanted: Wanted,
) -> Result<Step, SignInError> {
    let tenant = context.tenant;
    if check_open(tenant, new.referral_code.as_deref()).is_err() {
        return Ok(Step::RegistrationRequired);
    }
    if wanted.workspace_id.is_some() {
        return Err(SessionError::NotAMember.into());
    }
    let asked = (&new.identifier, proof.method.as_str(), new.name.as_deref());
    let custom_claims = hooks::before_registration(context.identity, tenant, asked, context.client).await?;
    let referral = match &new.referral_code {
        Some(code) => Some(referrals::claim(tenant, code).await?),
        None => None,
    };
    let user = NewUser {
        referred_by: referral.as_ref().map(|referral| referral.user_id.clone()),
        is_pending: tenant.profile().settings.approval == Approval::ManualReview,
        is_proven: true,
        custom_claims,
        ..NewUser::named(new.identifier.clone(), new.name)
    };
    let made = users::service::create_without_password(tenant, user, context.client).await;
    if let (Err(_), Some(referral)) = (&made, &referral) {
        referrals::release(tenant, &referral.id).await?;
    }
    let user = match made {
        // Somebody registered it in the meantime: the proof signs in to that.
        Err(UserError::IdentifierExists) => {
            let found = users::service::find(tenant, &new.identifier).await?;
            found.ok_or(UserError::IdentifierExists)?
        }
        made => made?,
    };
    proven(context, user, proof, Carried { wanted, pending: None }).await
}
